/* Which vCPU goes to which pCPU, and when nobody goes: sched/balance.h's and sched/runq.h's own
 * words are the rules quoted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sched/balance.h"

#define PCPUS    4
#define ENTITIES 8
#define SLICE    1000
#define DUE      (BALANCE_SLICES * SLICE)

static struct runq rqs[PCPUS];
static struct sched_entity se[ENTITIES];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PCPUS; i++)
		runq_init(&rqs[i], i);
	for (unsigned i = 0; i < ENTITIES; i++) {
		sched_entity_init(&se[i], NULL, &CPUMASK_ALL, SLICE, 0);
		se[i].pcpu = UINT32_MAX;
	}
	return 0;
}

/* Entity i comes to wait at a pCPU. */
static void queue(unsigned i, uint32_t cpu, uint64_t now)
{
	rqs[cpu].load++;
	runq_enqueue(&rqs[cpu], &se[i], now);
}

/* Entity i runs at a pCPU, where nobody waits. */
static void run(unsigned i, uint32_t cpu, uint64_t now)
{
	queue(i, cpu, now);
	rqs[cpu].current = runq_pick(&rqs[cpu], now);
	assert_ptr_equal(rqs[cpu].current, &se[i]);
}

/* 'A difference of one is what goes round': with equal loads, and with one more here, nobody is
 * pushed. */
static void test_equal_loads_push_nothing(void **state)
{
	bool stays = false;

	(void)state;
	run(0, 0, 10);
	run(1, 1, 10);
	assert_int_equal(balance_push(rqs, 2, &rqs[0], &se[0], DUE, &stays), 0);
	assert_true(stays);
	queue(2, 0, 20);
	queue(3, 1, 20);
	assert_int_equal(balance_push(rqs, 2, &rqs[0], &se[0], 2 * DUE, &stays), 0);
	assert_int_equal(balance_push(rqs, 2, &rqs[1], &se[1], 2 * DUE, &stays), 1);
	assert_true(stays);
	assert_int_equal(rqs[0].pushes + rqs[1].pushes + se[0].moves + se[2].moves, 0);
	assert_int_equal(rqs[0].load, 2);
	assert_int_equal(rqs[1].load, 2);
}

/* Who has been here longest goes, the running one or a waiting one. */
static void test_push(void **state)
{
	bool stays = false;

	(void)state;
	run(0, 0, 10);
	queue(1, 0, 20);
	queue(2, 0, 30);
	run(3, 1, 10);
	/* 'Not before BALANCE_SLICES slices': then. */
	rqs[0].balanced_at = 100;
	assert_int_equal(balance_push(rqs, 2, &rqs[0], &se[0], 100 + DUE - 1, &stays), 0);
	assert_true(stays);
	sched_set_state(&se[0], SCHED_RUNNABLE, 100 + DUE);
	assert_int_equal(balance_push(rqs, 2, &rqs[0], &se[0], 100 + DUE, &stays), 1);
	assert_false(stays);
	assert_int_equal(rqs[0].balanced_at, 100 + DUE);
	assert_int_equal(rqs[0].pushes, 1);
	assert_int_equal(rqs[0].load, 2);
	assert_int_equal(rqs[1].load, 2);
	assert_int_equal(se[0].moves, 1);
	assert_int_equal(se[0].pcpu, 1);
	assert_int_equal(se[0].arrived, 100 + DUE);
	assert_true(runq_has(&rqs[1], &se[0]));
	assert_int_equal(rqs[1].waiting, 1);
}

static void test_push_of_a_waiting_one(void **state)
{
	bool stays = false;

	(void)state;
	run(0, 2, 50);
	queue(1, 2, 20);
	queue(2, 2, 30);
	run(3, 0, 10);
	run(4, 1, 10);
	run(5, 3, 10);
	se[1].affinity = CPUMASK(BIT(2));
	assert_int_equal(balance_push(rqs, PCPUS, &rqs[2], &se[0], DUE, &stays), 3);
	assert_true(stays);
	assert_int_equal(rqs[2].waiting, 1);
	assert_false(runq_has(&rqs[2], &se[2]));
	assert_true(runq_has(&rqs[3], &se[2]));
	assert_int_equal(se[2].pcpu, 3);
	assert_int_equal(rqs[2].load, 2);
	assert_int_equal(rqs[3].load, 2);
}

