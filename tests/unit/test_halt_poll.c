/* Halt polling: the rules of Linux' Documentation/virt/kvm/halt-polling.rst, quoted at each test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "sched/halt_poll.h"

#define US 1000ull

static const struct halt_poll_params defaults = {
	.halt_poll_ns = 200 * US,
	.halt_poll_ns_grow = 2,
	.halt_poll_ns_grow_start = 10 * US,
	.halt_poll_ns_shrink = 0,
};

/* A halt whose wake-up comes `after` ns: as the scheduler would drive it. */
static void halt(struct halt_poll *hp, const struct halt_poll_params *params, uint64_t after)
{
	uint64_t limit = halt_poll_begin(hp, params, true);
	uint64_t poll = MIN(limit, after);

	halt_poll_end(hp, params, limit > 0, poll, after - poll, true, true);
}

/* 'In the event that the polling interval is 0 [...] no polling is done'; a new vCPU's is 0. */
static void test_a_new_vcpu_does_not_poll(void **state)
{
	struct halt_poll hp = {0};

	(void)state;
	assert_int_equal(halt_poll_begin(&hp, &defaults, true), 0);
}

/* 'In the event that the wakeup event happened during the polling interval [...] the polling
 * interval is unchanged.' */
static void test_success_leaves_the_limit(void **state)
{
	struct halt_poll hp = {.limit_ns = 40 * US};

	(void)state;
	halt(&hp, &defaults, 5 * US);
	assert_int_equal(hp.limit_ns, 40 * US);
	halt(&hp, &defaults, 40 * US); /* the last moment of it */
	assert_int_equal(hp.limit_ns, 40 * US);
	assert_int_equal(hp.halt_attempted_poll, 2);
	assert_int_equal(hp.halt_successful_poll, 2);
	assert_int_equal(hp.halt_poll_success_ns, 45 * US);
	assert_int_equal(hp.halt_poll_fail_ns, 0);
	assert_int_equal(hp.halt_wakeup, 0);
	assert_int_equal(hp.halt_wait_ns, 0);
}

/* Shrinking by no divisor is to zero at once, whatever growing starts with. */
static void test_shrinks_to_zero(void **state)
{
	static const struct halt_poll_params p = {.halt_poll_ns = 200 * US, .halt_poll_ns_grow = 2};
	struct halt_poll hp = {.limit_ns = 40 * US};

	(void)state;
	halt(&hp, &p, 900 * US);
	assert_int_equal(hp.limit_ns, 0);
	/* By one: it stays; and what has become less than the start is zero. */
	hp.limit_ns = 40 * US;
	halt(&hp, &(struct halt_poll_params){200 * US, 2, 10 * US, 1}, 900 * US);
	assert_int_equal(hp.limit_ns, 40 * US);
	halt(&hp, &(struct halt_poll_params){200 * US, 2, 10 * US, 4}, 900 * US);
	assert_int_equal(hp.limit_ns, 10 * US);
	halt(&hp, &(struct halt_poll_params){200 * US, 2, 10 * US, 2}, 900 * US);
	assert_int_equal(hp.limit_ns, 0);
}

/* 'In the event that the total block time was greater than the polling interval but less than the
 * global max polling interval, then the polling interval is increased': 10, 20, 40, 80, 160,
 * clamped 200. */
static void test_short_blocks_grow(void **state)
{
	static const uint64_t steps[] = {10, 20, 40, 80, 160, 200, 200};
	struct halt_poll hp = {0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		halt(&hp, &defaults, 199 * US);
		assert_int_equal(hp.limit_ns, steps[i] * US);
	}
	/* The first had no limit to poll for; the last, of 199 in 200, was a success. */
	assert_int_equal(hp.halt_attempted_poll, 6);
	assert_int_equal(hp.halt_successful_poll, 1);
	assert_int_equal(hp.halt_poll_fail_ns, (10 + 20 + 40 + 80 + 160) * US);
	assert_int_equal(hp.halt_poll_success_ns, 199 * US);
	assert_int_equal(hp.halt_wakeup, 6);
	assert_int_equal(hp.halt_wait_ns, (6 * 199 - 310) * US);
}

/* 'Strictly shorter than the ceiling' grows, longer shrinks: exactly the ceiling does neither. */
static void test_the_ceiling_itself(void **state)
{
	struct halt_poll hp = {.limit_ns = 50 * US};

	(void)state;
	halt(&hp, &defaults, 200 * US);
	assert_int_equal(hp.limit_ns, 50 * US);
	halt(&hp, &defaults, 200 * US - 1);
	assert_int_equal(hp.limit_ns, 100 * US);
	halt(&hp, &defaults, 200 * US + 1);
	assert_int_equal(hp.limit_ns, 0);
}

/* 'halt_poll_ns_shrink: the value by which the polling interval is divided'; 0 to zero at once;
 * below grow_start it is 0. */
static void test_long_blocks_shrink(void **state)
{
	struct halt_poll_params p = defaults;
	struct halt_poll hp = {.limit_ns = 160 * US};

	(void)state;
	p.halt_poll_ns_shrink = 4;
	halt(&hp, &p, 1000 * US);
	assert_int_equal(hp.limit_ns, 40 * US);
	halt(&hp, &p, 1000 * US);
	assert_int_equal(hp.limit_ns, 10 * US);
	halt(&hp, &p, 1000 * US);
	assert_int_equal(hp.limit_ns, 0);
	halt(&hp, &p, 1000 * US);
	assert_int_equal(hp.limit_ns, 0);
}

