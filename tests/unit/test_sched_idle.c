/* Which idle pCPU is told of an arrival, on machines with more than 64, and that a pCPU whose vCPU
 * is gone has no current one: sched/sched.h's and sched/runq.h's words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/init.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "lib/trace.h"
#include "sched/sched.h"

#define SLICE 1000

static struct sched_entity runner, sleeper;
static enum sched_verdict (*act)(struct sched_entity *se);

static void nothing(struct sched_entity *se)
{
	(void)se;
}

static enum sched_verdict run(struct sched_entity *se)
{
	fake_tsc_advance(10);
	return act(se);
}

static bool is_woken(struct sched_entity *se)
{
	(void)se;
	return false;
}

static const struct sched_ops ops = {
	.run = run, .switch_in = nothing, .switch_out = nothing, .is_woken = is_woken};

static void be(uint32_t cpu)
{
	fake_percpu_attach(cpu);
	if (sched_this_runq() != sched_runq(cpu))
		sched_init_cpu();
}

static int setup(void **state)
{
	(void)state;
	fake_percpu_reset();
	fake_interrupts_reset();
	fake_tsc_set(5000);
	sched_set_kick_hook(NULL);
	be(0);
	sched_init_cpu();
	sched_entity_init(&runner, &ops, &CPUMASK(1), SLICE, 5000);
	sched_entity_init(&sleeper, &ops, &CPUMASK(1), SLICE, 5000);
	return 0;
}

static enum sched_verdict wait_or_wake(struct sched_entity *se)
{
	if (se == &runner)
		sched_kick(&sleeper);
	return se == &sleeper && se->switches == 1 ? SCHED_WAIT : SCHED_ENDED;
}

/* A vCPU wakes on a pCPU that is busy with another: 'an idle pCPU takes the one that waits', the
 * first of those where it may run. */
static void test_the_first_idle_one_is_told(void **state)
{
	static const uint32_t cpus[] = {1, 5, 63, 64, 65, 127, 128, 300, MAX_PCPUS - 1};

	(void)state;
	act = wait_or_wake;
	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct cpumask affinity = {{0}};

		setup(state);
		/* Two are idle; the higher one is not needed. */
		for (uint32_t n = 0; n < 2; n++) {
			be(MIN(cpus[i] + n, MAX_PCPUS - 1u));
			fake_pcpu_run(sched_loop);
			bitmap_set(affinity.word, MIN(cpus[i] + n, MAX_PCPUS - 1u));
		}
		be(0);
		sched_start(&sleeper);
		fake_pcpu_run(sched_loop);
		assert_int_equal(sleeper.state, SCHED_BLOCKED);
		sleeper.affinity = affinity;
		sched_start(&runner);
		fake_pcpu_run(sched_loop);
		assert_int_equal(runner.state, SCHED_STOPPED);
		assert_int_equal(fake_ipi_count(cpus[i], VECTOR_KICK), 1);
		if (cpus[i] + 1 < MAX_PCPUS)
			assert_int_equal(fake_ipi_count(cpus[i] + 1, VECTOR_KICK), 0);
	}
}

/* The last bucket has all that is longer. */
static void test_a_long_wake_up(void **state)
{
	(void)state;
	act = wait_or_wake;
	for (unsigned more = 0; more < 3; more++) {
		setup(state);
		sched_start(&sleeper);
		fake_pcpu_run(sched_loop);
		sched_kick(&sleeper);
		fake_tsc_advance(1ull << (SCHED_WAKE_BUCKETS - 2 + more));
		fake_pcpu_run(sched_loop);
		for (unsigned i = 0; i < SCHED_WAKE_BUCKETS; i++)
			assert_int_equal(sleeper.wake_hist[i],
					 i == SCHED_WAKE_BUCKETS - 2 + MIN(more, 1u));
	}
}

static enum sched_verdict leave_for_1(struct sched_entity *se)
{
	sched_set_affinity(se, &CPUMASK(2));
	return SCHED_PREEMPTED;
}

static enum sched_verdict send_to_1(struct sched_entity *se)
{
	se->affinity = CPUMASK(2); /* nor comes back */
	se->goes_to = 2;
	return SCHED_PREEMPTED;
}

