/* The pCPUs' deadline heaps. */
#include "sched/timer.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/trace.h"
#include "sched/sched.h"

/* So that timers re-armed into the past by their own expiry cannot hold a pCPU. */
#define TIMERS_A_RUN 64

struct timer_heap sched_timer_heaps[MAX_PCPUS] = {
	[0 ... MAX_PCPUS - 1] = {.lock = SPINLOCK_INIT(LOCK_TIMERS), .next = DEADLINE_NEVER},
};

static void (*deferred[SCHED_DEFERRED_MAX])(void);
static uint32_t deferred_count; /* (a) */

/* Publishes the nearest deadline; true when it came closer. */
static bool update_next(struct timer_heap *h)
{
	uint64_t next = deadline_next(&h->heap), old = h->next;

	__atomic_store_n(&h->next, next, __ATOMIC_RELEASE);
	return next < old;
}

void sched_timer_init(struct sched_timer *timer,
		      void (*expire)(struct sched_timer *timer, uint64_t now))
{
	*timer = (struct sched_timer){.expire = expire};
}

static uint32_t pcpu_of(const struct sched_timer *timer)
{
	return __atomic_load_n(&timer->pcpu, __ATOMIC_RELAXED);
}

void sched_timer_arm(struct sched_timer *timer, uint64_t when)
{
	uint32_t pcpu = pcpu_of(timer);
	struct timer_heap *h = &sched_timer_heaps[pcpu];
	bool is_closer;

	/* Whether it is armed only its heap's lock can tell. Not armed, it stays so: the owner is
	 * here, and whoever retries it there sees that it has gone. */
	spin_lock(&h->lock);
	if (!timer->deadline.is_armed && pcpu != this_cpu_id()) {
		pcpu = this_cpu_id();
		__atomic_store_n(&timer->pcpu, pcpu, __ATOMIC_RELAXED);
		spin_unlock(&h->lock);
		h = &sched_timer_heaps[pcpu];
		spin_lock(&h->lock);
	}
	deadline_arm(&h->heap, &timer->deadline, when);
	is_closer = update_next(h);
	spin_unlock(&h->lock);
	if (is_closer && pcpu != this_cpu_id())
		apic_send_ipi(percpu_get(pcpu)->apic_id, VECTOR_KICK);
}

void sched_timer_arm_here(struct sched_timer *timer, uint64_t when)
{
	if (pcpu_of(timer) != this_cpu_id())
		sched_timer_cancel(timer);
	sched_timer_arm(timer, when);
}

void sched_timer_retry(struct sched_timer *timer, uint64_t when)
{
	struct timer_heap *h = &sched_timer_heaps[this_cpu_id()];

	spin_lock(&h->lock);
	if (pcpu_of(timer) == this_cpu_id() && !timer->deadline.is_armed) {
		deadline_arm(&h->heap, &timer->deadline, when);
		update_next(h);
	}
	spin_unlock(&h->lock);
}

void sched_timer_cancel(struct sched_timer *timer)
{
	uint32_t pcpu = pcpu_of(timer);
	struct timer_heap *h = &sched_timer_heaps[pcpu];

	/* Armed here, it would be taken out here: this pCPU knows without the lock. */
	if (pcpu == this_cpu_id() && !timer->deadline.is_armed)
		return;
	spin_lock(&h->lock);
	deadline_cancel(&h->heap, &timer->deadline);
	update_next(h);
	spin_unlock(&h->lock);
}

void sched_add_deferred(void (*run)(void))
{
	ASSERT(deferred_count < SCHED_DEFERRED_MAX);
	deferred[deferred_count] = run;
	__atomic_store_n(&deferred_count, deferred_count + 1, __ATOMIC_RELEASE);
}

