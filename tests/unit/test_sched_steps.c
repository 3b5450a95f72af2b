/* The scheduler and its timers step by step: one thread plays the pCPUs, and time stands still
 * until the test moves it or a pCPU halts for its timer. The rules quoted are those of
 * sched/sched.h and sched/timer.h. Threads as pCPUs: test_sched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "cpu/apic.h"
#include "cpu/init.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/panic.h"
#include "fakes/percpu.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define PCPUS 3
#define SLICE 1000

/* An entity that does what its script says, a letter each time it runs: p is preempted, w waits, e
 * ends, R has a request when it waits, f runs for its whole turn; m and M, y and l: below. */
struct actor {
	struct sched_entity se;
	const char *script;
	const char *again; /* the script when it is over, until `until`; NULL: it ends then */
	struct actor *friend;
	char name;
	bool has_request;
};

static struct actor actor[4];
static struct sched_timer timer[3];
static char story[256];
static bool is_quiet; /* no story */
static uint64_t until;
static unsigned hooks;

static void tell(char c)
{
	size_t len = strlen(story);

	if (is_quiet)
		return;
	assert_true(len + 1 < sizeof(story));
	story[len] = c;
}

static void switch_in(struct sched_entity *se)
{
	assert_int_equal(se->state, SCHED_RUNNING);
	assert_ptr_equal(sched_this_runq()->current, se);
	assert_true(fake_irq_is_enabled());
	tell('(');
}

static void switch_out(struct sched_entity *se)
{
	assert_int_equal(se->state, SCHED_RUNNING);
	tell(')');
}

static enum sched_verdict run(struct sched_entity *se)
{
	struct actor *a = container_of(se, struct actor, se);

	tell(a->name);
	if (a->again && !*a->script)
		a->script = rdtsc() < until ? a->again : "e";
	fake_tsc_advance(10);
	switch (*a->script++) {
	case 'f':
		if (rdtsc() < se->slice_end)
			fake_tsc_advance(se->slice_end - rdtsc());
		return SCHED_PREEMPTED;
	case 'y': /* to its friend, soon */
		(void)sched_yield_to(&a->friend->se);
		return SCHED_PREEMPTED;
	case 'l': /* when its turn is over */
		if (rdtsc() < se->slice_end)
			fake_tsc_advance(se->slice_end - rdtsc());
		assert_false(sched_yield_to(&a->friend->se));
		return SCHED_PREEMPTED;
	case 'p':
		return SCHED_PREEMPTED;
	case 'R':
		a->has_request = true;
		return SCHED_WAIT;
	case 'w':
		a->has_request = false;
		return SCHED_WAIT;
	case 'm': /* moved while it runs: 'gives way and moves', though nobody waits */
		assert_false(sched_is_slice_over(sched_this_runq(), se, rdtsc()));
		sched_set_affinity(se, &CPUMASK(BIT(1)));
		assert_true(sched_is_slice_over(sched_this_runq(), se, rdtsc()));
		return SCHED_PREEMPTED;
	case 'M': /* and waits at that moment */
		sched_set_affinity(se, &CPUMASK(BIT(1)));
		return SCHED_WAIT;
	default:
		return SCHED_ENDED;
	}
}

static bool is_woken(struct sched_entity *se)
{
	return container_of(se, struct actor, se)->has_request;
}

static const struct sched_ops ops = {
	.run = run, .switch_in = switch_in, .switch_out = switch_out, .is_woken = is_woken};

static void count_hook(void)
{
	hooks++;
}

static int setup(void **state)
{
	(void)state;
	fake_percpu_reset();
	fake_interrupts_reset();
	fake_tsc_set(5000);
	for (unsigned i = PCPUS; i--;) {
		fake_percpu_attach(i);
		sched_init_cpu();
	}
	for (unsigned i = 0; i < ARRAY_SIZE(actor); i++) {
		actor[i] = (struct actor){.name = (char)('A' + i)};
		sched_entity_init(&actor[i].se, &ops, &CPUMASK(1), SLICE, 5000);
	}
	memset(story, 0, sizeof(story));
	sched_set_kick_hook(count_hook);
	hooks = 0;
	is_quiet = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(timer); i++)
		sched_timer_cancel(&timer[i]);
	return 0;
}

static void start(unsigned i, const char *script)
{
	actor[i].script = script;
	sched_start(&actor[i].se);
}

static uint64_t kicks(uint32_t cpu)
{
	return fake_ipi_count(cpu, VECTOR_KICK);
}

/* --- the loop --- */

static void test_turns(void **state)
{
	(void)state;
	start(0, "ppe");
	start(1, "pe");
	start(2, "e");
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(B)(C)(A)(B)(A)");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(actor[i].se.state, SCHED_STOPPED);
		assert_int_equal(actor[i].se.switches, 3 - i);
	}
	assert_int_equal(sched_runq(0)->load, 0);
	assert_null(sched_runq(0)->current);
	/* A ran 3 times 10 ticks, and waited while the others ran. */
	assert_int_equal(actor[0].se.time[SCHED_RUNNING], 30);
	assert_int_equal(actor[0].se.time[SCHED_RUNNABLE], 30);
	assert_int_equal(actor[2].se.time[SCHED_RUNNABLE], 20);
}

