/* Run queues and the states of entities: sched/runq.h's own words are the rules quoted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakes/guest_ram.h"
#include "fakes/panic.h"
#include "sched/runq.h"

#define ENTITIES 8

static struct runq rq;
static struct sched_entity se[ENTITIES];

static int setup(void **state)
{
	(void)state;
	runq_init(&rq, 3);
	for (unsigned i = 0; i < ENTITIES; i++)
		sched_entity_init(&se[i], NULL, &CPUMASK_ALL, 1000 + i, 50);
	return 0;
}

static void test_new(void **state)
{
	(void)state;
	assert_int_equal(se[2].state, SCHED_STOPPED);
	assert_int_equal(se[2].slice, 1002);
	assert_int_equal(se[2].since, 50);
	assert_int_equal(rq.waiting, 0);
	assert_null(runq_pick(&rq, 60));
}

/* 'STOPPED -> RUNNABLE -> RUNNING -> RUNNABLE | BLOCKED | STOPPED; BLOCKED -> RUNNABLE | STOPPED;
 * RUNNABLE -> STOPPED', and no other. */
static void test_arrows(void **state)
{
	static const bool legal[SCHED_STATES][SCHED_STATES] = {
		[SCHED_STOPPED] = {[SCHED_RUNNABLE] = true},
		[SCHED_RUNNABLE] = {[SCHED_RUNNING] = true, [SCHED_STOPPED] = true},
		[SCHED_RUNNING] =
			{[SCHED_RUNNABLE] = true, [SCHED_BLOCKED] = true, [SCHED_STOPPED] = true},
		[SCHED_BLOCKED] = {[SCHED_RUNNABLE] = true, [SCHED_STOPPED] = true},
	};

	(void)state;
	for (unsigned from = 0; from < SCHED_STATES; from++)
		for (unsigned to = 0; to < SCHED_STATES; to++) {
			se[0].state = from;
			if (legal[from][to]) {
				sched_set_state(&se[0], (enum sched_state)to, 100);
				assert_int_equal(se[0].state, to);
				continue;
			}
			expect_assert_failure(sched_set_state(&se[0], (enum sched_state)to, 100));
			assert_int_equal(se[0].state, from);
		}
}

/* 'Closes the old state's time and opens the new one's with one stamp': whatever happens, the times
 * add up to the time that has gone by. */
static void test_times_add_up(void **state)
{
	uint64_t seed = 7, now = 50, in[SCHED_STATES] = {0}, sum = 0;

	(void)state;
	for (unsigned n = 0; n < 10000; n++) {
		static const enum sched_state next[SCHED_STATES][3] = {
			[SCHED_STOPPED] = {SCHED_RUNNABLE, SCHED_RUNNABLE, SCHED_RUNNABLE},
			[SCHED_RUNNABLE] = {SCHED_RUNNING, SCHED_RUNNING, SCHED_STOPPED},
			[SCHED_RUNNING] = {SCHED_RUNNABLE, SCHED_BLOCKED, SCHED_STOPPED},
			[SCHED_BLOCKED] = {SCHED_RUNNABLE, SCHED_RUNNABLE, SCHED_STOPPED},
		};
		uint64_t ticks = fake_random(&seed) % 1000;

		in[se[0].state] += ticks;
		now += ticks;
		for (unsigned s = 0; s < SCHED_STATES; s++)
			assert_int_equal(sched_time_in(&se[0], (enum sched_state)s, now), in[s]);
		sched_set_state(&se[0], next[se[0].state][fake_random(&seed) % 3], now);
	}
	for (unsigned s = 0; s < SCHED_STATES; s++)
		sum += se[0].time[s];
	assert_int_equal(sum, now - 50);
	assert_int_equal(se[0].since, now);
}

