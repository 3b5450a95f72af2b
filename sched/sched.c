/* The scheduler's loop, wake-up and kick. */
#include "sched/sched.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/trap.h"
#include "sched/balance.h"
#include "sched/pin.h"
#include "sched/timer.h"
#include "sched/watchdog.h"
#include "sched/trace.h"

static struct runq runqs[MAX_PCPUS] __aligned(CACHE_LINE);
static struct cpumask idle_mask; /* (a) the pCPUs that halt with nothing to run: a hint */
static void (*kick_hook)(void);

void sched_set_kick_hook(void (*hook)(void))
{
	kick_hook = hook;
}

/* The interrupt itself has done the work: the guest has exited, or HLT has ended. */
void sched_run_kick_hook(void)
{
	if (kick_hook)
		kick_hook();
}

static void kick_irq(void)
{
	this_cpu()->ipi_taken++;
	if (trace_is_on(TRACE_GROUP_IPI))
		trace_write(TRACE_IPI_TAKEN, rdtsc(), 0, VECTOR_KICK, 0);
	sched_run_kick_hook();
}

static void timer_irq(void)
{
	struct percpu *cpu = this_cpu();

	cpu->timer_irqs++;
	if (watchdog_is_due(cpu))
		watchdog_look();
}

void sched_init_cpu(void)
{
	struct runq *rq = &runqs[this_cpu_id()];

	if (this_cpu_id() == 0) {
		trap_set_irq_handler(VECTOR_KICK, kick_irq);
		trap_set_irq_handler(VECTOR_TIMER, timer_irq);
	}
	runq_init(rq, this_cpu_id());
	this_cpu()->slot[PERCPU_SCHED] = rq;
}

const struct runq *sched_runq(uint32_t cpu)
{
	return &runqs[cpu];
}

static void send_kick(uint32_t cpu)
{
	apic_send_ipi(percpu_get(cpu)->apic_id, VECTOR_KICK);
}

static bool is_idle(uint32_t cpu)
{
	return __atomic_load_n(&idle_mask.word[cpu / 64], __ATOMIC_SEQ_CST) >> (cpu % 64) & 1;
}

/* The first idle pCPU of `affinity`; MAX_PCPUS when there is none. */
static uint32_t first_idle(const struct cpumask *affinity)
{
	for (uint32_t i = 0; i * 64 < percpu_count(); i++) {
		uint64_t idle = __atomic_load_n(&idle_mask.word[i], __ATOMIC_SEQ_CST) &
				__atomic_load_n(&affinity->word[i], __ATOMIC_RELAXED);

		if (idle)
			return i * 64 + (uint32_t)__builtin_ctzll(idle);
	}
	return MAX_PCPUS;
}

/* `se` has come into the queue of pCPU `cpu`: what runs there may have to give way; or an idle
 * pCPU, which looks around before it halts again, takes the one that waits. */
static void tell_arrival(uint32_t cpu, const struct sched_entity *se)
{
	uint32_t other;

	if (cpu != this_cpu_id())
		send_kick(cpu);
	else
		sched_run_kick_hook();
	/* The boot pCPU has arrivals before its loop begins. */
	if (runq_active(&runqs[cpu]) <= 1 && __atomic_load_n(&runqs[cpu].started, __ATOMIC_RELAXED))
		return;
	other = first_idle(&se->affinity);
	if (other < MAX_PCPUS && !(is_idle(cpu) && sched_may_run_on(se, cpu)))
		send_kick(other);
}

/* Its affinity has changed. */
static void place(struct sched_entity *se)
{
	uint32_t cpu;

	switch (pin_apply(runqs, percpu_count(), se, rdtsc(), &cpu)) {
	case PIN_STAYS:
		break;
	case PIN_MOVED:
		tell_arrival(cpu, se);
		break;
	case PIN_LEAVES:
		if (cpu != this_cpu_id())
			send_kick(cpu);
		else
			sched_run_kick_hook();
		break;
	}
}