/* 'SCHED_WAIT: it waits for an event'; one that came meanwhile makes it runnable at once. */
static void test_wait(void **state)
{
	(void)state;
	start(0, "wRe");
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)");
	assert_int_equal(actor[0].se.state, SCHED_BLOCKED);
	assert_int_equal(sched_runq(0)->load, 1);
	fake_tsc_advance(500);
	sched_kick(&actor[0].se);
	assert_int_equal(actor[0].se.state, SCHED_RUNNABLE);
	assert_int_equal(actor[0].se.wakes, 1);
	assert_int_equal(actor[0].se.time[SCHED_BLOCKED], 500);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(A)(A)");
	assert_int_equal(actor[0].se.time[SCHED_BLOCKED], 500);
	assert_int_equal(actor[0].se.wakes, 1);
}

/* How long it took from the wake-up until it was switched in, once for each wake-up. */
static void test_wake_latency(void **state)
{
	(void)state;
	start(0, "wpe");
	fake_pcpu_run(sched_loop);
	sched_kick(&actor[0].se);
	fake_tsc_advance(300);
	fake_pcpu_run(sched_loop);
	for (unsigned i = 0; i < SCHED_WAKE_BUCKETS; i++)
		assert_int_equal(actor[0].se.wake_hist[i], i == 8 /* 256 to 511 */);
	assert_int_equal(actor[0].se.woken_at, 0);
}

/* 'With the stamps of the accounting': the events tell the same times as sched_time_in. */
static void test_trace(void **state)
{
	static const struct {
		uint8_t event;
		uint16_t vcpu;
		uint64_t tsc;
	} wanted[] = {
		{TRACE_START, 7, 5000},   {TRACE_START, 8, 5000},  {TRACE_SWITCH, 7, 5000},
		{TRACE_PREEMPT, 7, 5010}, {TRACE_SWITCH, 8, 5010}, {TRACE_BLOCK, 8, 5020},
		{TRACE_SWITCH, 7, 5020},  {TRACE_STOP, 7, 5030},   {TRACE_WAKE, 8, 5130},
		{TRACE_SWITCH, 8, 5130},  {TRACE_STOP, 8, 5140},
	};
	static struct trace_record records[16];
	struct trace_record out[16];
	struct trace_reader reader;

	(void)state;
	trace_ring_init(&this_cpu()->trace, records, ARRAY_SIZE(records));
	trace_switch.groups = TRACE_GROUP_SCHED;
	actor[0].se.id = 7;
	actor[1].se.id = 8;
	start(0, "pe");
	start(1, "we");
	fake_pcpu_run(sched_loop);
	fake_tsc_advance(100);
	sched_kick(&actor[1].se);
	fake_pcpu_run(sched_loop);
	trace_switch.groups = 0;
	trace_reader_init(&reader, &this_cpu()->trace);
	assert_int_equal(trace_reader_read(&reader, out, 16), ARRAY_SIZE(wanted));
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		assert_int_equal(out[i].event, wanted[i].event);
		assert_int_equal(out[i].vcpu, wanted[i].vcpu);
		assert_int_equal(out[i].tsc, wanted[i].tsc);
	}
	assert_int_equal(actor[1].se.time[SCHED_BLOCKED], 110);
}

/* 'An idle pCPU arms the LAPIC timer' for its nearest deadline. */
static void wake_actor(struct sched_timer *t, uint64_t now)
{
	assert_ptr_equal(t, &timer[0]);
	assert_int_equal(now, 7000);
	sched_kick(&actor[0].se);
}

static void test_idle_until_a_deadline(void **state)
{
	(void)state;
	sched_timer_init(&timer[0], wake_actor);
	sched_timer_arm(&timer[0], 7000);
	start(0, "we");
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(A)");
	assert_int_equal(rdtsc(), 7010);
	assert_int_equal(sched_runq(0)->idle_time, 7000 - 5010);
	assert_int_equal(this_cpu()->timers, 1);
	assert_int_equal(this_cpu()->timer_irqs, 1);
	assert_true(fake_apic_timer(0) == DEADLINE_NEVER);
	assert_int_equal(kicks(0), 0);
}

/* --- who is told --- */

static void test_start_elsewhere_kicks(void **state)
{
	(void)state;
	actor[0].se.affinity = CPUMASK(2);
	start(0, "e");
	assert_int_equal(kicks(1), 1);
	assert_int_equal(this_cpu()->ipi_sent, 1);
	assert_int_equal(hooks, 0);
	assert_int_equal(actor[0].se.pcpu, 1);
	assert_int_equal(sched_runq(1)->waiting, 1);
	assert_int_equal(sched_runq(1)->load, 1);
	/* Here: no IPI, but who runs here must know that somebody waits: its slice ends now. */
	start(1, "e");
	assert_int_equal(kicks(0), 0);
	assert_int_equal(hooks, 1);
}

