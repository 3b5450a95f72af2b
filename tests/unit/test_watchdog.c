/* The watchdog: 'a pCPU that is stuck in the host for a second is reported by another; one in the
 * guest or idle is not stuck'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/apic.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/panic.h"
#include "fakes/percpu.h"
#include "sched/sched.h"
#include "sched/watchdog.h"

#define LIMIT 1000u
#define HZ    1000000u /* a millisecond is as long */

static struct watch watch;
static uint64_t now;

static enum watch_action look(uint64_t later, uint64_t progress, bool has_answered)
{
	now += later;
	return watch_look(&watch, progress, has_answered, now, LIMIT);
}

static int reset_watch(void **state)
{
	(void)state;
	watch = (struct watch){0};
	now = 5000;
	assert_int_equal(look(0, 1, true), WATCH_NOTHING);
	return 0;
}

static void test_who_gets_on_is_left_alone(void **state)
{
	(void)state;
	for (uint64_t i = 2; i < 100; i++)
		assert_int_equal(look(LIMIT / 2, i, true), WATCH_NOTHING);
}

/* A lone vCPU without deadlines never exits by itself: the kick makes it, and that is progress. */
static void test_a_guest_without_exits(void **state)
{
	(void)state;
	for (uint64_t i = 2; i < 100; i++) {
		assert_int_equal(look(LIMIT / 2, i - 1, true), WATCH_KICK);
		assert_int_equal(look(LIMIT / 2, i, true), WATCH_NOTHING);
	}
}

static void test_one_that_is_stuck(void **state)
{
	(void)state;
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_KICK);
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_PROBE);
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_STUCK);
	assert_int_equal(now - watch.since, LIMIT * 3 / 2);
}

/* Each step leaves it time, also when the watcher comes late and then at once again. */
static void test_a_watcher_that_is_late(void **state)
{
	(void)state;
	assert_int_equal(look(100 * LIMIT, 1, true), WATCH_KICK);
	assert_int_equal(look(10, 1, true), WATCH_NOTHING);
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_PROBE);
	assert_int_equal(look(10, 1, true), WATCH_NOTHING);
	assert_int_equal(look(10, 2, true), WATCH_NOTHING);
	assert_int_equal(watch.stage, WATCH_QUIET);
}

/* Its own host may not run it: then it takes no NMI, and goes on when it is run again. */
static void test_one_that_is_not_run(void **state)
{
	(void)state;
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_KICK);
	assert_int_equal(look(LIMIT / 2, 1, true), WATCH_PROBE);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(look(LIMIT / 2, 1, false), WATCH_NOTHING);
	assert_int_equal(look(LIMIT / 2, 2, true), WATCH_NOTHING);
	assert_int_equal(look(LIMIT / 2, 2, true), WATCH_KICK);
	assert_int_equal(look(LIMIT / 2, 2, true), WATCH_PROBE);
	for (unsigned i = 0; i < 17; i++)
		assert_int_equal(look(LIMIT / 2, 2, false), WATCH_NOTHING);
	assert_int_equal(look(LIMIT, 2, false), WATCH_DEAD);
}

/* --- on pCPUs --- */

static struct runq *rq(uint32_t cpu)
{
	return (struct runq *)sched_runq(cpu);
}

static void start_pcpus(uint32_t count)
{
	fake_percpu_reset();
	fake_interrupts_reset();
	fake_tsc_set(5000);
	for (uint32_t i = count; i--;) {
		fake_percpu_attach(i);
		sched_init_cpu();
	}
}

/* pCPU `self` takes its timer's interrupt. */
static void take_timer_irq(uint32_t self)
{
	fake_percpu_attach(self);
	irq_disable();
	if (watchdog_is_due(this_cpu()))
		watchdog_look();
	irq_enable();
}

static void pass_half(uint32_t self)
{
	fake_tsc_advance(LIMIT / 2);
	take_timer_irq(self);
	assert_true(fake_apic_timer(self) == rdtsc() + LIMIT / 2);
}

static unsigned hooks;

static void count_hook(void)
{
	hooks++;
}

/* 'Whoever had armed the timer for more than this must do so again': after each look, on any pCPU.
 */
