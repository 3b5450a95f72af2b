/* Bitmaps of any length in 64-bit words. The atomic forms may race with each other; the plain ones
 * need the caller's lock. */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include "lib/types.h"

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline bool bitmap_is_set(const uint64_t *map, unsigned bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, unsigned bit)
{
	map[bit / 64] |= BIT_ULL(bit % 64);
}

static inline void bitmap_clear(uint64_t *map, unsigned bit)
{
	map[bit / 64] &= ~BIT_ULL(bit % 64);
}

static inline bool bitmap_set_atomic(uint64_t *map, unsigned bit) /* the bit's value before */
{
	return __atomic_fetch_or(&map[bit / 64], BIT_ULL(bit % 64), __ATOMIC_SEQ_CST) >>
		       (bit % 64) &
	       1;
}

/* The highest set bit of `words` words, or -1. */
static inline int bitmap_highest(const uint64_t *map, unsigned words)
{
	for (unsigned i = words; i-- > 0;)
		if (map[i])
			return (int)(i * 64 + 63 - (unsigned)__builtin_clzll(map[i]));
	return -1;
}

/* The first set bit at or above `from` and below `bits`, or `bits`. */
static inline unsigned bitmap_next(const uint64_t *map, unsigned bits, unsigned from)
{
	while (from < bits) {
		uint64_t word = map[from / 64] >> (from % 64);

		if (word)
			return MIN(from + (unsigned)__builtin_ctzll(word), bits);
		from = (from / 64 + 1) * 64;
	}
	return bits;
}

#define bitmap_for_each(bit, map, bits)                                                            \
	for ((bit) = bitmap_next((map), (bits), 0); (bit) < (bits);                                \
	     (bit) = bitmap_next((map), (bits), (bit) + 1))

#endif