static void test_wake_here_and_elsewhere(void **state)
{
	(void)state;
	start(0, "we");
	fake_pcpu_run(sched_loop);
	hooks = 0;
	fake_percpu_attach(1);
	sched_kick(&actor[0].se);
	assert_int_equal(kicks(0), 1);
	assert_int_equal(hooks, 0);
	assert_int_equal(actor[0].se.pcpu, 0);
	sched_kick(&actor[0].se); /* it is RUNNABLE: it will look by itself */
	assert_int_equal(kicks(0), 1);
	fake_percpu_attach(0);
	fake_pcpu_run(sched_loop);
	assert_int_equal(actor[0].se.state, SCHED_STOPPED);
	sched_kick(&actor[0].se);
	assert_int_equal(kicks(0), 1);

	actor[1].se.affinity = CPUMASK(1);
	start(1, "we");
	fake_pcpu_run(sched_loop);
	hooks = 0;
	sched_kick(&actor[1].se);
	assert_int_equal(kicks(0), 1);
	assert_int_equal(hooks, 1);
}

/* 'Interrupts it by IPI when it runs on another pCPU and does not poll.' */
static void test_kick_a_running_one(void **state)
{
	(void)state;
	actor[0].se.state = SCHED_RUNNING;
	actor[0].se.pcpu = 2;
	sched_kick(&actor[0].se);
	assert_int_equal(kicks(2), 1);
	actor[0].se.is_polling = true;
	sched_kick(&actor[0].se);
	assert_int_equal(kicks(2), 1);
	actor[0].se.is_polling = false;
	fake_percpu_attach(2);
	sched_kick(&actor[0].se);
	assert_int_equal(kicks(2), 1);
	assert_int_equal(actor[0].se.state, SCHED_RUNNING);
}

static void test_placement(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		actor[i].se.affinity = CPUMASK(7);
		start(i, "e");
	}
	assert_int_equal(actor[0].se.pcpu, 0);
	assert_int_equal(actor[1].se.pcpu, 1);
	assert_int_equal(actor[2].se.pcpu, 2);
	assert_int_equal(actor[3].se.pcpu, 0);
}

/* 'Must the current entity give way at `now`?' Only when its slice is over and somebody waits. */
static void test_slices(void **state)
{
	struct runq *rq = sched_this_runq();

	(void)state;
	actor[0].se.slice_end = 6000;
	assert_false(sched_is_slice_over(rq, &actor[0].se, 7000));
	start(1, "e");
	assert_false(sched_is_slice_over(rq, &actor[0].se, 5999));
	assert_true(sched_is_slice_over(rq, &actor[0].se, 6000));
}

/* --- directed yield --- */

/* A and B, of one VM, do what `script` says, for ever; C uses its turns. How long C ran of all the
 * time, in permille; each ends soon after. */
static uint64_t share_of_c(const char *script)
{
	uint64_t time = 0;

	is_quiet = true;
	until = rdtsc() + 300 * SLICE;
	for (unsigned i = 0; i < 2; i++) {
		actor[i].friend = &actor[1 - i];
		actor[i].again = script;
	}
	actor[2].again = "f";
	for (unsigned i = 0; i < 3; i++)
		start(i, "");
	fake_pcpu_run(sched_loop);
	for (unsigned i = 0; i < 3; i++)
		time += actor[i].se.time[SCHED_RUNNING];
	return actor[2].se.time[SCHED_RUNNING] * 1000 / time;
}

/* 'All gifts of a chain end when the first turn would have ended': two that yield to each other for
 * ever have two shares of three. */
static void test_yielders_get_their_share(void **state)
{
	static const char *const scripts[] = {"y", "l", "yl", "yyyyyf", "fy", "ylfl"};

	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		setup(state);
		assert_in_range(share_of_c(scripts[i]), 323, 343);
		/* Nobody's longest wait is more than a slice of each of the others. */
		assert_in_range(actor[2].se.switches, 98, 103);
	}
}

/* The same with a cap, which is the yielders' own: the others have the rest. */
static void test_yielders_keep_their_caps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		actor[i].se.cap_period = 10 * SLICE;
		actor[i].se.cap_budget = SLICE;
	}
	assert_in_range(share_of_c("y"), 790, 830);
	assert_in_range(actor[0].se.time[SCHED_RUNNING], 27 * SLICE, 32 * SLICE);
	assert_in_range(actor[1].se.time[SCHED_RUNNING], 27 * SLICE, 32 * SLICE);
}

