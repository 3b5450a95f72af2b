/* The scheduler with threads as pCPUs: 'no lost wake-up', 'an entity runs on one pCPU', 'each
 * vCPU's time is accounted exactly', timers armed and cancelled from everywhere. Meant for
 * ThreadSanitizer, too. STRESS in the environment: how many seconds (default 2).
 *
 * An entity is a guest as vmx/ runs it: it serves requests, looks for them once more with
 * interrupts off, and then is 'in the guest', where nothing but an interrupt or its deadline makes
 * it come out. Senders set a request and wait until each was served: one that is lost is never
 * served. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/apic.h"
#include "cpu/init.h"
#include "fakes/guest_ram.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/panic.h"
#include "fakes/percpu.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define PCPUS    3
#define SENDERS  2 /* pCPUs PCPUS and up: they run no entities */
#define ENTITIES 7
#define MOVED    5 /* the first: their affinity and slice change */
#define SHARED   1
#define QUIET_NS 5000000ull
#define STUCK_NS 10000000000ull
#define SLICE    50000u

enum { REQUEST_EVENT = 1, REQUEST_STOP = 2 };

struct guest {
	struct sched_entity se;
	uint32_t requests;                      /* (a) */
	uint32_t sent[SENDERS], seen[SENDERS];  /* (a) */
	uint32_t where;                         /* (a) pCPU + 1 while it is switched in */
	bool is_inside;                         /* (o) between switch-in and switch-out */
	bool has_ended;                         /* (a) */
	struct sched_timer wake;                /* (o) as a vCPU's wake timer */
	uint64_t wakes_armed, wakes_expired;    /* (a) */
	uint64_t seed;                          /* (o) */
	uint64_t entries, halts, polls, yields; /* (o) */
	uint64_t created;
};

/* As a VM's timer: armed by whichever pCPU runs the VM, under its lock. */
struct shared_timer {
	struct spinlock lock;
	struct sched_timer timer;
	bool is_armed;  /* under lock */
	uint64_t when;  /* under lock */
	uint64_t fired; /* under lock */
	uint64_t stale; /* under lock: expired although moved or cancelled meanwhile */
};

static struct guest guests[ENTITIES];
static struct shared_timer shared[SHARED];
static bool is_over;     /* (a) senders end */
static uint32_t quiet;   /* (a) senders that have waited for long: nobody else may help them out */
static uint64_t served;  /* (a) requests that were sent and served */
static uint64_t put_off; /* (a) times that a shared timer was not served at once */
static struct sched_payer payers[2];
static _Thread_local bool must_sync;

static uint32_t get32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void request(struct guest *g, uint32_t bits)
{
	__atomic_fetch_or(&g->requests, bits, __ATOMIC_SEQ_CST);
	sched_kick(&g->se);
}

/* --- timers --- */

static void wake_expired(struct sched_timer *timer, uint64_t now)
{
	struct guest *g = container_of(timer, struct guest, wake);

	(void)now;
	/* Once at most for each time it was armed. It may be late: a pCPU that took it from its
	 * heap comes here although another cancels it meanwhile (sched/timer.h). */
	ASSERT(__atomic_add_fetch(&g->wakes_expired, 1, __ATOMIC_SEQ_CST) <=
	       __atomic_load_n(&g->wakes_armed, __ATOMIC_SEQ_CST));
	request(g, REQUEST_EVENT);
}

static void shared_expired(struct sched_timer *timer, uint64_t now)
{
	struct shared_timer *s = container_of(timer, struct shared_timer, timer);
	uint64_t at = sched_timer_may_work_at(timer, now);

	/* As a VM's device work: put off, and not waited for. */
	if (at > now || !spin_trylock(&s->lock)) {
		sched_timer_retry(timer, MAX(at, now + 1000));
		__atomic_fetch_add(&put_off, 1, __ATOMIC_RELAXED);
		return;
	}
	if (s->is_armed && s->when <= now) {
		s->is_armed = false;
		s->fired++;
	} else {
		s->stale++;
	}
	spin_unlock(&s->lock);
}

static void use_shared_timer(uint64_t r)
{
	struct shared_timer *s = &shared[r % SHARED];

	spin_lock(&s->lock);
	if (r >> 8 & 3) {
		s->is_armed = true;
		s->when = rdtsc() + (r >> 16) % 100000;
		if (r >> 10 & 1)
			sched_timer_arm(&s->timer, s->when);
		else
			sched_timer_arm_here(&s->timer, s->when);
	} else {
		s->is_armed = false;
		sched_timer_cancel(&s->timer);
	}
	spin_unlock(&s->lock);
}

