/* Round robin: the run queue's and the entity's state. */
#include "sched/runq.h"

#include "cpu/panic.h"

void runq_init(struct runq *rq, uint32_t pcpu)
{
	*rq = (struct runq){.lock = SPINLOCK_INIT(LOCK_RUNQ), .pcpu = pcpu};
	list_init(&rq->queue);
}

void sched_entity_init(struct sched_entity *se, const struct sched_ops *ops,
		       const struct cpumask *affinity, uint64_t slice, uint64_t now)
{
	*se = (struct sched_entity){
		.ops = ops,
		.state = SCHED_STOPPED,
		.affinity = *affinity,
		.slice = slice,
		.cap_end = DEADLINE_NEVER,
		.created = now,
		.since = now,
	};
	list_init(&se->node);
}

void sched_set_state(struct sched_entity *se, enum sched_state state, uint64_t now)
{
	static const uint8_t legal[SCHED_STATES] = {
		[SCHED_STOPPED] = BIT(SCHED_RUNNABLE),
		[SCHED_RUNNABLE] = BIT(SCHED_RUNNING) | BIT(SCHED_STOPPED),
		[SCHED_RUNNING] = BIT(SCHED_RUNNABLE) | BIT(SCHED_BLOCKED) | BIT(SCHED_STOPPED),
		[SCHED_BLOCKED] = BIT(SCHED_RUNNABLE) | BIT(SCHED_STOPPED),
	};

	ASSERT(legal[se->state] & BIT(state));
	se->time[se->state] += now - se->since;
	se->since = now;
	__atomic_store_n(&se->state, state, __ATOMIC_RELEASE);
}

void sched_lend(struct sched_entity *se, uint64_t cost)
{
	uint64_t cap_end = __atomic_load_n(&se->cap_end, __ATOMIC_RELAXED);

	se->time[SCHED_LENT] += cost;
	__atomic_store_n(&se->since, se->since + cost, __ATOMIC_RELEASE);
	se->slice_end += cost;
	/* 0, for whom it must leave this pCPU, may come meanwhile, and stays. */
	if (cap_end && cap_end != DEADLINE_NEVER)
		__atomic_compare_exchange_n(&se->cap_end, &cap_end, cap_end + cost, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

uint64_t sched_time_in(const struct sched_entity *se, enum sched_state state, uint64_t now)
{
	return se->time[state] + (se->state == state ? now - se->since : 0);
}

void runq_insert(struct runq *rq, struct sched_entity *se, uint64_t now)
{
	if (se->pcpu != rq->pcpu || !se->arrived) {
		se->arrived = now;
		__atomic_store_n(&se->pcpu, rq->pcpu, __ATOMIC_SEQ_CST);
	}
	list_push_back(&rq->queue, &se->node);
	__atomic_store_n(&rq->waiting, rq->waiting + 1, __ATOMIC_RELEASE);
}

void runq_enqueue(struct runq *rq, struct sched_entity *se, uint64_t now)
{
	sched_set_state(se, SCHED_RUNNABLE, now);
	runq_insert(rq, se, now);
}

void runq_remove(struct runq *rq, struct sched_entity *se)
{
	list_remove(&se->node);
	__atomic_store_n(&rq->waiting, rq->waiting - 1, __ATOMIC_RELEASE);
}

void runq_give(struct runq *rq, struct sched_entity *to, struct sched_entity *from, uint64_t end)
{
	rq->gift = (struct runq_gift){.to = to, .from = from, .end = end};
}

/* Takes out the one that a gift makes the next; NULL when there is none, or nothing left of it. */
static __cold struct sched_entity *take_gift(struct runq *rq, uint64_t now)
{
	struct runq_gift gift = rq->gift;
	struct list *behind;

	rq->gift.to = NULL;
	if (gift.end <= now || !runq_has(rq, gift.to))
		return NULL;
	if (gift.from && runq_has(rq, gift.from)) {
		list_remove(&gift.from->node);
		behind = gift.to->node.next;
		list_insert_between(&gift.from->node, &gift.to->node, behind);
	}
	gift.to->slice_end = gift.end;
	return gift.to;
}

struct sched_entity *runq_oldest_for(const struct runq *rq, uint32_t cpu)
{
	struct sched_entity *se, *best = NULL;

	list_for_each_entry (se, &rq->queue, node) {
		if (sched_may_run_on(se, cpu) && (!best || se->arrived < best->arrived))
			best = se;
	}
	return best;
}

/* How long its turn is: its slice, less what its VM owes. */
static uint64_t turn_of(const struct sched_entity *se)
{
	uint64_t slice = __atomic_load_n(&se->slice, __ATOMIC_RELAXED);

	if (unlikely(se->payer && __atomic_load_n(&se->payer->debt, __ATOMIC_RELAXED)))
		return slice - payer_pay(se->payer, slice);
	return slice;
}

struct sched_entity *runq_pick(struct runq *rq, uint64_t now)
{
	uint64_t cap_end = DEADLINE_NEVER;
	struct sched_entity *se = NULL;

	if (list_is_empty(&rq->queue))
		return NULL;
	if (unlikely(rq->gift.to))
		se = take_gift(rq, now);
	if (likely(!se)) {
		se = list_entry(rq->queue.next, struct sched_entity, node);
		se->slice_end = now + turn_of(se);
	}
	runq_remove(rq, se);
	sched_set_state(se, SCHED_RUNNING, now);
	se->goes_to = 0;
	if (se->cap_budget) {
		if (now - se->cap_start >= se->cap_period) {
			se->cap_start = now;
			se->cap_left = se->cap_budget;
		}
		cap_end = now + se->cap_left;
	}
	__atomic_store_n(&se->cap_end, cap_end, __ATOMIC_RELAXED);
	return se;
}

uint32_t runq_least_loaded(const struct runq *rqs, uint32_t count, const struct cpumask *affinity)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++) {
		if (!(__atomic_load_n(&affinity->word[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1))
			continue;
		if (best == UINT32_MAX ||
		    __atomic_load_n(&rqs[i].load, __ATOMIC_RELAXED) <
			    __atomic_load_n(&rqs[best].load, __ATOMIC_RELAXED))
			best = i;
	}
	ASSERT(best != UINT32_MAX);
	return best;
}

uint32_t runq_lighter(const struct runq *rqs, uint32_t count, uint32_t self, uint32_t least)
{
	uint32_t own = runq_active(&rqs[self]);

	for (uint32_t i = 1; i < count; i++) {
		uint32_t cpu = (self + i) % count;

		if (runq_active(&rqs[cpu]) + least <= own)
			return cpu;
	}
	return self;
}