/* 'The target gets the rest of the caller's turn, next, and the caller its place in the queue.' */
static void test_yield_changes_places(void **state)
{
	(void)state;
	actor[0].friend = &actor[2];
	start(0, "ype");
	start(1, "pe");
	start(2, "pe");
	start(3, "pe");
	sched_this_runq()->balanced_at = 5000;
	fake_pcpu_run(sched_loop);
	/* C comes first, for the rest; A is third then, as C was. */
	assert_string_equal(story, "(A)(C)(B)(A)(D)(C)(B)(A)(D)");
}

static void test_yield_gives_what_is_left(void **state)
{
	struct runq *rq = sched_this_runq();

	(void)state;
	start(0, "e");
	start(1, "e");
	start(2, "e");
	assert_ptr_equal(runq_pick(rq, 5000), &actor[0].se);
	rq->current = &actor[0].se;
	fake_tsc_advance(900);
	hooks = 0;
	assert_true(sched_yield_to(&actor[2].se));
	assert_int_equal(hooks, 1);
	assert_true(sched_is_slice_over(rq, &actor[0].se, 5900));
	runq_enqueue(rq, &actor[0].se, 5900);
	assert_ptr_equal(runq_pick(rq, 5910), &actor[2].se);
	assert_int_equal(actor[2].se.slice_end, 5000 + SLICE);
	/* A gift that is picked up too late is none: 'with a fresh slice', in its order. */
	rq->current = &actor[2].se;
	fake_tsc_advance(20);
	assert_true(sched_yield_to(&actor[0].se));
	runq_enqueue(rq, &actor[2].se, 6000);
	assert_ptr_equal(runq_pick(rq, 6000), &actor[1].se);
	assert_int_equal(actor[1].se.slice_end, 6000 + SLICE);
	assert_ptr_equal(runq_pick(rq, 6010), &actor[0].se);
	assert_int_equal(actor[0].se.slice_end, 6010 + SLICE);
}

/* Of nobody who does not wait, and of a turn that is over, or must leave this pCPU. */
static void test_yield_in_vain(void **state)
{
	struct runq *rq = sched_this_runq();

	(void)state;
	start(0, "e");
	start(1, "e");
	assert_ptr_equal(runq_pick(rq, 5000), &actor[0].se);
	rq->current = &actor[0].se;
	assert_false(sched_yield_to(&actor[0].se));
	assert_false(sched_yield_to(&actor[2].se));
	fake_tsc_advance(SLICE);
	assert_false(sched_yield_to(&actor[1].se));
	assert_int_equal(actor[0].se.slice_end, 5000 + SLICE);
	fake_tsc_set(5500);
	actor[0].se.cap_end = 5500;
	assert_false(sched_yield_to(&actor[1].se));
	actor[0].se.cap_end = 0;
	assert_false(sched_yield_to(&actor[1].se));
	actor[0].se.cap_end = 5501;
	assert_true(sched_yield_to(&actor[1].se));
	assert_int_equal(rq->gift.end, 5501);
}

/* A on pCPU 0 yields to B, who waits for pCPU 1: 'if each may run where the other is', they change
 * places, so that nobody's queue gets longer; who runs on pCPU 1 is not interrupted for it. */
static void test_yield_across_pcpus(void **state)
{
	struct runq *rq = sched_this_runq();

	(void)state;
	actor[0].friend = &actor[1];
	actor[0].se.affinity = CPUMASK(BIT(0));
	actor[1].se.affinity = CPUMASK(BIT(1));
	start(0, "ye");
	start(1, "pe");
	start(2, "e");
	assert_ptr_equal(runq_pick(rq, 5000), &actor[0].se);
	rq->current = &actor[0].se;
	assert_false(sched_yield_to(&actor[1].se));
	actor[1].se.affinity = CPUMASK(BIT(0) | BIT(1));
	assert_false(sched_yield_to(&actor[1].se)); /* A may not go there */
	assert_int_equal(actor[1].se.pcpu, 1);
	rq->current = NULL;
	runq_enqueue(rq, &actor[0].se, 5000);
	runq_remove(rq, &actor[2].se);
	runq_insert(rq, &actor[2].se, 5000);

	actor[0].se.affinity = CPUMASK(BIT(0) | BIT(1));
	rq->balanced_at = 5000;
	fake_pcpu_run(sched_loop);
	/* In the end pCPU 0, which idles, pulls A from pCPU 1, which plays no part here. */
	assert_string_equal(story, "(A)(B)(C)(B)(A)");
	assert_int_equal(actor[0].se.moves, 2);
	assert_int_equal(actor[1].se.moves, 1);
	assert_int_equal(sched_runq(0)->load, 0);
	assert_int_equal(sched_runq(1)->load, 0);
	assert_int_equal(kicks(1), 1); /* B's start */
}

/* --- timers --- */

static struct sched_timer *expired[8];
static uint64_t expired_at[8];
static unsigned expired_count;