/* --- the entity --- */

static bool is_woken(struct sched_entity *se)
{
	return get32(&container_of(se, struct guest, se)->requests) != 0;
}

static void switch_in(struct sched_entity *se)
{
	struct guest *g = container_of(se, struct guest, se);

	/* Nobody else has it. */
	ASSERT(__atomic_exchange_n(&g->where, this_cpu_id() + 1, __ATOMIC_SEQ_CST) == 0);
	ASSERT(!g->is_inside);
	ASSERT(g < &guests[MOVED] || cpumask_has(&se->affinity, this_cpu_id()));
	ASSERT(sched_this_runq()->current == se);
	g->is_inside = true;
	/* Whether it is armed still only its heap's lock can tell. */
	sched_timer_cancel(&g->wake);
}

static void switch_out(struct sched_entity *se)
{
	struct guest *g = container_of(se, struct guest, se);

	ASSERT(g->is_inside);
	g->is_inside = false;
	ASSERT(__atomic_exchange_n(&g->where, 0, __ATOMIC_SEQ_CST) == this_cpu_id() + 1);
}

/* False when it is to end. */
static bool serve(struct guest *g)
{
	uint32_t requests = __atomic_exchange_n(&g->requests, 0, __ATOMIC_SEQ_CST);

	for (unsigned i = 0; i < SENDERS; i++)
		__atomic_store_n(&g->seen[i], get32(&g->sent[i]), __ATOMIC_SEQ_CST);
	return !(requests & REQUEST_STOP);
}

/* Watches for a request for a while, as a polled halt. */
static bool poll(struct guest *g, uint64_t ns)
{
	uint64_t start = rdtsc();

	__atomic_store_n(&g->se.is_polling, true, __ATOMIC_SEQ_CST);
	while (!get32(&g->requests) && rdtsc() - start < ns &&
	       !sched_is_waited_for(sched_this_runq())) {
		sched_run_timers(rdtsc());
		cpu_relax();
	}
	__atomic_store_n(&g->se.is_polling, false, __ATOMIC_SEQ_CST);
	g->polls++;
	return get32(&g->requests);
}

/* Into the guest until an interrupt comes, or the deadline that was computed when it last synced:
 * at once after a kick, as sync_at does it in vmx/. */
static void enter(struct guest *g, uint64_t exit_after)
{
	uint64_t now = rdtsc(), deadline;

	deadline = sched_next_deadline();
	if (sched_is_waited_for(sched_this_runq()))
		deadline = MIN(deadline, g->se.slice_end);
	irq_disable();
	if (!must_sync && !get32(&g->requests)) {
		if (exit_after)
			deadline = MIN(deadline, now + exit_after);
		fake_interrupts_wait(deadline);
		g->entries++;
	}
	must_sync = false;
	irq_enable();
}

static enum sched_verdict run(struct sched_entity *se)
{
	struct guest *g = container_of(se, struct guest, se);

	for (;;) {
		uint64_t r = fake_random(&g->seed), now;

		ASSERT(get32(&g->where) == this_cpu_id() + 1 && se->state == SCHED_RUNNING);
		if (get32(&g->requests) && !serve(g)) {
			__atomic_store_n(&g->has_ended, true, __ATOMIC_SEQ_CST);
			return SCHED_ENDED;
		}
		now = rdtsc();
		sched_run_timers(now);
		if (sched_is_slice_over(sched_this_runq(), se, now) || r % 16 == 0)
			return SCHED_PREEMPTED;
		switch (r >> 8 & 7) {
		case 0: /* HLT */
		case 1:
			if ((r >> 16 & 1) && poll(g, (r >> 20) % 20000))
				break;
			g->halts++;
			if (r >> 17 & 1) {
				__atomic_fetch_add(&g->wakes_armed, 1, __ATOMIC_SEQ_CST);
				sched_timer_arm(&g->wake, now + (r >> 20) % 200000);
			}
			return SCHED_WAIT;
		case 2: /* an IPI to another */
			if (!get32(&quiet))
				request(&guests[(r >> 16) % ENTITIES], REQUEST_EVENT);
			break;
		case 3: /* a timer of its VM */
		case 5:
			use_shared_timer(r >> 16);
			break;
		case 4: /* until something comes */
			enter(g, 0);
			break;
		case 6:
			if (sched_yield_to(&guests[(r >> 16) % ENTITIES].se)) {
				g->yields++;
				return SCHED_PREEMPTED;
			}
			break;
		default:
			enter(g, 1 + (r >> 16) % 20000);
			break;
		}
	}
}

