/* A schedulable entity and the round-robin run queue of a pCPU. Pure: time and pCPU numbers come in
 * as arguments.
 *
 * Legend: (i) immutable after creation, (o) the pCPU it runs on, (q) under the lock of the run
 * queue of se->pcpu, (a) atomic. */
#ifndef SCHED_RUNQ_H
#define SCHED_RUNQ_H

#include "lib/cpumask.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include "lib/types.h"
#include "sched/timer.h"

/* The wake-ups' log2 histogram: bucket n holds [2^n, 2^(n+1)) ticks, bucket 0 also 0, the last one
 * all that is more. */
#define SCHED_WAKE_BUCKETS 40

enum sched_state {
	SCHED_STOPPED,  /* not started yet, or ended: on no queue, never woken */
	SCHED_RUNNABLE, /* waits in a run queue */
	SCHED_RUNNING,  /* is its pCPU's current */
	SCHED_BLOCKED,  /* halted: waits for a wake-up */
	SCHED_LENT, /* of RUNNING, what was used for others' work (sched_lend): never its state */
	SCHED_STATES
};

/* What `run` says when it gives the pCPU back. */
enum sched_verdict {
	SCHED_PREEMPTED, /* its slice is over, or it gave way: still runnable */
	SCHED_WAIT,      /* it waits for an event */
	SCHED_ENDED,     /* it never runs again */
};

struct sched_entity;

/* What the scheduler asks of the thing it schedules. All on the entity's pCPU, interrupts on, no
 * lock held, but for is_woken. */
struct sched_ops {
	/* Runs until it has a verdict. Gives way when sched_is_slice_over(). */
	enum sched_verdict (*run)(struct sched_entity *se);
	/* Before `run`, and after it: state into the pCPU and out of it. */
	void (*switch_in)(struct sched_entity *se);
	void (*switch_out)(struct sched_entity *se);
	/* Has a wake-up come? Any pCPU, run-queue lock held: must not take a lock. */
	bool (*is_woken)(struct sched_entity *se);
	/* What changes when it gets on while it runs; NULL: nothing. Any pCPU, for the watchdog. */
	uint64_t (*progress)(const struct sched_entity *se);
};

struct sched_entity {
	const struct sched_ops *ops; /* (i) */
	struct list node;            /* (q) in the queue while RUNNABLE and not throttled */
	uint32_t state;              /* (q) written; (a) read */
	uint16_t id;                 /* (i) in traces; 0: none */
	struct sched_payer *payer;   /* (i) its VM's account, before sched_start; NULL: none */
	uint32_t pcpu;               /* (q) written; (a) read: where it runs, waits or ran last */
	bool is_polling;             /* (a) halt polling: it sees a request without an IPI */
	struct cpumask affinity;     /* (a) the pCPUs that it may run on: see sched_may_run_on */
	uint64_t slice;              /* (a) TSC ticks */
	uint64_t slice_end;          /* (o) TSC time */
	uint64_t arrived;            /* (q) TSC time when it came to this pCPU */
	uint64_t moves;              /* (q) times it went to another pCPU */
	/* (o) since a directed yield in this turn: the pCPU where it goes for the target, plus 1 */
	uint32_t goes_to;

	/* cap=: at most `cap_budget` ticks of running in every `cap_period`; 0: no cap. */
	uint64_t cap_period, cap_budget; /* (i) */
	uint64_t cap_start;              /* (o) TSC time when the current period began */
	uint64_t cap_left; /* (o) ticks of its budget that are left, when not RUNNING */
	/* (o) TSC time, while RUNNING; DEADLINE_NEVER without a cap; 0: it must leave this pCPU */
	uint64_t cap_end;
	struct sched_timer cap_timer; /* brings it back to the queue when the period is over */

	uint64_t created;            /* (i) TSC time of sched_entity_init */
	uint64_t since;              /* (q) when the state began */
	uint64_t time[SCHED_STATES]; /* (q) TSC ticks spent in each state before `since` */
	uint64_t switches;           /* (o) times it was switched in */
	uint64_t wakes;              /* (q) */
	uint64_t woken_at;           /* (q) TSC time of the wake-up that is under way; 0: none */
	/* (o) how long it took from the wake-up until it was switched in. */
	uint64_t wake_hist[SCHED_WAKE_BUCKETS];
};

/* What a directed yield has given away: the rest of a turn. */
struct runq_gift {
	struct sched_entity *to;   /* NULL: nothing */
	struct sched_entity *from; /* gets its place in the queue; NULL: nobody */
	uint64_t end;              /* when that turn ends, TSC time */
};