static void note_expired(struct sched_timer *t, uint64_t now)
{
	assert_true(expired_count < ARRAY_SIZE(expired));
	assert_false(t->deadline.is_armed);
	expired[expired_count] = t;
	expired_at[expired_count++] = now;
}

static int setup_timers(void **state)
{
	expired_count = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(timer); i++)
		sched_timer_init(&timer[i], note_expired);
	return setup(state);
}

/* 'Changes where an entity may run': one that is queued goes at once, a blocked one wakes there. */
static void test_affinity_of_waiting_ones(void **state)
{
	(void)state;
	start(0, "e");
	start(1, "e");
	sched_set_affinity(&actor[0].se, &CPUMASK(BIT(1) | BIT(2)));
	assert_int_equal(actor[0].se.pcpu, 1);
	assert_int_equal(sched_runq(0)->waiting, 1);
	assert_int_equal(sched_runq(1)->waiting, 1);
	assert_int_equal(sched_runq(0)->load, 1);
	assert_int_equal(sched_runq(1)->load, 1);
	assert_int_equal(kicks(1), 1);
	sched_set_affinity(&actor[0].se, &CPUMASK(BIT(1))); /* permitted: stays */
	assert_int_equal(actor[0].se.pcpu, 1);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(B)");

	start(2, "we");
	fake_pcpu_run(sched_loop);
	assert_int_equal(actor[2].se.state, SCHED_BLOCKED);
	sched_set_affinity(&actor[2].se, &CPUMASK(BIT(2)));
	assert_int_equal(actor[2].se.state, SCHED_BLOCKED);
	assert_int_equal(sched_runq(0)->load, 0);
	assert_int_equal(sched_runq(2)->load, 1);
	assert_int_equal(kicks(2), 0);
	actor[2].has_request = true;
	sched_kick(&actor[2].se);
	assert_int_equal(sched_runq(2)->waiting, 1);
	assert_int_equal(kicks(2), 1);
	fake_percpu_attach(2);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(B)(C)(C)");
	assert_int_equal(sched_runq(2)->load, 0);
	sched_set_affinity(&actor[2].se, &CPUMASK(BIT(1))); /* it has stopped */
	assert_int_equal(actor[2].se.state, SCHED_STOPPED);
}

/* 'One that runs elsewhere gives way and moves.' */
static void test_affinity_of_a_running_one(void **state)
{
	(void)state;
	start(0, "me");
	start(1, "MRe");
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(B)");
	assert_int_equal(actor[0].se.state, SCHED_RUNNABLE);
	assert_int_equal(actor[0].se.pcpu, 1);
	assert_int_equal(actor[1].se.state, SCHED_BLOCKED);
	assert_int_equal(actor[1].se.pcpu, 1);
	assert_int_equal(sched_runq(0)->load, 0);
	assert_int_equal(sched_runq(1)->load, 2);
	assert_true(kicks(1) > 0);
	fake_percpu_attach(1);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(B)(A)");
	sched_kick(&actor[1].se);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)(B)(A)(B)(B)");
	assert_int_equal(sched_runq(1)->load, 0);
}

/* 'When it has a cap, after the period.' */
static void move_the_throttled(struct sched_timer *t, uint64_t now)
{
	(void)t;
	assert_int_equal(now, 5500);
	assert_int_equal(sched_runq(0)->waiting, 0);
	sched_set_affinity(&actor[0].se, &CPUMASK(BIT(1)));
	assert_int_equal(actor[0].se.state, SCHED_RUNNABLE);
	assert_int_equal(actor[0].se.pcpu, 0);
}

static void test_affinity_of_a_throttled_one(void **state)
{
	(void)state;
	actor[0].se.cap_period = 1000;
	actor[0].se.cap_budget = 10; /* one run */
	start(0, "pe");
	sched_timer_init(&timer[0], move_the_throttled);
	sched_timer_arm(&timer[0], 5500);
	fake_pcpu_run(sched_loop);
	assert_string_equal(story, "(A)");
	assert_int_equal(rdtsc(), 6000);
	assert_int_equal(actor[0].se.pcpu, 1);
	assert_int_equal(sched_runq(0)->load, 0);
	assert_int_equal(sched_runq(1)->waiting, 1);
}

/* 'Changes its time slice, from its next turn on.' */
static void test_slice_changes(void **state)
{
	(void)state;
	start(0, "pe");
	start(1, "e");
	sched_set_slice(&actor[0].se, 3 * SLICE);
	fake_pcpu_run(sched_loop);
	assert_int_equal(actor[0].se.slice_end, 5000 + 20 + 3 * SLICE);
}

