/* The scheduler's loop, wake-up and kick. */
#include "sched/sched.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/trap.h"
#include "sched/timer.h"

static struct runq runqs[MAX_PCPUS] __aligned(CACHE_LINE);
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

static void timer_irq(void)
{
}

void sched_init_cpu(void)
{
	struct runq *rq = &runqs[this_cpu_id()];

	if (this_cpu_id() == 0) {
		trap_set_irq_handler(VECTOR_KICK, sched_run_kick_hook);
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
	this_cpu()->ipi_sent++;
	apic_send_ipi(percpu_get(cpu)->apic_id, VECTOR_KICK);
}

/* Somebody has come into the queue of pCPU `cpu`: what runs there may have to give way. */
static void tell_arrival(uint32_t cpu)
{
	if (cpu != this_cpu_id())
		send_kick(cpu);
	else
		sched_run_kick_hook();
}

void sched_start(struct sched_entity *se)
{
	uint32_t cpu = runq_least_loaded(runqs, percpu_count(), se->affinity);
	struct runq *rq = &runqs[cpu];

	__atomic_fetch_add(&rq->load, 1, __ATOMIC_RELAXED);
	spin_lock(&rq->lock);
	runq_enqueue(rq, se, rdtsc());
	spin_unlock(&rq->lock);
	tell_arrival(cpu);
}

/* BLOCKED to RUNNABLE, on the pCPU where it ran last. */
static void wake(struct sched_entity *se)
{
	uint32_t cpu = __atomic_load_n(&se->pcpu, __ATOMIC_RELAXED);
	struct runq *rq = &runqs[cpu];
	bool is_woken = false;

	spin_lock(&rq->lock);
	if (se->state == SCHED_BLOCKED) {
		se->wakes++;
		runq_enqueue(rq, se, rdtsc());
		is_woken = true;
	}
	spin_unlock(&rq->lock);
	if (is_woken)
		tell_arrival(cpu);
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

static void put_back(struct runq *rq, struct sched_entity *se, enum sched_verdict verdict)
{
	uint64_t now = rdtsc();

	spin_lock(&rq->lock);
	switch (verdict) {
	case SCHED_PREEMPTED:
		runq_enqueue(rq, se, now);
		break;
	case SCHED_WAIT:
		sched_set_state(se, SCHED_BLOCKED, now);
		/* Orders the store of BLOCKED before the look at the requests: see sched_kick. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (se->ops->is_woken(se))
			runq_enqueue(rq, se, now);
		break;
	case SCHED_ENDED:
		sched_set_state(se, SCHED_STOPPED, now);
		__atomic_fetch_sub(&rq->load, 1, __ATOMIC_RELAXED);
		break;
	}
	rq->current = NULL;
	spin_unlock(&rq->lock);
}

/* Nothing to run: halt until an interrupt, the next deadline's or a kick. */
static void idle(struct runq *rq)
{
	irq_disable();
	if (!sched_is_waited_for(rq)) {
		uint64_t start = rdtsc();

		apic_timer_arm(sched_next_deadline());
		irq_enable_and_halt();
		rq->idle_time += rdtsc() - start;
	}
	irq_enable();
}

void sched_loop(void)
{
	struct runq *rq = sched_this_runq();

	rq->started = rdtsc();
	irq_enable();
	for (;;) {
		struct sched_entity *se;
		enum sched_verdict verdict;

		sched_run_timers(rdtsc());
		if (!sched_is_waited_for(rq)) {
			idle(rq);
			continue;
		}
		spin_lock(&rq->lock);
		se = runq_pick(rq, rdtsc());
		rq->current = se;
		spin_unlock(&rq->lock);
		if (!se)
			continue;
		/* Orders the store of RUNNING before `run`'s look at the requests: see sched_kick.
		 */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		se->switches++;
		se->ops->switch_in(se);
		verdict = se->ops->run(se);
		se->ops->switch_out(se);
		put_back(rq, se, verdict);
	}
}
