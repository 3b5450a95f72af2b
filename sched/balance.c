/* Pull and rebalance. One run-queue lock at a time: an entity on its way is RUNNABLE and in no
 * queue, where nobody but the mover can find it; a request for it is set in the entity and seen
 * when it is switched in. */
#include "sched/balance.h"

#include "sched/trace.h"

static void count_move(struct runq *from, struct runq *to, struct sched_entity *se, uint64_t now,
		       bool is_pulled)
{
	__atomic_fetch_sub(&from->load, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&to->load, 1, __ATOMIC_RELAXED);
	se->moves++;
	sched_trace(TRACE_MIGRATE, se, now, is_pulled, to->pcpu);
}

void balance_count_move(struct runq *from, struct runq *to, struct sched_entity *se, uint64_t now)
{
	count_move(from, to, se, now, true);
	se->arrived = now;
	__atomic_store_n(&se->pcpu, to->pcpu, __ATOMIC_SEQ_CST);
}

void balance_take(struct runq *from, struct runq *to, struct sched_entity *se, uint64_t now)
{
	runq_remove(from, se);
	balance_count_move(from, to, se, now);
}

struct sched_entity *balance_pull(struct runq *rqs, uint32_t count, struct runq *rq, uint64_t now)
{
	for (uint32_t i = 1; i < count; i++) {
		struct runq *from = &rqs[(rq->pcpu + i) % count];
		struct sched_entity *se;

		if (!__atomic_load_n(&from->waiting, __ATOMIC_RELAXED))
			continue;
		spin_lock(&from->lock);
		se = runq_oldest_for(from, rq->pcpu);
		if (se)
			balance_take(from, rq, se, now);
		spin_unlock(&from->lock);
		if (se) {
			rq->pulls++;
			return se;
		}
	}
	return NULL;
}

uint32_t balance_push(struct runq *rqs, uint32_t count, struct runq *rq, struct sched_entity *se,
		      uint64_t now, bool *stays)
{
	struct sched_entity *moved;
	uint32_t to;

	*stays = true;
	if (now - rq->balanced_at < BALANCE_SLICES * __atomic_load_n(&se->slice, __ATOMIC_RELAXED))
		return rq->pcpu;
	rq->balanced_at = now;
	/* `se` still counts as current. A difference of one is what goes round. */
	to = runq_lighter(rqs, count, rq->pcpu, 1);
	if (to == rq->pcpu)
		return to;
	spin_lock(&rq->lock);
	moved = runq_oldest_for(rq, to);
	if (sched_may_run_on(se, to) && (!moved || se->arrived <= moved->arrived)) {
		moved = se;
		*stays = false;
	} else if (moved) {
		runq_remove(rq, moved);
	}
	spin_unlock(&rq->lock);
	if (!moved)
		return rq->pcpu;
	count_move(rq, &rqs[to], moved, now, false);
	rq->pushes++;
	spin_lock(&rqs[to].lock);
	runq_insert(&rqs[to], moved, now);
	spin_unlock(&rqs[to].lock);
	return to;
}