static void test_round_robin(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ENTITIES; i++)
		runq_enqueue(&rq, &se[i], 100);
	assert_int_equal(rq.waiting, ENTITIES);
	for (unsigned n = 0; n < 5 * ENTITIES; n++) {
		struct sched_entity *next = runq_pick(&rq, 200 + n);

		assert_ptr_equal(next, &se[n % ENTITIES]);
		assert_int_equal(next->state, SCHED_RUNNING);
		assert_int_equal(next->pcpu, 3);
		/* 'With a fresh slice.' */
		assert_int_equal(next->slice_end, 200 + n + 1000 + n % ENTITIES);
		assert_int_equal(rq.waiting, ENTITIES - 1);
		runq_enqueue(&rq, next, 201 + n);
	}
	/* Who comes, comes last. */
	for (unsigned i = 0; i < ENTITIES; i++)
		assert_ptr_equal(runq_pick(&rq, 900), &se[i]);
	assert_null(runq_pick(&rq, 900));
	assert_int_equal(rq.waiting, 0);
}

static void test_only_who_may_can_be_queued(void **state)
{
	(void)state;
	runq_enqueue(&rq, &se[0], 100);
	expect_assert_failure(runq_enqueue(&rq, &se[0], 101));
	assert_int_equal(rq.waiting, 1);
}

/* 'The allowed pCPU of `count` with the least load, the lowest number among equals.' */
static void test_least_loaded(void **state)
{
	static const uint32_t loads[] = {4, 2, 3, 2, 0};
	static struct runq rqs[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		runq_init(&rqs[i], i);
		rqs[i].load = loads[i];
	}
	assert_int_equal(runq_least_loaded(rqs, 5, &CPUMASK_ALL), 4);
	assert_int_equal(runq_least_loaded(rqs, 4, &CPUMASK_ALL), 1);
	assert_int_equal(runq_least_loaded(rqs, 5, &CPUMASK(0x0d)), 3);
	assert_int_equal(runq_least_loaded(rqs, 5, &CPUMASK(0x05)), 2);
	assert_int_equal(runq_least_loaded(rqs, 5, &CPUMASK(0x01)), 0);
	rqs[0].load = 0;
	assert_int_equal(runq_least_loaded(rqs, 5, &CPUMASK_ALL), 0);
	/* 'Affinity allows at least one of them.' */
	expect_assert_failure(runq_least_loaded(rqs, 4, &CPUMASK(0x10)));
	expect_assert_failure(runq_least_loaded(rqs, 5, &CPUMASK(0)));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

/* 'struct cpumask': a pCPU beyond the first word counts like any other, and no other does
   for it. */
static void test_affinity_beyond_64_pcpus(void **state)
{
	static struct runq rqs[MAX_PCPUS];
	static const uint32_t cpus[] = {0, 63, 64, 65, 127, 128, MAX_PCPUS - 1};
	struct cpumask some = cpumask_of(64);

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct cpumask one = cpumask_of(cpus[i]);

		assert_int_equal(runq_least_loaded(rqs, MAX_PCPUS, &one), cpus[i]);
		assert_int_equal(cpumask_count(&one), 1);
		for (uint32_t k = 0; k < ARRAY_SIZE(cpus); k++) {
			struct cpumask other = cpumask_of(cpus[k]);

			assert_int_equal(cpumask_has(&one, cpus[k]), i == k);
			assert_int_equal(cpumask_intersects(&one, &other), i == k);
		}
	}
	cpumask_set(&some, 300);
	rqs[64].load = 1;
	assert_int_equal(runq_least_loaded(rqs, MAX_PCPUS, &some), 300);
	assert_int_equal(runq_least_loaded(rqs, 300, &some), 64);
	some = CPUMASK_ALL;
	assert_int_equal(cpumask_count(&some), MAX_PCPUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_arrows),
		TEST(test_times_add_up),
		TEST(test_round_robin),
		TEST(test_only_who_may_can_be_queued),
		TEST(test_least_loaded),
		TEST(test_affinity_beyond_64_pcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
