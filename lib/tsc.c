/* Conversions between TSC ticks and nanoseconds. No 128-bit division: the compiler's support
 * library may use a red zone, which the hypervisor's interrupts would overwrite. */
#include "lib/tsc.h"

/* floor(a * b / div), where a < div: so the quotient is below b. By shift and subtract: for rates
 * where the product does not fit in 64 bits, which no real TSC has. */
static uint64_t mul_div_wide(uint64_t a, uint64_t b, uint64_t div)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	uint64_t rest = (uint64_t)(product >> 64), low = (uint64_t)product, quotient = 0;

	for (int bit = 63; bit >= 0; bit--) {
		bool has_carried = rest >> 63;

		rest = rest << 1 | (low >> bit & 1);
		if (has_carried || rest >= div) {
			rest -= div;
			quotient |= 1ull << bit;
		}
	}
	return quotient;
}

uint64_t mul_div_large(uint64_t value, uint64_t mul, uint64_t div)
{
	uint64_t whole = value / div, rest = value % div, product, result;

	/* value * mul / div = whole * mul + rest * mul / div, exactly. */
	if (checked_mul(rest, mul, &product))
		product /= div;
	else
		product = mul_div_wide(rest, mul, div);
	if (!checked_mul(whole, mul, &result) || !checked_add(result, product, &result))
		return UINT64_MAX;
	return result;
}

void tsc_rate_to_pvclock(const struct tsc_rate *rate, uint32_t *mul, int8_t *shift)
{
	uint64_t fraction = 0;
	int s;

	/* The fraction doubles with each step: the first that has bit 31 set has 32 significant
	 * bits. */
	for (s = 31; s > -31; s--) {
		fraction = mul_div_u64(NSEC_PER_SEC, 1ull << (32 - s), rate->hz);
		if (fraction >= BIT_ULL(31))
			break;
	}
	*mul = (uint32_t)fraction;
	*shift = (int8_t)s;
}
