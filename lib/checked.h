/* Checked arithmetic: every address and length that comes from outside goes through here. */
#ifndef LIB_CHECKED_H
#define LIB_CHECKED_H

#include "lib/types.h"

/* True, and the sum or product in `*out`, when it fits; false, and `*out` undefined, otherwise. */
#define checked_add(a, b, out) (!__builtin_add_overflow((a), (b), (out)))
#define checked_mul(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))

/* Does [addr, addr+len) lie inside [base, base+size)? An empty range does where addr does, its end
 * included. No overflow, whatever the arguments. */
static inline bool range_is_inside(uint64_t addr, uint64_t len, uint64_t base, uint64_t size)
{
	return addr >= base && addr - base <= size && len <= size - (addr - base);
}

/* Do the two ranges share a byte? */
static inline bool range_is_overlapping(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return alen && blen && (a >= b ? a - b < blen : b - a < alen);
}

#endif