static const struct sched_ops ops = {
	.run = run, .switch_in = switch_in, .switch_out = switch_out, .is_woken = is_woken};

/* --- threads --- */

static void kicked(void)
{
	must_sync = true;
}

static void *pcpu_thread(void *arg)
{
	fake_percpu_attach(*(uint32_t *)arg);
	fake_pcpu_run(sched_loop);
	return NULL;
}

static void report_stuck(const char *what)
{
	for (unsigned i = 0; i < ENTITIES; i++)
		print_message("entity %u: state %u on pCPU %u, requests %#x, sent %u %u, seen %u "
			      "%u\n",
			      i, get32(&guests[i].se.state), get32(&guests[i].se.pcpu),
			      get32(&guests[i].requests), get32(&guests[i].sent[0]),
			      get32(&guests[i].sent[1]), get32(&guests[i].seen[0]),
			      get32(&guests[i].seen[1]));
	print_message("%s\n", what);
	abort(); /* the threads cannot be ended */
}

/* Waits until the entity has served what was sent to it. A request that was lost would be served by
 * way of the next one: who waits for long keeps the others from sending any. */
static void wait_until_served(const struct guest *g, uint32_t me)
{
	uint64_t start = rdtsc();
	bool is_quiet = false;

	while (get32(&g->seen[me]) != get32(&g->sent[me])) {
		uint64_t waited = rdtsc() - start;

		if (waited > QUIET_NS && !is_quiet) {
			is_quiet = true;
			__atomic_fetch_add(&quiet, 1, __ATOMIC_SEQ_CST);
		}
		if (waited > STUCK_NS)
			report_stuck("a request is never served");
		sched_yield();
	}
	if (is_quiet)
		__atomic_fetch_sub(&quiet, 1, __ATOMIC_SEQ_CST);
}

/* As the monitor does: another set of pCPUs, or another slice, for whoever it is. */
static void move_one(uint64_t *seed)
{
	uint64_t r = fake_random(seed);
	struct guest *g = &guests[r % MOVED];
	struct cpumask affinity = CPUMASK(1 + (r >> 8) % (BIT(PCPUS) - 1));

	sched_set_affinity(&g->se, &affinity);
	sched_set_slice(&g->se, SLICE * (1 + (r >> 16) % 3));
}

/* Sends to some entities at once, and waits for all of them. */
static void *sender_thread(void *arg)
{
	uint32_t cpu = *(uint32_t *)arg, me = cpu - PCPUS;
	uint64_t seed = cpu;

	fake_percpu_attach(cpu);
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint32_t set = (uint32_t)fake_random(&seed) & (BIT(ENTITIES) - 1);

		while (get32(&quiet))
			sched_yield();
		for (unsigned i = 0; i < ENTITIES; i++) {
			if (!(set & BIT(i)))
				continue;
			__atomic_fetch_add(&guests[i].sent[me], 1, __ATOMIC_SEQ_CST);
			request(&guests[i], REQUEST_EVENT);
		}
		if (fake_random(&seed) % 4 == 0)
			move_one(&seed);
		for (unsigned i = 0; i < ENTITIES; i++)
			wait_until_served(&guests[i], me);
		__atomic_fetch_add(&served, (unsigned)__builtin_popcount(set), __ATOMIC_RELAXED);
		if (fake_random(&seed) % 8 == 0)
			usleep((unsigned)(fake_random(&seed) % 200));
	}
	return NULL;
}

static bool have_all_ended(void)
{
	for (unsigned i = 0; i < ENTITIES; i++)
		if (get32(&guests[i].se.state) != SCHED_STOPPED)
			return false;
	return true;
}

/* All armed ones expire. */
static bool are_timers_done(void)
{
	bool is_done = true;

	for (unsigned i = 0; i < SHARED; i++) {
		spin_lock(&shared[i].lock);
		is_done &= !shared[i].is_armed;
		spin_unlock(&shared[i].lock);
	}
	return is_done;
}

static void wait_for(bool (*is_done)(void), const char *what)
{
	uint64_t start = rdtsc();

	while (!is_done()) {
		if (rdtsc() - start > STUCK_NS)
			report_stuck(what);
		usleep(1000);
	}
}

static unsigned stress_seconds(void)
{
	const char *seconds = getenv("STRESS");

	return seconds ? (unsigned)strtoul(seconds, NULL, 10) : 2;
}

