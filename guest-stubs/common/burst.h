/* Work that uses every general register and the flags (burst.S). */
#ifndef GUEST_STUBS_COMMON_BURST_H
#define GUEST_STUBS_COMMON_BURST_H

#include "guest-stubs/common/stub.h"

/* burst.S knows this layout. */
struct burst {
	uint64_t iterations;
	uint64_t sum;         /* in RAX: sum = sum * 5 + 1 in each iteration */
	uint64_t rflags;      /* constant through the burst; without TF and IF */
	uint64_t pattern[13]; /* RBX RDX RSI RBP R8-R15 RDI: constant through the burst */
};

void burst_run(struct burst *burst);

#endif
