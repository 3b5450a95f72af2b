/* A set of pCPUs. */
#ifndef LIB_CPUMASK_H
#define LIB_CPUMASK_H

#include "lib/bitmap.h"

#define CPUMASK_WORDS BITMAP_WORDS(MAX_PCPUS)

struct cpumask {
	uint64_t word[CPUMASK_WORDS];
};

/* The pCPUs 0 to 63 whose bits are set in `low`; and all that there can be. */
#define CPUMASK(low) ((struct cpumask){.word = {(low)}})
#define CPUMASK_ALL  ((struct cpumask){.word = {[0 ... CPUMASK_WORDS - 1] = UINT64_MAX}})

static inline bool cpumask_has(const struct cpumask *mask, uint32_t cpu)
{
	return bitmap_is_set(mask->word, cpu);
}

static inline void cpumask_set(struct cpumask *mask, uint32_t cpu)
{
	bitmap_set(mask->word, cpu);
}

static inline struct cpumask cpumask_of(uint32_t cpu)
{
	struct cpumask mask = {0};

	cpumask_set(&mask, cpu);
	return mask;
}

static inline uint32_t cpumask_count(const struct cpumask *mask)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		count += (uint32_t)__builtin_popcountll(mask->word[i]);
	return count;
}

static inline bool cpumask_intersects(const struct cpumask *a, const struct cpumask *b)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		if (a->word[i] & b->word[i])
			return true;
	return false;
}

#endif
