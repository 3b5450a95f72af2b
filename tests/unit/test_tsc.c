/* Time conversions, against 128-bit arithmetic and against the reader that KVM documents for
 * struct pvclock_vcpu_time_info ('KVM-specific MSRs'):
 *
 *	time = (current_tsc - tsc_timestamp)
 *	if (tsc_shift >= 0)
 *		time <<= tsc_shift;
 *	else
 *		time >>= -tsc_shift;
 *	time = (time * tsc_to_system_mul) >> 32
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "lib/tsc.h"

/* From an emulator's slow clocks to far above any real one. */
static const uint64_t rates[] = {
	1,          1000,       3579545,      50000000,         999999999,
	1000000000, 1000000001, 2399987000,   3600000000ull,    4294967295ull,
	4294967296, 5800000000, 100000000000, 18446744073709ull};

static uint64_t random_u64(void)
{
	uint64_t v = 0;

	for (int i = 0; i < 5; i++)
		v = v << 15 ^ (uint64_t)rand();
	return v >> (rand() % 64);
}

static void test_mul_div(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 300000; i++) {
		uint64_t value = random_u64(), mul = random_u64(), div = random_u64();
		unsigned __int128 want;

		if (!div)
			continue;
		want = (unsigned __int128)value * mul / div;
		assert_int_equal(mul_div_u64(value, mul, div),
				 want > UINT64_MAX ? UINT64_MAX : (uint64_t)want);
	}
	assert_int_equal(mul_div_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
	assert_int_equal(mul_div_u64(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
	assert_int_equal(mul_div_u64(UINT64_MAX, 2, 1), UINT64_MAX);
	assert_int_equal(mul_div_u64(0, UINT64_MAX, 1), 0);
}

/* 'Without drift': after any number of whole seconds the result is exact. */
static void test_whole_seconds_are_exact(void **state)
{
	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		struct tsc_rate rate = {.hz = rates[r]};

		for (uint64_t s = 0; s < 500000; s = s * 3 + 1) {
			assert_int_equal(tsc_to_ns(&rate, s * rates[r]), s * NSEC_PER_SEC);
			assert_int_equal(ns_to_tsc(&rate, s * NSEC_PER_SEC), s * rates[r]);
		}
	}
}

static void test_monotonic(void **state)
{
	(void)state;
	srand(2);
	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		struct tsc_rate rate = {.hz = rates[r]};
		uint64_t tsc = random_u64() >> 8, last = 0;

		for (int i = 0; i < 10000; i++) {
			uint64_t ns = tsc_to_ns(&rate, tsc);

			assert_true(ns >= last);
			last = ns;
			tsc += (uint64_t)rand() % 3;
		}
	}
}

static uint64_t pvclock_read(uint64_t ticks, uint32_t mul, int8_t shift)
{
	ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
	return (uint64_t)((unsigned __int128)ticks * mul >> 32);
}

static void test_pvclock(void **state)
{
	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		struct tsc_rate rate = {.hz = rates[r]};
		uint64_t ns, exact;
		uint32_t mul = 0;
		int8_t shift = 0;

		tsc_rate_to_pvclock(&rate, &mul, &shift);
		/* 'With the largest precision': no leading zero in the fraction. */
		assert_true(mul & BIT(31));
		/* One second, and an hour, are right to 2^-31, never too long, but for the bits
		 * that the right shift drops: 1000 s of a 18 THz clock is far more than them. */
		for (uint64_t seconds = 1000; seconds <= 3600; seconds += 2600) {
			if (rates[r] > UINT64_MAX / 3600 / 4)
				continue;
			exact = seconds * NSEC_PER_SEC;
			ns = pvclock_read(seconds * rates[r], mul, shift);
			assert_true(ns <= exact);
			assert_true(exact - ns <= exact / BIT_ULL(31) + 64);
		}
	}
}

/* The values that Linux computes for a 1 GHz clock: a nanosecond a tick. */
static void test_pvclock_of_1ghz(void **state)
{
	struct tsc_rate rate = {.hz = NSEC_PER_SEC};
	uint32_t mul;
	int8_t shift;

	(void)state;
	tsc_rate_to_pvclock(&rate, &mul, &shift);
	assert_int_equal(mul, 0x80000000);
	assert_int_equal(shift, 1);
	for (uint64_t ticks = 0; ticks < 1000; ticks++)
		assert_int_equal(pvclock_read(ticks, mul, shift), ticks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mul_div),
		cmocka_unit_test(test_whole_seconds_are_exact),
		cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_pvclock),
		cmocka_unit_test(test_pvclock_of_1ghz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
