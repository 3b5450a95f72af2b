/* From the boot loader's memory map to a page allocator and the hypervisor's own address space. */
#ifndef BOOT_MEMORY_H
#define BOOT_MEMORY_H

#include "boot/boot.h"

/* Fills boot->ram and boot->free: the image, the information structure, the modules and page 0 are
 * taken out of what is free. 0, or a negative errno with the reason in the log. */
int __must_check memory_read_map(struct boot *boot);

/* Takes one free page below 640 KiB out of boot->free, for the APs' first steps; false when there
 * is none. Before memory_init. */
bool __must_check memory_take_low_page(struct boot *boot, hpa_t *page);

/* Starts the page allocator on boot->free and switches to the hypervisor's own tables, which hold
 * nothing but RAM: devices and firmware tables that were used before are gone from the address
 * space. */
int __must_check memory_init(struct boot *boot);

#endif