/* Nobody may go there: all stay. */
static void test_push_heeds_affinity(void **state)
{
	bool stays = false;

	(void)state;
	run(0, 0, 10);
	queue(1, 0, 20);
	queue(2, 0, 30);
	for (unsigned i = 0; i < 3; i++)
		se[i].affinity = CPUMASK(BIT(0));
	assert_int_equal(balance_push(rqs, 2, &rqs[0], &se[0], DUE, &stays), 0);
	assert_true(stays);
	assert_int_equal(rqs[0].pushes, 0);
	assert_int_equal(rqs[0].waiting, 2);
	/* From a pCPU that is not the first: it is the answer, too. */
	run(3, 1, 10);
	queue(4, 1, 20);
	queue(5, 1, 20);
	rqs[0] = (struct runq){.lock = SPINLOCK_INIT(LOCK_RUNQ)};
	list_init(&rqs[0].queue);
	for (unsigned i = 3; i < 6; i++)
		se[i].affinity = CPUMASK(BIT(1));
	assert_int_equal(balance_push(rqs, 2, &rqs[1], &se[3], DUE, &stays), 1);
}

/* 'The next pCPU', round about from the own one on, whose load is less by `least` or more. */
static void test_lighter(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		queue(i, 1, 10);
	queue(4, 2, 10);
	queue(5, 2, 10);
	queue(6, 2, 10);
	queue(7, 3, 10);
	assert_int_equal(runq_lighter(rqs, PCPUS, 1, 1), 2);
	assert_int_equal(runq_lighter(rqs, PCPUS, 1, 2), 3);
	assert_int_equal(runq_lighter(rqs, PCPUS, 1, 3), 3);
	assert_int_equal(runq_lighter(rqs, PCPUS, 1, 4), 0);
	assert_int_equal(runq_lighter(rqs, PCPUS, 1, 5), 1);
	assert_int_equal(runq_lighter(rqs, 2, 1, 4), 0);
	assert_int_equal(runq_lighter(rqs, 3, 2, 1), 0);
	assert_int_equal(runq_lighter(rqs, PCPUS, 0, 1), 0);
}

/* An idle pCPU takes the oldest of those that may run there, from the next one round about that has
 * any. */
static void test_pull(void **state)
{
	(void)state;
	assert_null(balance_pull(rqs, PCPUS, &rqs[2], 100));
	assert_int_equal(rqs[2].pulls, 0);
	queue(0, 3, 30);
	queue(1, 3, 20);
	queue(2, 3, 40);
	queue(3, 1, 10);
	se[0].affinity = se[2].affinity = CPUMASK(BIT(2) | BIT(3));
	se[1].affinity = CPUMASK(BIT(3));
	assert_ptr_equal(balance_pull(rqs, PCPUS, &rqs[2], 100), &se[0]);
	assert_int_equal(se[0].pcpu, 2);
	assert_int_equal(se[0].arrived, 100);
	assert_int_equal(se[0].moves, 1);
	assert_int_equal(rqs[2].load, 1);
	assert_int_equal(rqs[3].load, 2);
	assert_int_equal(rqs[2].pulls, 1);
	assert_ptr_equal(balance_pull(rqs, PCPUS, &rqs[2], 101), &se[2]);
	assert_ptr_equal(balance_pull(rqs, PCPUS, &rqs[2], 102), &se[3]);
	assert_null(balance_pull(rqs, PCPUS, &rqs[2], 103));
	assert_int_equal(rqs[2].pulls, 3);
	assert_int_equal(rqs[3].waiting, 1);
	assert_int_equal(rqs[1].waiting, 0);
}

/* A yield sends it to another pCPU once. */
static void test_pick_forgets_where_it_went(void **state)
{
	(void)state;
	se[0].goes_to = 3;
	queue(0, 0, 10);
	assert_ptr_equal(runq_pick(&rqs[0], 20), &se[0]);
	assert_int_equal(se[0].goes_to, 0);
}

/* cap=: the budget is full again when a period has gone by since the last began, and not before. */
static void test_cap_refill(void **state)
{
	(void)state;
	se[0].cap_period = 1000;
	se[0].cap_budget = 300;
	se[0].cap_start = 5000;
	se[0].cap_left = 40;
	queue(0, 0, 5900);
	assert_ptr_equal(runq_pick(&rqs[0], 5999), &se[0]);
	assert_int_equal(se[0].cap_end, 5999 + 40);
	assert_int_equal(se[0].cap_start, 5000);
	runq_enqueue(&rqs[0], &se[0], 5999);
	assert_ptr_equal(runq_pick(&rqs[0], 6000), &se[0]);
	assert_int_equal(se[0].cap_end, 6000 + 300);
	assert_int_equal(se[0].cap_start, 6000);
	assert_int_equal(se[0].cap_left, 300);
	/* Without a cap there is no end. */
	queue(1, 1, 10);
	assert_ptr_equal(runq_pick(&rqs[1], 20), &se[1]);
	assert_true(se[1].cap_end == DEADLINE_NEVER);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equal_loads_push_nothing),
		TEST(test_push),
		TEST(test_push_of_a_waiting_one),
		TEST(test_push_heeds_affinity),
		TEST(test_lighter),
		TEST(test_pull),
		TEST(test_pick_forgets_where_it_went),
		TEST(test_cap_refill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