static enum sched_verdict use_up(struct sched_entity *se)
{
	se->cap_end = rdtsc();
	if (se->switches > 1)
		return SCHED_ENDED;
	assert_ptr_equal(sched_runq(0)->current, se);
	return SCHED_PREEMPTED;
}

static enum sched_verdict wait(struct sched_entity *se)
{
	(void)se;
	return SCHED_WAIT;
}

static enum sched_verdict end(struct sched_entity *se)
{
	(void)se;
	return SCHED_ENDED;
}

static bool was_looked_at;

static void look(struct sched_timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
	was_looked_at = true;
	assert_null(sched_runq(0)->current);
}

/* 'NULL between two': however its turn ended, and wherever it went. */
static void test_nobody_is_current_afterwards(void **state)
{
	static enum sched_verdict (*const acts[])(struct sched_entity *
						  se) = {leave_for_1, send_to_1, use_up, wait, end};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(acts); i++) {
		struct sched_timer timer;

		setup(state);
		be(1);
		be(0);
		act = acts[i];
		if (act == use_up) {
			runner.cap_period = 5000;
			runner.cap_budget = 100;
		}
		was_looked_at = false;
		sched_timer_init(&timer, look);
		sched_timer_arm(&timer, 7000);
		sched_start(&runner);
		fake_pcpu_run(sched_loop);
		assert_true(was_looked_at);
		assert_null(sched_runq(0)->current);
		assert_int_equal(sched_runq(1)->waiting, act == leave_for_1 || act == send_to_1);
	}
}

/* The boot pCPU registers the handlers, for all. */
static void test_the_boot_pcpu_handles(void **state)
{
	(void)state;
	act = end;
	fake_percpu_attach(1); /* it has not begun */
	sched_start(&runner);
	assert_int_equal(fake_ipi_count(0, VECTOR_KICK), 1);
	be(0);
	fake_pcpu_run(sched_loop);
	assert_int_equal(this_cpu()->ipi_taken, 1);
	assert_int_equal(runner.state, SCHED_STOPPED);
}

static void pin_meanwhile(void)
{
	runner.affinity = CPUMASK(2);
}

/* 'Whoever changes the affinity now sees it in the queue; or it is seen here': it goes on to where
 * it may run. */
static void test_pinned_while_it_starts(void **state)
{
	(void)state;
	be(1);
	be(0);
	sched_set_kick_hook(pin_meanwhile);
	sched_start(&runner);
	sched_set_kick_hook(NULL);
	assert_int_equal(runner.pcpu, 1);
	assert_int_equal(sched_runq(0)->waiting, 0);
	assert_int_equal(sched_runq(1)->waiting, 1);
	assert_int_equal(sched_runq(1)->load, 1);
}

/* Interrupts that arrive are in the trace when that is asked for, and not else. */
static void test_kicks_are_traced(void **state)
{
	static struct trace_record records[16];
	struct trace_record out[16];
	struct trace_reader reader;

	(void)state;
	act = end;
	for (unsigned is_on = 0; is_on < 2; is_on++) {
		setup(state);
		trace_ring_init(&this_cpu()->trace, records, ARRAY_SIZE(records));
		be(1);
		trace_switch.groups = is_on ? TRACE_GROUP_IPI : 0;
		sched_start(&runner); /* on pCPU 0 */
		be(0);
		fake_pcpu_run(sched_loop);
		trace_switch.groups = 0;
		trace_reader_init(&reader, &this_cpu()->trace);
		assert_int_equal(this_cpu()->ipi_taken, 1);
		assert_int_equal(trace_reader_read(&reader, out, 16), is_on);
		if (is_on) {
			assert_int_equal(out[0].event, TRACE_IPI_TAKEN);
			assert_int_equal(out[0].tsc, 5000);
			assert_int_equal(out[0].info, VECTOR_KICK);
			assert_int_equal(out[0].arg, 0);
			assert_int_equal(out[0].vcpu, 0);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_idle_one_is_told), TEST(test_nobody_is_current_afterwards),
		TEST(test_the_boot_pcpu_handles),      TEST(test_pinned_while_it_starts),
		TEST(test_kicks_are_traced),           TEST(test_a_long_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