static void run_deferred(void)
{
	uint32_t count = __atomic_load_n(&deferred_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		deferred[i]();
}

void sched_defer(void)
{
	__atomic_store_n(&sched_timer_heaps[this_cpu_id()].is_deferred, true, __ATOMIC_RELEASE);
	sched_run_kick_hook();
}

/* --- whose work it is --- */

static uint64_t burst, piece, exit_cost; /* (i) */

void sched_set_budget(uint64_t burst_ticks, uint64_t piece_ticks, uint64_t exit_ticks)
{
	burst = burst_ticks;
	piece = piece_ticks;
	exit_cost = exit_ticks;
}

bool sched_is_turn_of(const struct sched_payer *payer)
{
	const struct sched_entity *se = sched_this_runq()->current;

	return se && se->payer == payer;
}

/* Whoever works here for `payer` takes nobody's time. */
static bool is_free_for(const struct runq *rq, const struct sched_payer *payer)
{
	return rq->current ? rq->current->payer == payer : !sched_is_waited_for(rq);
}

struct sched_payer *sched_this_payer(void)
{
	struct sched_payer *working = sched_timer_heaps[this_cpu_id()].working;
	const struct sched_entity *se = sched_this_runq()->current;

	if (working)
		return working;
	return se ? se->payer : NULL;
}

uint64_t sched_timer_may_work_at(struct sched_timer *timer, uint64_t now)
{
	struct timer_heap *h = &sched_timer_heaps[this_cpu_id()];
	uint64_t slot = __atomic_load_n(&timer->slot, __ATOMIC_RELAXED);

	if (is_free_for(sched_this_runq(), timer->payer))
		return now;
	if (slot && __atomic_load_n(&timer->slot_pcpu, __ATOMIC_RELAXED) == this_cpu_id()) {
		if (slot > now)
			return slot;
		__atomic_store_n(&timer->slot, 0, __ATOMIC_RELAXED);
		h->prepaid = piece;
		return now;
	}
	slot = budget_next(&h->budget, now, burst);
	if (slot <= now)
		return now;
	budget_take(&h->budget, now, piece);
	__atomic_store_n(&timer->slot_pcpu, this_cpu_id(), __ATOMIC_RELAXED);
	__atomic_store_n(&timer->slot, slot, __ATOMIC_RELAXED);
	return slot;
}

/* This pCPU did others' work, up to `now`. */
static void account(struct timer_heap *h, struct sched_payer *payer, uint64_t now, uint64_t cost)
{
	struct sched_entity *se = sched_this_runq()->current;

	if (se)
		sched_lend(se, cost);
	if (!payer)
		return;
	payer_charge(payer, cost);
	budget_take(&h->budget, now, cost + exit_cost);
	budget_give_back(&h->budget, h->prepaid);
	h->prepaid = 0;
}

/* Lets a timer expire at somebody else's expense. */
static __cold void expire_lent(struct timer_heap *h, struct sched_timer *timer, uint64_t now)
{
	struct sched_payer *payer = timer->payer; /* it may be another when it is armed again */
	const struct sched_entity *se = sched_this_runq()->current;
	uint16_t id = se ? se->id : 0;
	uint64_t start = rdtsc(), end;

	if (trace_is_on(TRACE_GROUP_SCHED))
		trace_write(TRACE_LEND, start, id, 0, payer ? payer->id : 0);
	timer->expire(timer, now);
	end = rdtsc();
	account(h, payer, end, end - start);
	if (trace_is_on(TRACE_GROUP_SCHED))
		trace_write(TRACE_LEND_END, end, id, 0, payer ? payer->id : 0);
}

static void expire(struct timer_heap *h, struct sched_timer *timer, uint64_t now)
{
	h->working = timer->payer;
	if (likely(is_free_for(sched_this_runq(), timer->payer)))
		timer->expire(timer, now);
	else
		expire_lent(h, timer, now);
	h->working = NULL;
}

static bool is_turn_over(void)
{
	const struct runq *rq = sched_this_runq();

	return rq->current && sched_is_slice_over(rq, rq->current, rdtsc());
}

void sched_expire_timers(uint64_t now)
{
	struct timer_heap *h = &sched_timer_heaps[this_cpu_id()];

	if (unlikely(__atomic_load_n(&h->is_deferred, __ATOMIC_RELAXED)) &&
	    __atomic_exchange_n(&h->is_deferred, false, __ATOMIC_ACQUIRE))
		run_deferred();
	for (unsigned i = 0; i < TIMERS_A_RUN; i++) {
		struct deadline *d;

		if (__atomic_load_n(&h->next, __ATOMIC_RELAXED) > now)
			return;
		if (i && is_turn_over())
			return;
		spin_lock(&h->lock);
		d = deadline_pop_expired(&h->heap, now);
		update_next(h);
		spin_unlock(&h->lock);
		if (!d)
			return;
		this_cpu()->timers++;
		expire(h, container_of(d, struct sched_timer, deadline), now);
	}
}