/* An invalid wake-up shrinks however short it was, and is counted when the poll saw it. */
static void test_invalid_wakeup_shrinks(void **state)
{
	struct halt_poll hp = {.limit_ns = 40 * US};

	(void)state;
	halt_poll_end(&hp, &defaults, true, 5 * US, 0, false, true);
	assert_int_equal(hp.limit_ns, 0);
	assert_int_equal(hp.halt_successful_poll, 1);
	assert_int_equal(hp.halt_poll_invalid, 1);

	hp.limit_ns = 40 * US;
	halt_poll_end(&hp, &defaults, true, 40 * US, 5 * US, false, true);
	assert_int_equal(hp.limit_ns, 0);
	assert_int_equal(hp.halt_poll_invalid, 1);
}

/* 'While POLL_CONTROL is 0 nothing is adjusted', and nothing polled. */
static void test_poll_control_stops_all(void **state)
{
	struct halt_poll hp = {.limit_ns = 40 * US};

	(void)state;
	assert_int_equal(halt_poll_begin(&hp, &defaults, false), 0);
	halt_poll_end(&hp, &defaults, false, 0, 1000 * US, true, false);
	assert_int_equal(hp.limit_ns, 40 * US);
	halt_poll_end(&hp, &defaults, false, 0, 50 * US, true, false);
	assert_int_equal(hp.limit_ns, 40 * US);
	halt_poll_end(&hp, &defaults, false, 0, 50 * US, false, false);
	assert_int_equal(hp.limit_ns, 40 * US);
	assert_int_equal(hp.halt_attempted_poll, 0);
	assert_int_equal(hp.halt_wakeup, 3);
}

/* 'halt_poll_ns [...] 0 turns polling off', also for a vCPU that had a limit before. */
static void test_ceiling_zero_and_lowered(void **state)
{
	struct halt_poll_params p = defaults;
	struct halt_poll hp = {.limit_ns = 160 * US};

	(void)state;
	p.halt_poll_ns = 30 * US;
	assert_int_equal(halt_poll_begin(&hp, &p, true), 30 * US);
	halt_poll_end(&hp, &p, true, 10 * US, 0, true, true);
	assert_int_equal(hp.limit_ns, 30 * US);

	p.halt_poll_ns = 0;
	assert_int_equal(halt_poll_begin(&hp, &p, true), 0);
	halt_poll_end(&hp, &p, false, 0, 10 * US, true, true);
	assert_int_equal(hp.limit_ns, 0);
}

static void test_odd_parameters(void **state)
{
	struct halt_poll_params p = defaults;
	struct halt_poll hp = {.limit_ns = 20 * US};

	(void)state;
	p.halt_poll_ns_grow = 0; /* never grows */
	halt(&hp, &p, 100 * US);
	assert_int_equal(hp.limit_ns, 20 * US);

	p = defaults;
	p.halt_poll_ns_grow_start = 500 * US; /* clamped to the ceiling */
	hp.limit_ns = 0;
	halt(&hp, &p, 100 * US);
	assert_int_equal(hp.limit_ns, 200 * US);

	p = defaults;
	p.halt_poll_ns = UINT64_MAX; /* the product does not wrap */
	p.halt_poll_ns_grow = UINT32_MAX;
	hp.limit_ns = UINT64_MAX / 2;
	halt(&hp, &p, UINT64_MAX - 1);
	assert_true(hp.limit_ns == UINT64_MAX);
}

/* 'bucket n holds [2^n, 2^(n+1)) ns, bucket 0 also 0' */
static void test_histograms(void **state)
{
	struct halt_poll hp = {.limit_ns = 40 * US};

	(void)state;
	halt_poll_end(&hp, &defaults, true, 0, 0, true, false);
	halt_poll_end(&hp, &defaults, true, 1, 0, true, false);
	halt_poll_end(&hp, &defaults, true, 2, 0, true, false);
	halt_poll_end(&hp, &defaults, true, 1023, 0, true, false);
	halt_poll_end(&hp, &defaults, true, 1024, 1, true, false);
	halt_poll_end(&hp, &defaults, true, 7, UINT64_MAX, true, false);
	halt_poll_end(&hp, &defaults, false, 0, 1ull << 31, true, false);
	assert_int_equal(hp.poll_success_hist[0], 2);
	assert_int_equal(hp.poll_success_hist[1], 1);
	assert_int_equal(hp.poll_success_hist[9], 1);
	assert_int_equal(hp.poll_fail_hist[10], 1);
	assert_int_equal(hp.poll_fail_hist[2], 1);
	assert_int_equal(hp.wait_hist[0], 1);
	assert_int_equal(hp.wait_hist[31], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_vcpu_does_not_poll),
		cmocka_unit_test(test_success_leaves_the_limit),
		cmocka_unit_test(test_short_blocks_grow),
		cmocka_unit_test(test_shrinks_to_zero),
		cmocka_unit_test(test_the_ceiling_itself),
		cmocka_unit_test(test_long_blocks_shrink),
		cmocka_unit_test(test_invalid_wakeup_shrinks),
		cmocka_unit_test(test_poll_control_stops_all),
		cmocka_unit_test(test_ceiling_zero_and_lowered),
		cmocka_unit_test(test_odd_parameters),
		cmocka_unit_test(test_histograms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
