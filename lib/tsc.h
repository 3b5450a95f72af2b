/* TSC ticks to nanoseconds and back, by multiplication, without overflow or drift; and the same
 * rate in the form that pvclock_vcpu_time_info wants. */
#ifndef LIB_TSC_H
#define LIB_TSC_H

#include "lib/checked.h"
#include "lib/types.h"

#define NSEC_PER_SEC 1000000000ull

struct tsc_rate {
	uint64_t hz; /* ticks a second */
};

/* mul_div_u64 where the product does not fit in 64 bits. */
uint64_t mul_div_large(uint64_t value, uint64_t mul, uint64_t div);

/* floor(value * mul / div) with a 128-bit product; `div` > 0. Saturates at UINT64_MAX. */
static inline uint64_t mul_div_u64(uint64_t value, uint64_t mul, uint64_t div)
{
	uint64_t product;

	return likely(checked_mul(value, mul, &product)) ? product / div
							 : mul_div_large(value, mul, div);
}

static inline uint64_t tsc_to_ns(const struct tsc_rate *rate, uint64_t ticks)
{
	return mul_div_u64(ticks, NSEC_PER_SEC, rate->hz);
}

static inline uint64_t ns_to_tsc(const struct tsc_rate *rate, uint64_t ns)
{
	return mul_div_u64(ns, rate->hz, NSEC_PER_SEC);
}

/* The multiplier (32-bit fraction) and shift of struct pvclock_vcpu_time_info:
 * ns = ((shift >= 0 ? ticks << shift : ticks >> -shift) * mul) >> 32, with the largest precision.
 */
void tsc_rate_to_pvclock(const struct tsc_rate *rate, uint32_t *mul, int8_t *shift);

#endif