static void test_timers_expire_in_order(void **state)
{
	(void)state;
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	sched_timer_arm(&timer[0], 300);
	sched_timer_arm(&timer[1], 100);
	sched_timer_arm(&timer[2], 200);
	assert_int_equal(sched_next_deadline(), 100);
	sched_run_timers(99);
	assert_int_equal(expired_count, 0);
	sched_run_timers(250);
	assert_int_equal(expired_count, 2);
	assert_ptr_equal(expired[0], &timer[1]);
	assert_ptr_equal(expired[1], &timer[2]);
	assert_int_equal(expired_at[1], 250);
	assert_int_equal(sched_next_deadline(), 300);
	sched_timer_arm(&timer[0], 50); /* moved */
	assert_int_equal(sched_next_deadline(), 50);
	sched_timer_cancel(&timer[0]);
	sched_timer_cancel(&timer[0]);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	sched_run_timers(UINT64_MAX - 1);
	assert_int_equal(expired_count, 2);
}

/* 'Arms (or moves) it: on this pCPU when it was not armed, else where it is; that pCPU is told when
 * its nearest deadline comes closer.' */
static void test_timers_of_other_pcpus(void **state)
{
	(void)state;
	sched_timer_arm(&timer[0], 1000);
	fake_percpu_attach(1);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	sched_timer_arm(&timer[0], 2000);
	assert_int_equal(kicks(0), 0); /* later: it finds out by itself */
	sched_timer_arm(&timer[0], 500);
	assert_int_equal(kicks(0), 1);
	sched_run_timers(10000);
	assert_int_equal(expired_count, 0);
	fake_percpu_attach(0);
	assert_int_equal(sched_next_deadline(), 500);
	sched_run_timers(500);
	assert_int_equal(expired_count, 1);
	/* Expired: whoever arms it next has it. */
	fake_percpu_attach(1);
	sched_timer_arm(&timer[0], 700);
	assert_int_equal(timer[0].pcpu, 1);
	assert_int_equal(sched_next_deadline(), 700);
	assert_int_equal(kicks(0), 1);
	assert_int_equal(kicks(1), 0);
	fake_percpu_attach(2);
	sched_timer_cancel(&timer[0]);
	fake_percpu_attach(1);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
}

/* --- whose work it is --- */

#define BURST 200u
#define PIECE 50u
#define WORK  20u
#define EXIT  5u

static struct sched_payer payer[4];

/* A device's timer that is due again at once. */
static void work(struct sched_timer *t, uint64_t now)
{
	uint64_t at = sched_timer_may_work_at(t, now);

	if (at > now) {
		sched_timer_retry(t, at);
		return;
	}
	assert_ptr_equal(sched_this_payer(), t->payer);
	fake_tsc_advance(WORK);
	if (!t->deadline.is_armed)
		sched_timer_arm(t, rdtsc() + 1);
}

static int setup_payers(void **state)
{
	setup(state);
	sched_set_budget(BURST, PIECE, EXIT);
	memset(payer, 0, sizeof(payer));
	for (unsigned i = 0; i < PCPUS; i++)
		sched_timer_heaps[i].budget.full_at = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(timer); i++) {
		sched_timer_init(&timer[i], work);
		timer[i].payer = &payer[i];
	}
	for (unsigned i = 0; i < ARRAY_SIZE(actor); i++)
		actor[i].se.payer = &payer[i];
	return 0;
}

/* Entity i becomes the current one. */
static void begin_turn(unsigned i)
{
	struct runq *rq = sched_this_runq();

	sched_set_state(&actor[i].se, SCHED_RUNNABLE, rdtsc());
	runq_insert(rq, &actor[i].se, rdtsc());
	assert_ptr_equal(runq_pick(rq, rdtsc()), &actor[i].se);
	rq->current = &actor[i].se;
}

/* 'What is done for others than the current entity's VM is lent and charged to its payer': it is no
 * running time, and the turn, and the cap's, end so much later. */
static void test_work_is_lent(void **state)
{
	struct sched_entity *se = &actor[0].se;

	(void)state;
	se->cap_period = 2 * SLICE;
	se->cap_budget = SLICE / 2;
	begin_turn(0);
	sched_timer_arm(&timer[1], 5000);
	fake_tsc_advance(100);
	sched_run_timers(5000);
	assert_int_equal(se->slice_end, 5000 + SLICE + WORK);
	assert_int_equal(se->cap_end, 5000 + SLICE / 2 + WORK);
	assert_int_equal(sched_time_in(se, SCHED_LENT, rdtsc()), WORK);
	assert_int_equal(sched_time_in(se, SCHED_RUNNING, rdtsc()), 100);
	assert_int_equal(payer[1].spent, WORK);
	assert_int_equal(payer[1].debt, WORK);
	assert_int_equal(payer[0].spent, 0);
	assert_ptr_equal(sched_this_payer(), &payer[0]);
	/* It may leave this pCPU, or have no cap: that stays. */
	se->cap_end = 0;
	sched_lend(se, 7);
	assert_int_equal(se->cap_end, 0);
	se->cap_end = DEADLINE_NEVER;
	sched_lend(se, 7);
	assert_true(se->cap_end == DEADLINE_NEVER);
	sched_set_state(se, SCHED_STOPPED, rdtsc() + 1000);
	assert_int_equal(se->time[SCHED_LENT], WORK + 14);
	assert_int_equal(se->time[SCHED_RUNNING] + se->time[SCHED_LENT], se->since - 5000);
}

