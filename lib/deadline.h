/* Deadlines: a heap of intrusive nodes ordered by time. No locking of its own, no allocation: any
 * number of deadlines can be armed. */
#ifndef LIB_DEADLINE_H
#define LIB_DEADLINE_H

#include "lib/types.h"

#define DEADLINE_NEVER UINT64_MAX

struct deadline {
	uint64_t when; /* TSC ticks */
	/* The heap's own links (a pairing heap): NULL when not armed. */
	struct deadline *child, *sibling, *back;
	bool is_armed;
};

struct deadline_heap {
	struct deadline *root;
};

/* Arms `d` for `when`; an armed one is moved. Equal times expire in any order. O(1), or O(log n)
 * amortised when it moves. */
void deadline_arm(struct deadline_heap *heap, struct deadline *d, uint64_t when);

/* Takes `d` out, if it is armed. */
void deadline_cancel(struct deadline_heap *heap, struct deadline *d);

/* The time of the nearest, or DEADLINE_NEVER. O(1). */
static inline uint64_t deadline_next(const struct deadline_heap *heap)
{
	return heap->root ? heap->root->when : DEADLINE_NEVER;
}

/* Takes out and returns one whose time is at or before `now`, or NULL. */
struct deadline *deadline_pop_expired(struct deadline_heap *heap, uint64_t now);

#endif
