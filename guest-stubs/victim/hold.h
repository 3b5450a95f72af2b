/* A tight loop that keeps a pattern in its registers and looks at the TSC and the memory (hold.S).
 */
#ifndef GUEST_STUBS_VICTIM_HOLD_H
#define GUEST_STUBS_VICTIM_HOLD_H

#define HOLD_WORDS   2048 /* of the memory that is looked at; a power of two */
#define HOLD_PATTERN 5    /* registers */

#ifndef __ASSEMBLER__
#include "guest-stubs/common/stub.h"

/* hold.S knows this layout. Times are TSC ticks. */
struct hold {
	uint64_t iterations;
	uint64_t limit;         /* an iteration that takes longer was interrupted */
	uint64_t own;           /* what all others took, added to what was there */
	uint64_t longest;       /* the longest that was interrupted, or what was there */
	uint64_t last;          /* the TSC that was looked at last */
	uint64_t gaps;          /* how many were interrupted, added */
	uint64_t bad;           /* words of the memory that were wrong, added */
	const uint64_t *memory; /* HOLD_WORDS words: word n is key ^ n */
	uint64_t key;
	uint64_t pattern[HOLD_PATTERN]; /* R8, R10-R13: constant throughout */
};

void hold_run(struct hold *hold);
#endif

#endif