/* 'It is a debt of the VM that caused it, which shortens its next turns.' */
static void test_work_is_paid_for(void **state)
{
	(void)state;
	payer[1].debt = 300;
	begin_turn(1);
	assert_int_equal(actor[1].se.slice_end, 5000 + SLICE - 300);
	begin_turn(2);
	assert_int_equal(actor[2].se.slice_end, 5000 + SLICE);
	runq_enqueue(sched_this_runq(), &actor[1].se, 5000);
	assert_ptr_equal(runq_pick(sched_this_runq(), 5000), &actor[1].se);
	assert_int_equal(actor[1].se.slice_end, 5000 + SLICE);
}

/* In its own turn a VM's work is its own running time, and 'no further one after the end of the
 * turn' when somebody waits. */
static void test_work_in_its_own_turn(void **state)
{
	unsigned count = 0;

	(void)state;
	begin_turn(0);
	start(1, "e");
	sched_timer_arm(&timer[0], 5000);
	while (!sched_is_slice_over(sched_this_runq(), &actor[0].se, rdtsc())) {
		sched_run_timers(rdtsc() + 1);
		count++;
	}
	assert_true(rdtsc() < 5000 + SLICE + WORK);
	assert_true(count >= 1);
	assert_int_equal(payer[0].spent, 0);
	assert_int_equal(sched_time_in(&actor[0].se, SCHED_LENT, rdtsc()), 0);
	assert_int_equal(actor[0].se.slice_end, 5000 + SLICE);
}

/* 'When nobody wants this pCPU' it is free; when somebody waits between two turns it is not. */
static void test_work_of_an_idle_pcpu(void **state)
{
	(void)state;
	sched_timer_arm(&timer[0], 1);
	for (unsigned i = 0; i < 1000; i++)
		sched_run_timers(rdtsc() + 1);
	assert_in_range(rdtsc(), 5000 + 1000 * WORK, UINT64_MAX);
	assert_int_equal(payer[0].spent, 0);
	start(1, "e");
	for (unsigned i = 0; i < 1000; i++)
		sched_run_timers(rdtsc() + 1);
	assert_in_range(payer[0].spent, BURST * WORK / (WORK + EXIT), BURST + 2 * WORK);
}

/* All of them at once in somebody's turn: their sum is bounded, and each gets its part of it. */
static void test_sum_of_all_work_is_bounded(void **state)
{
	struct sched_entity *se = &actor[3].se;
	uint64_t begin = 5000, lent;

	(void)state;
	begin_turn(3);
	for (unsigned i = 0; i < 3; i++)
		sched_timer_arm(&timer[i], 5000);
	while (rdtsc() < begin + 1000000) {
		uint64_t before = sched_time_in(se, SCHED_LENT, rdtsc());

		fake_tsc_advance(5);
		sched_run_timers(rdtsc());
		/* A pause of its own is never longer. */
		assert_true(sched_time_in(se, SCHED_LENT, rdtsc()) - before <= BURST + 2 * WORK);
	}
	lent = sched_time_in(se, SCHED_LENT, rdtsc());
	/* Each piece counts EXIT more. */
	assert_in_range(lent, 1000000 / BUDGET_PART * WORK / (WORK + EXIT) * 8 / 10,
			1000000 / BUDGET_PART * WORK / (WORK + EXIT) + BURST + PIECE);
	assert_int_equal(lent, payer[0].spent + payer[1].spent + payer[2].spent);
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(payer[i].spent, lent / 3 - 2 * BURST, lent / 3 + 2 * BURST);
}

/* 'To be tried again at the time that is returned', and not sooner nor later; in its own turn, at
 * once. */
static void test_work_is_put_off(void **state)
{
	uint64_t at, spent;

	(void)state;
	begin_turn(3);
	sched_timer_arm(&timer[0], 5000);
	for (unsigned i = 0; payer[0].spent <= BURST * WORK / (WORK + EXIT); i++)
		sched_run_timers(rdtsc() + 1);
	spent = payer[0].spent;
	sched_run_timers(rdtsc() + 1);
	at = timer[0].deadline.when;
	assert_int_equal(at, timer[0].slot);
	assert_in_range(at, rdtsc() + 1, rdtsc() + 2 * BUDGET_PART * WORK);
	assert_int_equal(payer[0].spent, spent);
	/* Armed nearer by its owner it has the same place. */
	sched_timer_arm(&timer[0], 1);
	sched_run_timers(rdtsc());
	assert_int_equal(timer[0].deadline.when, at);
	/* The next one's comes after it; to put something off is work, too. */
	sched_timer_arm(&timer[1], 1);
	sched_run_timers(rdtsc());
	assert_int_equal(timer[1].deadline.when, at + (PIECE + 2 * EXIT) * BUDGET_PART);
	fake_tsc_set(at);
	sched_run_timers(at);
	assert_int_equal(payer[0].spent, spent + WORK);
	/* What was set aside and not used is there for others. */
	fake_tsc_set(timer[1].slot);
	sched_timer_cancel(&timer[0]);
	sched_run_timers(rdtsc());
	assert_int_equal(payer[1].spent, WORK);
	assert_int_equal(timer[1].slot, 0);

	sched_this_runq()->current = NULL;
	begin_turn(1);
	spent = rdtsc();
	sched_timer_arm(&timer[1], 1);
	for (unsigned i = 0; i < 100; i++)
		sched_run_timers(rdtsc() + 1);
	assert_true(rdtsc() >= spent + 100 * WORK);
}

