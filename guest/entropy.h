/* Random bytes for a guest's devices: the CPU's RDSEED or RDRAND; or a generator that is seeded at
 * the VM's creation, where there is neither or `rdrand=off` asks for runs that repeat. */
#ifndef GUEST_ENTROPY_H
#define GUEST_ENTROPY_H

#include "lib/types.h"

struct entropy {
	bool has_rdseed, has_rdrand; /* (i) */
	uint32_t key[8];             /* (i) the generator's */
	uint64_t block;              /* how many it has made */
};

/* `is_cpu_hidden`: the generator alone. It is seeded with the TSC and `salt`. */
void entropy_init(struct entropy *e, bool is_cpu_hidden, uint64_t salt);
void entropy_fill(struct entropy *e, void *to, size_t len);

#endif
