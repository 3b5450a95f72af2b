/* A guest's RAM for the loaders' tests: pieces that adjoin in the guest and are mallocs of their
 * own on the host, so that a byte too far is the sanitizer's; and small helpers around one load. */
#ifndef FAKES_GUEST_RAM_H
#define FAKES_GUEST_RAM_H

#include "loader/load.h"

struct fake_guest {
	struct gmem gmem;
	struct guest_shape shape;
	struct vm_config config;
	struct boot_module kernel, initrd;
	struct guest_entry entry;
	char error[256];
};

/* `mem` bytes of RAM, at least 1 MiB, filled with 0xa5 where the loader must not trust it to be
 * zero; VM 'test', 1 vCPU, no kernel. */
void fake_guest_init(struct fake_guest *guest, uint64_t mem);
void fake_guest_free(struct fake_guest *guest);

/* Loads a copy of `size` bytes that is exactly as long. What load_guest returns. */
int fake_guest_load(struct fake_guest *guest, const void *data, uint64_t size);

/* Reads guest memory; a read outside RAM gives 0. */
uint64_t fake_guest_u64(const struct fake_guest *guest, uint64_t gpa);
uint32_t fake_guest_u32(const struct fake_guest *guest, uint64_t gpa);
uint8_t fake_guest_u8(const struct fake_guest *guest, uint64_t gpa);

/* xorshift64*: the same numbers in each run. */
uint64_t fake_random(uint64_t *state);

/* Changes 1 to 4 places of `size` bytes at `data` (a byte, a 32-bit number to an edge value, a
 * bit), most of them in the first `hot` bytes. */
void fake_mutate(uint64_t *state, uint8_t *data, uint64_t size, uint64_t hot);

#endif
