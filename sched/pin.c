/* Changing where an entity may run. The lock of the queue that it belongs to keeps it still; in
 * between two queues, RUNNABLE and in none, nobody's does, and whoever moves it is waited for. One
 * that waits for its cap's next period is in no queue, too, but stays: its timer comes here then.
 * One that runs is brought here by sched_loop when its turn is over. */
#include "sched/pin.h"

#include "cpu/insn.h"
#include "sched/balance.h"

void pin_store(struct sched_entity *se, const struct cpumask *affinity)
{
	for (unsigned i = 0; i < CPUMASK_WORDS; i++)
		__atomic_store_n(&se->affinity.word[i], affinity->word[i], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool is_throttled(const struct sched_entity *se)
{
	return __atomic_load_n(&se->cap_timer.deadline.is_armed, __ATOMIC_RELAXED);
}

static bool is_on_its_way(const struct sched_entity *se)
{
	return __atomic_load_n(&se->state, __ATOMIC_ACQUIRE) == SCHED_RUNNABLE &&
	       list_is_empty(&se->node) && !is_throttled(se);
}

static bool is_at(const struct runq *rq, const struct sched_entity *se)
{
	return __atomic_load_n(&se->pcpu, __ATOMIC_ACQUIRE) == rq->pcpu && !is_on_its_way(se);
}

/* The queue that it belongs to, locked. Not while it is on its way to one. */
static struct runq *lock_queue_of(struct runq *rqs, struct sched_entity *se)
{
	for (;;) {
		struct runq *rq = &rqs[__atomic_load_n(&se->pcpu, __ATOMIC_ACQUIRE)];

		spin_lock(&rq->lock);
		/* Twice: between the two loads it may have come into another queue, whose lock is
		 * not held; then its pCPU is another, or it is on its way back here, and stays so.
		 */
		if (is_at(rq, se) && is_at(rq, se))
			return rq;
		spin_unlock(&rq->lock);
		cpu_relax();
	}
}

enum pin_effect pin_apply(struct runq *rqs, uint32_t count, struct sched_entity *se, uint64_t now,
			  uint32_t *cpu)
{
	struct runq *from = lock_queue_of(rqs, se), *to;
	bool is_queued = !list_is_empty(&se->node);

	*cpu = from->pcpu;
	if (sched_may_run_on(se, from->pcpu) || se->state == SCHED_STOPPED ||
	    (se->state == SCHED_RUNNABLE && !is_queued)) {
		spin_unlock(&from->lock);
		return PIN_STAYS;
	}
	if (se->state == SCHED_RUNNING) {
		/* As if its budget were used up: looked at even when nobody waits. */
		__atomic_store_n(&se->cap_end, 0, __ATOMIC_RELAXED);
		spin_unlock(&from->lock);
		return PIN_LEAVES;
	}
	to = &rqs[runq_least_loaded(rqs, count, &se->affinity)];
	*cpu = to->pcpu;
	if (is_queued)
		runq_remove(from, se);
	balance_count_move(from, to, se, now);
	spin_unlock(&from->lock);
	if (!is_queued)
		return PIN_STAYS;
	spin_lock(&to->lock);
	runq_insert(to, se, now);
	spin_unlock(&to->lock);
	return PIN_MOVED;
}
