/* The state that a run begins with: taken once, put back before each. */
#ifndef FUZZ_SNAPSHOT_H
#define FUZZ_SNAPSHOT_H

#include "fuzz.h"

#define SNAPSHOT_PIECES_MAX 16u

struct snapshot {
	unsigned count;
	struct {
		void *at, *copy;
		size_t len;
	} piece[SNAPSHOT_PIECES_MAX];
};

static inline void snapshot_add(struct snapshot *s, void *at, size_t len)
{
	REQUIRE(s->count < SNAPSHOT_PIECES_MAX);
	s->piece[s->count].at = at;
	s->piece[s->count].copy = copy_of(at, len);
	s->piece[s->count++].len = len;
}

static inline void snapshot_restore(const struct snapshot *s)
{
	for (unsigned i = 0; i < s->count; i++)
		memcpy(s->piece[i].at, s->piece[i].copy, s->piece[i].len);
}

#endif