void sched_set_affinity(struct sched_entity *se, const struct cpumask *affinity)
{
	pin_store(se, affinity);
	place(se);
}

void sched_set_slice(struct sched_entity *se, uint64_t ticks)
{
	__atomic_store_n(&se->slice, ticks, __ATOMIC_RELAXED);
}

/* From its owner's cap_timer: the next period of a throttled entity. */
static void end_throttling(struct sched_timer *timer, uint64_t now)
{
	struct sched_entity *se = container_of(timer, struct sched_entity, cap_timer);
	struct runq *rq = &runqs[se->pcpu];

	/* Throttled it is in no queue, where nobody moves it. */
	spin_lock(&rq->lock);
	runq_insert(rq, se, now);
	spin_unlock(&rq->lock);
	tell_arrival(rq->pcpu, se);
	if (unlikely(!sched_may_run_on(se, rq->pcpu)))
		place(se);
}

void sched_start(struct sched_entity *se)
{
	uint32_t cpu = runq_least_loaded(runqs, percpu_count(), &se->affinity);
	struct runq *rq = &runqs[cpu];
	uint64_t now;

	sched_timer_init(&se->cap_timer, end_throttling);
	se->cap_timer.payer = se->payer;
	__atomic_fetch_add(&rq->load, 1, __ATOMIC_RELAXED);
	spin_lock(&rq->lock);
	now = rdtsc();
	runq_enqueue(rq, se, now);
	sched_trace(TRACE_START, se, now, 0, cpu);
	spin_unlock(&rq->lock);
	tell_arrival(cpu, se);
	/* Whoever changes the affinity now sees it in the queue; or it is seen here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unlikely(!sched_may_run_on(se, cpu)))
		place(se);
}

/* BLOCKED to RUNNABLE. Run-queue lock held. */
static void enqueue_woken(struct runq *rq, struct sched_entity *se, uint64_t now)
{
	se->woken_at = now;
	runq_enqueue(rq, se, now);
	sched_trace(TRACE_WAKE, se, now, 0, rq->pcpu);
}

/* BLOCKED to RUNNABLE, on the pCPU where it ran last; a blocked one moves only when its affinity
 * changes. */
static void wake(struct sched_entity *se)
{
	bool is_woken = false, is_here;
	uint32_t cpu;

	do {
		struct runq *rq;

		cpu = __atomic_load_n(&se->pcpu, __ATOMIC_ACQUIRE);
		rq = &runqs[cpu];
		spin_lock(&rq->lock);
		is_here = __atomic_load_n(&se->pcpu, __ATOMIC_ACQUIRE) == cpu;
		if (is_here && __atomic_load_n(&se->state, __ATOMIC_ACQUIRE) == SCHED_BLOCKED) {
			se->wakes++;
			enqueue_woken(rq, se, rdtsc());
			is_woken = true;
		}
		spin_unlock(&rq->lock);
	} while (unlikely(!is_here));
	if (is_woken)
		tell_arrival(cpu, se);
}

/* When the turn of `self` ends, of which the rest can be given away. While nobody waits it has no
 * end: then a slice from now. */
static uint64_t gift_end(const struct runq *rq, const struct sched_entity *self, uint64_t now)
{
	uint64_t slice_end = sched_is_waited_for(rq)
				     ? self->slice_end
				     : now + __atomic_load_n(&self->slice, __ATOMIC_RELAXED);

	return MIN(slice_end, __atomic_load_n(&self->cap_end, __ATOMIC_RELAXED));
}

bool sched_yield_to(struct sched_entity *target)
{
	struct runq *rq = sched_this_runq(), *from;
	struct sched_entity *self = rq->current;
	uint64_t now = rdtsc(), end = gift_end(rq, self, now);
	bool is_found;

	from = &runqs[__atomic_load_n(&target->pcpu, __ATOMIC_ACQUIRE)];
	/* Between two pCPUs they change places, too: nobody's queue gets longer by a yield. */
	if (end <= now || !sched_may_run_on(target, rq->pcpu) ||
	    !sched_may_run_on(self, from->pcpu))
		return false;
	spin_lock(&from->lock);
	is_found = runq_has(from, target);
	if (is_found && from != rq)
		balance_take(from, rq, target, now);
	else if (is_found)
		runq_give(rq, target, self, end);
	spin_unlock(&from->lock);
	if (!is_found)
		return false;
	if (from != rq) {
		self->goes_to = from->pcpu + 1;
		spin_lock(&rq->lock);
		runq_insert(rq, target, now);
		runq_give(rq, target, NULL, end);
		spin_unlock(&rq->lock);
	}
	self->slice_end = now;
	sched_run_kick_hook();
	return true;
}

void sched_kick(struct sched_entity *se)
{
	/* The caller's atomic read-modify-write of the request orders it before these loads.
	 * Whoever blocks stores BLOCKED and then looks for requests (put_back); whoever is picked
	 * stores RUNNING and then looks (sched_loop); whoever polls does so until it has stored
	 * is_polling = false and looked again; whoever runs looks with interrupts off before it
	 * enters the guest, where the IPI makes it exit. */
	uint32_t state = __atomic_load_n(&se->state, __ATOMIC_SEQ_CST);
	uint32_t cpu = __atomic_load_n(&se->pcpu, __ATOMIC_SEQ_CST);

	if (state == SCHED_BLOCKED)
		wake(se);
	else if (state == SCHED_RUNNING && cpu != this_cpu_id() &&
		 !__atomic_load_n(&se->is_polling, __ATOMIC_SEQ_CST))
		send_kick(cpu);
}

/* `se` has yielded to one from another pCPU's queue, and takes its place there. Whoever runs there
 * is not interrupted for it: a guest could do that without end. */
static void send_for_target(struct runq *rq, struct sched_entity *se, uint64_t now)
{
	struct runq *to = &runqs[se->goes_to - 1];

	balance_count_move(rq, to, se, now);
	spin_lock(&to->lock);
	runq_insert(to, se, now);
	spin_unlock(&to->lock);
	/* Orders the store of `waiting` before the look: who halts sets its bit, and then looks. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (is_idle(to->pcpu))
		send_kick(to->pcpu);
}

/* The turn of `se` is over and it wants another: here, on a lighter pCPU, or after its cap's
 * period. */
static void put_back_runnable(struct runq *rq, struct sched_entity *se, uint64_t now)
{
	uint32_t cpu;
	bool stays;

	spin_lock(&rq->lock);
	sched_set_state(se, SCHED_RUNNABLE, now);
	spin_unlock(&rq->lock);
	sched_trace(TRACE_PREEMPT, se, now, 0, 0);
	if (se->cap_budget && !se->cap_left) {
		__atomic_store_n(&rq->current, NULL, __ATOMIC_RELEASE);
		sched_timer_arm(&se->cap_timer, se->cap_start + se->cap_period);
		return;
	}
	if (unlikely(se->goes_to)) {
		__atomic_store_n(&rq->current, NULL, __ATOMIC_RELEASE);
		send_for_target(rq, se, now);
		return;
	}
	cpu = balance_push(runqs, percpu_count(), rq, se, now, &stays);
	spin_lock(&rq->lock);
	if (stays)
		runq_insert(rq, se, now);
	__atomic_store_n(&rq->current, NULL, __ATOMIC_RELEASE);
	spin_unlock(&rq->lock);
	if (cpu != rq->pcpu)
		send_kick(cpu);
}

static void put_back(struct runq *rq, struct sched_entity *se, enum sched_verdict verdict)
{
	uint64_t now = rdtsc();

	if (se->cap_budget) {
		uint64_t cap_end = __atomic_load_n(&se->cap_end, __ATOMIC_RELAXED);

		se->cap_left = cap_end > now ? cap_end - now : 0;
	}
	if (verdict == SCHED_PREEMPTED) {
		put_back_runnable(rq, se, now);
		return;
	}
	spin_lock(&rq->lock);
	__atomic_store_n(&rq->current, NULL, __ATOMIC_RELEASE);
	if (verdict == SCHED_WAIT) {
		sched_set_state(se, SCHED_BLOCKED, now);
		sched_trace(TRACE_BLOCK, se, now, 0, 0);
		/* Orders the store of BLOCKED before the look at the requests: see sched_kick. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (se->ops->is_woken(se))
			enqueue_woken(rq, se, now);
	} else {
		sched_set_state(se, SCHED_STOPPED, now);
		sched_trace(TRACE_STOP, se, now, 0, 0);
		__atomic_fetch_sub(&rq->load, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&rq->lock);
}

/* Nothing to run: halt until an interrupt, the next deadline's or a kick. */
static void idle(struct runq *rq)
{
	uint64_t *idle_word = &idle_mask.word[rq->pcpu / 64], idle_bit = BIT_ULL(rq->pcpu % 64);

	irq_disable();
	__atomic_fetch_or(idle_word, idle_bit, __ATOMIC_SEQ_CST);
	if (!sched_is_waited_for(rq)) {
		uint64_t start = rdtsc();

		rq->idle_since = start;
		apic_timer_arm(sched_next_deadline());
		irq_enable_and_halt();
		rq->idle_time += rdtsc() - start;
		rq->idle_since = 0;
	}
	__atomic_fetch_and(idle_word, ~idle_bit, __ATOMIC_SEQ_CST);
	irq_enable();
}

/* The next entity, made RUNNING: of this queue or, when it is empty, of another. NULL when nobody
 * waits anywhere for this pCPU. */
static struct sched_entity *pick(struct runq *rq)
{
	struct sched_entity *pulled = NULL, *se;
	uint64_t now;

	if (!sched_is_waited_for(rq)) {
		pulled = balance_pull(runqs, percpu_count(), rq, rdtsc());
		if (!pulled)
			return NULL;
	}
	spin_lock(&rq->lock);
	now = rdtsc();
	if (pulled)
		runq_insert(rq, pulled, now);
	se = runq_pick(rq, now);
	__atomic_store_n(&rq->current, se, __ATOMIC_RELEASE);
	spin_unlock(&rq->lock);
	if (se)
		sched_trace(TRACE_SWITCH, se, now, 0, 0);
	return se;
}

/* It has been woken and can enter its guest now: how long did that take? */
static void note_wake_latency(struct sched_entity *se)
{
	uint64_t ticks = rdtsc() - se->woken_at;
	unsigned bucket = 63 - (unsigned)__builtin_clzll(ticks | 1);

	se->woken_at = 0;
	se->wake_hist[MIN(bucket, SCHED_WAKE_BUCKETS - 1u)]++;
}

void sched_loop(void)
{
	struct runq *rq = sched_this_runq();

	__atomic_store_n(&rq->started, rdtsc(), __ATOMIC_RELAXED);
	irq_enable();
	for (;;) {
		struct sched_entity *se;
		enum sched_verdict verdict;

		sched_run_timers(rdtsc());
		se = pick(rq);
		if (!se) {
			idle(rq);
			continue;
		}
		/* Orders the store of RUNNING before `run`'s look at the requests: see sched_kick.
		 */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		se->switches++;
		se->ops->switch_in(se);
		if (se->woken_at)
			note_wake_latency(se);
		verdict = se->ops->run(se);
		se->ops->switch_out(se);
		put_back(rq, se, verdict);
		if (unlikely(!__atomic_load_n(&se->cap_end, __ATOMIC_RELAXED)))
			place(se); /* its affinity has changed meanwhile */
	}
}
