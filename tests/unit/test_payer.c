/* Who pays for work outside a VM's turns, and how much of it there may be: the rules quoted are
 * those of sched/payer.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakes/guest_ram.h"
#include "sched/payer.h"

#define BURST 2000u
#define PIECE 500u

/* 'So much of it may come at once, when there was none for a while', and then the part. */
static void test_budget(void **state)
{
	struct sched_budget b = {0};

	(void)state;
	assert_int_equal(budget_next(&b, 1000000, BURST), 1000000);
	budget_take(&b, 1000000, BURST);
	assert_int_equal(budget_next(&b, 1000000, BURST), 1000000);
	budget_take(&b, 1000000, 10);
	assert_int_equal(budget_next(&b, 1000000, BURST), 1000000 + 10 * BUDGET_PART);
	assert_int_equal(budget_next(&b, 1000000 + 10 * BUDGET_PART - 1, BURST),
			 1000000 + 10 * BUDGET_PART);
	assert_int_equal(budget_next(&b, 1000000 + 10 * BUDGET_PART, BURST),
			 1000000 + 10 * BUDGET_PART);
	/* 'So much was taken out in advance, and not used.' */
	budget_give_back(&b, 4);
	assert_int_equal(budget_next(&b, 1000000, BURST), 1000000 + 6 * BUDGET_PART);
	budget_give_back(&b, UINT32_MAX);
	assert_int_equal(b.full_at, 0);
	/* Full it does not get fuller. */
	budget_take(&b, 5000000, BURST + 1);
	assert_int_equal(budget_next(&b, 5000000, BURST), 5000000 + BUDGET_PART);
}

/* In any time there is no more than the burst, the part, and one piece more; whoever wants all of
 * it gets all of it. */
static void test_budget_over_time(void **state)
{
	struct sched_budget b = {0};
	uint64_t seed = 11, now = 100, done = 0;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t cost = 1 + fake_random(&seed) % PIECE;

		now = budget_next(&b, now, BURST);
		budget_take(&b, now, cost);
		done += cost;
		assert_true(done <= BURST + PIECE + now / BUDGET_PART);
	}
	assert_true(done >= now / BUDGET_PART);
}

static void test_charge_and_pay(void **state)
{
	struct sched_payer p = {0};

	(void)state;
	assert_int_equal(payer_pay(&p, 1000), 0);
	payer_charge(&p, 300);
	payer_charge(&p, 100);
	assert_int_equal(payer_pay(&p, 1000), 400);
	assert_int_equal(payer_pay(&p, 1000), 0);
	assert_int_equal(p.spent, 400);
	/* 'A debt leaves each turn this part of its slice.' */
	payer_charge(&p, 2000);
	assert_int_equal(payer_pay(&p, 1000), 1000 - 1000 / DEBT_LEAVES);
	assert_int_equal(payer_pay(&p, 1000), 1000 - 1000 / DEBT_LEAVES);
	assert_int_equal(payer_pay(&p, 1000), 250);
	assert_int_equal(payer_pay(&p, 1000), 0);
	/* 'And is forgotten beyond so many slices.' */
	payer_charge(&p, 1000000);
	assert_int_equal(payer_pay(&p, 1000), 875);
	assert_int_equal(p.debt, DEBT_SLICES * 1000);
	assert_int_equal(p.spent, 400 + 2000 + 1000000);
	assert_int_equal(payer_pay(&p, 8), 7);
	assert_int_equal(payer_pay(&p, 0), 0);
	assert_int_equal(p.debt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_budget_over_time),
		cmocka_unit_test(test_charge_and_pay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
