/* Changing where an entity may run, in each of its states: sched/pin.h's and sched/pin.c's words.
 */
#define _DEFAULT_SOURCE /* usleep */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "fakes/percpu.h"
#include "sched/pin.h"

#define PCPUS 3

static struct runq rqs[PCPUS];
static struct sched_entity se;
static uint32_t cpu;

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PCPUS; i++)
		runq_init(&rqs[i], i);
	sched_entity_init(&se, NULL, &CPUMASK(1), 1000, 0);
	cpu = UINT32_MAX;
	return 0;
}

static enum pin_effect pin_to(uint64_t mask)
{
	pin_store(&se, &CPUMASK(mask));
	return pin_apply(rqs, PCPUS, &se, 500, &cpu);
}

static void test_a_waiting_one_moves(void **state)
{
	(void)state;
	runq_enqueue(&rqs[0], &se, 10);
	rqs[0].load = 1;
	rqs[1].load = 4;
	assert_int_equal(pin_to(7), PIN_STAYS);
	assert_int_equal(cpu, 0);
	assert_int_equal(pin_to(6), PIN_MOVED);
	assert_int_equal(cpu, 2); /* the lighter one */
	assert_int_equal(se.pcpu, 2);
	assert_true(runq_has(&rqs[2], &se));
	assert_int_equal(rqs[0].waiting, 0);
	assert_int_equal(rqs[0].load, 0);
	assert_int_equal(rqs[2].load, 1);
	assert_int_equal(se.moves, 1);
	assert_int_equal(se.arrived, 500);
}

static void test_a_running_one_leaves(void **state)
{
	(void)state;
	runq_enqueue(&rqs[0], &se, 10);
	assert_ptr_equal(runq_pick(&rqs[0], 20), &se);
	assert_int_equal(pin_to(3), PIN_STAYS);
	assert_true(se.cap_end == DEADLINE_NEVER);
	assert_int_equal(pin_to(4), PIN_LEAVES);
	assert_int_equal(cpu, 0);
	assert_int_equal(se.cap_end, 0);
	assert_int_equal(se.pcpu, 0);
}

/* A blocked one belongs elsewhere from now on, and nobody is told. */
static void test_a_blocked_one(void **state)
{
	(void)state;
	runq_enqueue(&rqs[0], &se, 10);
	(void)runq_pick(&rqs[0], 20);
	sched_set_state(&se, SCHED_BLOCKED, 30);
	rqs[0].load = 1;
	assert_int_equal(pin_to(2), PIN_STAYS);
	assert_int_equal(se.pcpu, 1);
	assert_int_equal(rqs[1].load, 1);
	assert_int_equal(rqs[0].load, 0);
	assert_int_equal(rqs[1].waiting, 0);
}

static void test_a_stopped_one_stays(void **state)
{
	(void)state;
	assert_int_equal(pin_to(2), PIN_STAYS);
	assert_int_equal(se.pcpu, 0);
	assert_int_equal(rqs[1].load, 0);
}

/* One that waits for its cap's next period is in no queue and stays: its timer comes here then. */
static void test_a_throttled_one_stays(void **state)
{
	(void)state;
	se.state = SCHED_RUNNABLE;
	se.cap_timer.deadline.is_armed = true;
	assert_int_equal(pin_to(2), PIN_STAYS);
	assert_int_equal(se.pcpu, 0);
	assert_int_equal(rqs[1].load, 0);
	se.cap_timer.deadline.is_armed = false;
}

static enum pin_effect effect;

static void *pin_thread(void *arg)
{
	fake_percpu_attach(2);
	effect = pin_to(2);
	return arg;
}

/* 'Whoever moves it is waited for': RUNNABLE, and in no queue yet. */
static void test_one_on_its_way_is_waited_for(void **state)
{
	pthread_t thread;

	(void)state;
	se.state = SCHED_RUNNABLE;
	effect = PIN_LEAVES;
	assert_int_equal(pthread_create(&thread, NULL, pin_thread, NULL), 0);
	usleep(20000); /* the thread's time to do it wrong */
	spin_lock(&rqs[0].lock);
	runq_insert(&rqs[0], &se, 400);
	spin_unlock(&rqs[0].lock);
	pthread_join(thread, NULL);
	assert_int_equal(effect, PIN_MOVED);
	assert_true(runq_has(&rqs[1], &se));
	assert_int_equal(rqs[0].waiting, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_waiting_one_moves),   TEST(test_a_running_one_leaves),
		TEST(test_a_blocked_one),         TEST(test_a_stopped_one_stays),
		TEST(test_a_throttled_one_stays), TEST(test_one_on_its_way_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