/* 'The same, but to this pCPU, wherever it is armed: whoever runs there is not interrupted'; and a
 * retry there finds that it has gone. */
static void test_work_follows_its_vm(void **state)
{
	(void)state;
	sched_timer_arm(&timer[0], 9000);
	fake_percpu_attach(1);
	sched_timer_arm_here(&timer[0], 8000);
	assert_int_equal(kicks(0), 0);
	assert_int_equal(sched_next_deadline(), 8000);
	fake_percpu_attach(0);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	sched_timer_retry(&timer[0], 100);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	fake_percpu_attach(1);
	sched_timer_retry(&timer[0], 100); /* it is armed already */
	assert_int_equal(sched_next_deadline(), 8000);
	sched_timer_cancel(&timer[0]);
	sched_timer_retry(&timer[0], 100);
	assert_int_equal(sched_next_deadline(), 100);
	sched_timer_cancel(&timer[0]);
}

static unsigned rearmed;

static void rearm_into_the_past(struct sched_timer *t, uint64_t now)
{
	(void)now;
	rearmed++;
	sched_timer_arm(t, 1);
}

/* 'At most a bounded number a call': timers that re-arm themselves cannot hold a pCPU. */
static void test_timers_are_bounded(void **state)
{
	(void)state;
	rearmed = 0;
	sched_timer_init(&timer[0], rearm_into_the_past);
	sched_timer_arm(&timer[0], 1);
	sched_run_timers(100);
	assert_in_range(rearmed, 1, 1000);
	assert_int_equal(sched_next_deadline(), 1);
}

static unsigned deferred_runs;

static void deferred(void)
{
	assert_true(fake_irq_is_enabled());
	deferred_runs++;
}

/* 'sched_defer makes the deferred function run soon on this pCPU, in the context of
 * sched_run_timers.' */
static void test_deferred(void **state)
{
	(void)state;
	deferred_runs = 0;
	sched_add_deferred(deferred);
	sched_defer();
	sched_defer();
	assert_int_equal(deferred_runs, 0);
	assert_int_equal(hooks, 2);
	assert_int_equal(sched_next_deadline(), 0); /* due */
	fake_percpu_attach(1);
	sched_run_timers(10);
	assert_int_equal(deferred_runs, 0);
	fake_percpu_attach(0);
	sched_run_timers(10);
	assert_int_equal(deferred_runs, 1);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	sched_run_timers(10);
	assert_int_equal(deferred_runs, 1);
}

static int group_setup(void **state)
{
	(void)state;
	lockdep_init(); /* locks are taken by ascending rank, or it panics */
	return 0;
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAYER(name) cmocka_unit_test_setup_teardown(name, setup_payers, teardown)
#define TIMER(name) cmocka_unit_test_setup_teardown(name, setup_timers, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_turns),
		TEST(test_wait),
		TEST(test_wake_latency),
		TEST(test_trace),
		TIMER(test_idle_until_a_deadline),
		TEST(test_start_elsewhere_kicks),
		TEST(test_wake_here_and_elsewhere),
		TEST(test_kick_a_running_one),
		TEST(test_placement),
		TEST(test_slices),
		TEST(test_yielders_get_their_share),
		TEST(test_yielders_keep_their_caps),
		TEST(test_yield_changes_places),
		TEST(test_yield_gives_what_is_left),
		TEST(test_yield_in_vain),
		TEST(test_yield_across_pcpus),
		TEST(test_affinity_of_waiting_ones),
		TEST(test_affinity_of_a_running_one),
		TEST(test_affinity_of_a_throttled_one),
		TEST(test_slice_changes),
		TIMER(test_timers_expire_in_order),
		TIMER(test_timers_of_other_pcpus),
		TIMER(test_timers_are_bounded),
		TIMER(test_deferred),
		PAYER(test_work_is_lent),
		PAYER(test_work_is_paid_for),
		PAYER(test_work_in_its_own_turn),
		PAYER(test_work_of_an_idle_pcpu),
		PAYER(test_sum_of_all_work_is_bounded),
		PAYER(test_work_is_put_off),
		PAYER(test_work_follows_its_vm),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