static void test_a_look_is_told(void **state)
{
	(void)state;
	start_pcpus(3);
	watchdog_init(LIMIT, HZ);
	sched_set_kick_hook(count_hook);
	for (uint32_t i = 3; i--;) {
		fake_percpu_attach(i);
		watchdog_start_cpu();
	}
	for (unsigned n = 0; n < 3; n++) {
		hooks = 0;
		pass_half(0);
		assert_int_equal(hooks, 1);
		take_timer_irq(0); /* too early for another */
		assert_int_equal(hooks, 1);
	}
	sched_set_kick_hook(NULL);
}

static void test_off_and_alone(void **state)
{
	(void)state;
	start_pcpus(1);
	watchdog_init(LIMIT, HZ);
	watchdog_start_cpu();
	take_timer_irq(0);
	assert_true(fake_apic_timer(0) == DEADLINE_NEVER);
	start_pcpus(2);
	watchdog_init(0, HZ);
	watchdog_start_cpu();
	take_timer_irq(0);
	assert_true(fake_apic_timer(0) == DEADLINE_NEVER);
}

static void test_pcpus_watch_each_other(void **state)
{
	(void)state;
	start_pcpus(3);
	watchdog_init(LIMIT, HZ);
	for (uint32_t i = 3; i--;) {
		fake_percpu_attach(i);
		watchdog_start_cpu();
	}
	/* One that comes for another's deadline is none to look at. */
	fake_tsc_advance(10);
	take_timer_irq(0);
	assert_true(fake_apic_timer(0) == rdtsc() - 10 + LIMIT / 2);
	fake_tsc_advance(LIMIT);
	take_timer_irq(0);
	/* pCPUs that have not begun are nobody's business. */
	for (unsigned i = 0; i < 6; i++)
		pass_half(0);
	assert_int_equal(fake_nmi(1)->probes + fake_nmi(2)->probes, 0);
	for (uint32_t i = 3; i--;)
		rq(i)->started = 1;
	/* Long work is well: at once, or piece by piece. */
	fake_percpu_attach(2);
	percpu_set_long_work(true);
	for (unsigned i = 0; i < 10; i++) {
		fake_percpu_attach(1);
		percpu_note_progress();
		pass_half(0);
	}
	assert_int_equal(fake_nmi(1)->probes + fake_nmi(2)->probes, 0);
	fake_percpu_attach(2);
	percpu_set_long_work(false);
	/* pCPU 0 watches all others: 1 idles, 2 is stuck. */
	for (unsigned i = 0; i < 4; i++) {
		rq(1)->idle_time++;
		pass_half(0);
	}
	assert_int_equal(fake_nmi(1)->probes, 0);
	assert_int_equal(fake_nmi(2)->stuck_ms, 1);
	assert_int_equal(fake_nmi(0)->probes, 0);
	/* And pCPU 1 watches it. */
	for (unsigned i = 0; i < 4; i++)
		pass_half(1);
	assert_int_equal(fake_nmi(0)->stuck_ms, 1);
	assert_true(fake_ipi_count(0, VECTOR_KICK) > 0);
	/* One that takes no NMI. */
	fake_percpu_attach(2);
	percpu_note_progress();
	fake_nmi(2)->answers = false;
	for (unsigned i = 0; i < 19; i++) {
		rq(1)->idle_time++;
		pass_half(0);
	}
	rq(1)->idle_time++;
	fake_tsc_advance(LIMIT);
	fake_percpu_attach(0);
	expect_assert_failure(irq_disable()); /* which lets the timer's interrupt in */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_who_gets_on_is_left_alone, reset_watch),
		cmocka_unit_test_setup(test_a_guest_without_exits, reset_watch),
		cmocka_unit_test_setup(test_one_that_is_stuck, reset_watch),
		cmocka_unit_test_setup(test_a_watcher_that_is_late, reset_watch),
		cmocka_unit_test_setup(test_one_that_is_not_run, reset_watch),
		cmocka_unit_test(test_off_and_alone),
		cmocka_unit_test(test_a_look_is_told),
		cmocka_unit_test(test_pcpus_watch_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