struct runq {
	struct spinlock lock;
	struct list queue;            /* (q) */
	uint32_t waiting;             /* (q) written, (a) read: entities in `queue` */
	uint32_t load;                /* (a) entities placed here and not stopped */
	struct sched_entity *current; /* (q) written, (a) read: NULL between two */
	struct runq_gift gift;        /* (q) until the next pick */
	uint32_t pcpu;                /* (i) */
	uint64_t balanced_at;         /* (o) TSC time of the last look at the other queues */
	uint64_t pulls, pushes;       /* (o) entities taken from and given to other pCPUs */
	uint64_t idle_time;           /* (o) TSC ticks halted with nothing to run, but for now */
	uint64_t idle_since;          /* (o) TSC time since when it halts; 0: it does not */
	uint64_t started;             /* (a) TSC time when the loop began; written once */
};

void runq_init(struct runq *rq, uint32_t pcpu);

void sched_entity_init(struct sched_entity *se, const struct sched_ops *ops,
		       const struct cpumask *affinity, uint64_t slice, uint64_t now);

/* Any pCPU: what it says may be out of date, unless the caller keeps the entity where it is. */
static inline bool sched_may_run_on(const struct sched_entity *se, uint32_t cpu)
{
	return __atomic_load_n(&se->affinity.word[cpu / 64], __ATOMIC_RELAXED) >> (cpu % 64) & 1;
}

/* The only place where a state changes. Closes the old state's time and opens the new one's with
 * one stamp; asserts that the arrow is legal: STOPPED -> RUNNABLE -> RUNNING -> RUNNABLE | BLOCKED
 * | STOPPED;  BLOCKED -> RUNNABLE | STOPPED; RUNNABLE -> STOPPED. Run-queue lock held. */
void sched_set_state(struct sched_entity *se, enum sched_state state, uint64_t now);

/* `cost` ticks, up to now, were used on its pCPU for others' work, while it was the current one:
 * they are no running time of its own, and its turn ends so much later. Its pCPU. */
void sched_lend(struct sched_entity *se, uint64_t cost);

/* The time in `state` up to `now`, the open period included. Run-queue lock held, or the entity
 * stopped. */
uint64_t sched_time_in(const struct sched_entity *se, enum sched_state state, uint64_t now);

/* To the tail. RUNNABLE already; not in a queue. Lock held. */
void runq_insert(struct runq *rq, struct sched_entity *se, uint64_t now);

/* The same for one that becomes RUNNABLE here. */
void runq_enqueue(struct runq *rq, struct sched_entity *se, uint64_t now);

/* Takes one out of the queue. Lock held. */
void runq_remove(struct runq *rq, struct sched_entity *se);

/* Is it in this queue? Lock held. */
static inline bool runq_has(const struct runq *rq, const struct sched_entity *se)
{
	/* Whoever moves it sets its pCPU before it puts it into another queue: seen in a queue, and
	 * then still here, it is in this one, whose lock keeps it. */
	return !list_is_empty(&se->node) &&
	       __atomic_load_n(&se->pcpu, __ATOMIC_ACQUIRE) == rq->pcpu &&
	       __atomic_load_n(&se->state, __ATOMIC_ACQUIRE) == SCHED_RUNNABLE;
}

/* Directed yield: `to`, in this queue, is picked next, for what is left of the turn of `from`,
 * which ends at TSC time `end`; if by then nothing is left, nothing is given. The two change
 * places: a gift costs `to` none of its own turns, and whoever waits besides waits no longer for
 * it. `from` may be NULL. Lock held. */
void runq_give(struct runq *rq, struct sched_entity *to, struct sched_entity *from, uint64_t end);

/* The one in the queue that may run on pCPU `cpu` and has been here longest; NULL when there is
 * none. Lock held. */
struct sched_entity *runq_oldest_for(const struct runq *rq, uint32_t cpu);

/* How many want this pCPU now: in the queue, and on it. No lock: a hint. */
static inline uint32_t runq_active(const struct runq *rq)
{
	return __atomic_load_n(&rq->waiting, __ATOMIC_RELAXED) +
	       (__atomic_load_n(&rq->current, __ATOMIC_RELAXED) != NULL);
}

/* How long it has halted with nothing to run, up to `now`. A hint while its pCPU runs. */
static inline uint64_t runq_idle_time(const struct runq *rq, uint64_t now)
{
	uint64_t since = __atomic_load_n(&rq->idle_since, __ATOMIC_RELAXED);

	return rq->idle_time + (since && since < now ? now - since : 0);
}

/* The pCPU of `count`, other than `self`, that should get one of self's entities: it has fewer that
 * want it now; the first such one behind `self` in a circle. `self` when there is none. `least` is
 * the smallest difference that counts. */
uint32_t runq_lighter(const struct runq *rqs, uint32_t count, uint32_t self, uint32_t least);

/* The head, made RUNNING with a fresh slice, or whoever has been given the rest of a turn; NULL
 * when the queue is empty. Lock held. */
struct sched_entity *runq_pick(struct runq *rq, uint64_t now);

/* The allowed pCPU of `count` with the least load, the lowest number among equals. `affinity`
 * allows at least one of them. */
uint32_t runq_least_loaded(const struct runq *rqs, uint32_t count, const struct cpumask *affinity);

#endif
