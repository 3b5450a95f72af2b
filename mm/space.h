/* The hypervisor's own address space: identity-mapped, W^X, page 0 and stack guards absent. */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "mm/memmap.h"

/* Builds the tables from `ram`, all RAM that there is (the image and what is reserved in it
 * included), and the image's section symbols, and switches to them. On the boot CPU, once, after
 * page_init and with enough pages below 4 GiB added for the tables. -ENOMEM; -ENODEV when the CPU
 * has no execute-disable, or firmware switched it off. */
int __must_check space_init(const struct memmap *ram);

/* Switches another pCPU to the same tables, and its CR0, CR4, EFER and PAT to what they need. */
void space_load(void);

/* Maps [base, base+len) of device memory uncached, writable; identity, so base is the pointer.
 * -ENOMEM. Before APs run, or on ranges no other pCPU has touched. */
int __must_check space_map_device(hpa_t base, uint64_t len);

/* The same for a framebuffer: writes may be combined, and reads are slow. */
int __must_check space_map_framebuffer(hpa_t base, uint64_t len);

/* Is the page at this address mapped, and ordinary memory? Then it can be read. */
bool space_is_memory(hpa_t address);

/* A stack of at least `pages` pages with an unmapped guard page below; the top (highest address),
 * or NULL. A power of two less one wastes nothing. Before the page's first user on another pCPU. */
void *space_alloc_stack(unsigned pages);

#endif