static void create(void)
{
	for (unsigned i = 0; i < ENTITIES; i++) {
		struct guest *g = &guests[i];
		/* Some may go anywhere, some are pinned. */
		struct cpumask affinity = CPUMASK(i < 4 ? BIT(PCPUS) - 1 : BIT(i % PCPUS));

		g->seed = 0x1000 + i;
		g->created = rdtsc();
		sched_entity_init(&g->se, &ops, &affinity, SLICE * (1 + i % 3), g->created);
		sched_timer_init(&g->wake, wake_expired);
		g->se.payer = g->wake.payer = &payers[i % 2];
	}
	for (unsigned i = 0; i < SHARED; i++) {
		shared[i].lock = (struct spinlock)SPINLOCK_INIT(LOCK_VM);
		sched_timer_init(&shared[i].timer, shared_expired);
		shared[i].timer.payer = &payers[0];
	}
}

/* What was counted, once all threads but this one are over. */
static void check_accounts(uint64_t finished)
{
	uint64_t busy = 0, lifetimes = 0, fired = 0, entries = 0, halts = 0, polls = 0, yields = 0,
		 lent = 0, switches = 0;

	for (unsigned i = 0; i < ENTITIES; i++) {
		const struct guest *g = &guests[i];
		uint64_t sum = 0;

		for (unsigned s = 0; s < SCHED_STATES; s++) {
			/* No stamp went backwards. */
			assert_true(g->se.time[s] <= finished - g->created);
			sum += g->se.time[s];
		}
		assert_int_equal(sum, g->se.since - g->created);
		assert_int_equal(g->where, 0);
		assert_false(g->is_inside);
		busy += g->se.time[SCHED_RUNNING] + g->se.time[SCHED_LENT];
		entries += g->entries;
		halts += g->halts;
		polls += g->polls;
		yields += g->yields;
		lent += g->se.time[SCHED_LENT];
		switches += g->se.switches;
		assert_true(g->se.switches >= g->se.wakes);
		assert_in_range(g->se.switches, 10, UINT64_MAX);
	}
	for (uint32_t i = 0; i < PCPUS; i++) {
		const struct runq *rq = sched_runq(i);

		assert_int_equal(rq->waiting, 0);
		assert_int_equal(rq->load, 0);
		assert_null(rq->current);
		busy += rq->idle_time;
		lifetimes += finished - rq->started;
	}
	assert_true(lent > 0 && payers[0].spent + payers[1].spent > 0);
	/* No pCPU was in two states at once, wherever the entities went. */
	assert_true(busy <= lifetimes);
	for (unsigned i = 0; i < SHARED; i++)
		fired += shared[i].fired;
	print_message("%lu requests served, %lu switches, %lu entries, %lu halts, %lu polls, %lu "
		      "yields, %lu timers, %lu put off\n",
		      served, switches, entries, halts, polls, yields, fired, put_off);
	assert_true(served > 100 && entries > 100 && halts > 100 && polls > 10 && yields > 10 &&
		    fired > 10);
}

static void test_threads_as_pcpus(void **state)
{
	pthread_t pcpu[PCPUS], sender[SENDERS];
	static uint32_t number[PCPUS + SENDERS];

	(void)state;
	fake_percpu_reset();
	fake_interrupts_reset();
	fake_tsc_use_clock();
	lockdep_init(); /* locks are taken by ascending rank, or it panics */
	for (uint32_t i = 0; i < PCPUS + SENDERS + 1; i++) {
		fake_percpu_attach(i);
		sched_init_cpu();
	}
	/* Little enough that some is put off. */
	sched_set_budget(2000, 1000, 100);
	/* This thread stays on the last one, and runs nothing. */
	sched_set_kick_hook(kicked);
	create();
	for (uint32_t i = 0; i < PCPUS + SENDERS; i++)
		number[i] = i;
	for (unsigned i = 0; i < PCPUS; i++)
		assert_int_equal(pthread_create(&pcpu[i], NULL, pcpu_thread, &number[i]), 0);
	for (unsigned i = 0; i < ENTITIES; i++)
		sched_start(&guests[i].se);
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(
			pthread_create(&sender[i], NULL, sender_thread, &number[PCPUS + i]), 0);

	sleep(stress_seconds());

	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(sender[i], NULL);
	for (unsigned i = 0; i < ENTITIES; i++)
		request(&guests[i], REQUEST_STOP);
	wait_for(have_all_ended, "a request to stop is never served");
	wait_for(are_timers_done, "a timer does not expire");
	fake_pcpus_stop();
	for (unsigned i = 0; i < PCPUS; i++)
		pthread_join(pcpu[i], NULL);
	check_accounts(rdtsc());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_as_pcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
