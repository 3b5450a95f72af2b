/* The scheduler: one round-robin run queue and one loop per pCPU. An entity has no host stack of
 * its own: its `run` returns to the loop with a verdict, so that a switch is a function return and
 * a call. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "cpu/percpu.h"
#include "sched/runq.h"

/* Prepares this pCPU's queue. On each pCPU before sched_loop, the boot pCPU first. */
void sched_init_cpu(void);

/* The pCPU's life: runs timers, picks, switches, idles. */
void sched_loop(void) __noreturn;

/* Places a new entity on the least loaded pCPU that it may run on, runnable. Any pCPU, no run-queue
 * lock held. */
void sched_start(struct sched_entity *se);

/* Makes the entity look at its requests, which the caller has set before with an atomic
 * read-modify-write: wakes it when it is blocked, interrupts it by IPI when it runs on another pCPU
 * and does not poll, nothing otherwise. Any pCPU; takes run-queue locks. */
void sched_kick(struct sched_entity *se);

/* Called in the interrupt handler of VECTOR_KICK, and when this pCPU puts somebody into its own
 * queue: whoever runs here re-reads its deadlines. Set once. */
void sched_set_kick_hook(void (*hook)(void));
void sched_run_kick_hook(void);

static inline struct runq *sched_this_runq(void)
{
	return this_cpu()->slot[PERCPU_SCHED];
}

/* Does anybody wait for this pCPU? No lock: a later arrival comes with an IPI. */
static inline bool sched_is_waited_for(const struct runq *rq)
{
	return __atomic_load_n(&rq->waiting, __ATOMIC_RELAXED) != 0;
}

/* When the current entity's turn ends, as things stand: TSC time, DEADLINE_NEVER when nobody waits.
 */
static inline uint64_t sched_turn_end(const struct runq *rq, const struct sched_entity *se)
{
	uint64_t slice_end = sched_is_waited_for(rq) ? se->slice_end : DEADLINE_NEVER;

	return MIN(slice_end, __atomic_load_n(&se->cap_end, __ATOMIC_RELAXED));
}

/* Must the current entity give way at `now`? */
static inline bool sched_is_slice_over(const struct runq *rq, const struct sched_entity *se,
				       uint64_t now)
{
	return now >= sched_turn_end(rq, se);
}

/* Directed yield, by the entity that runs here: `target`, if it waits for a pCPU, gets the rest of
 * the caller's turn, next, and the caller its place in the queue; also when that is another pCPU's,
 * if each may run where the other is. All gifts of a chain end when the first turn would have
 * ended. False when the target does not wait, or may not come, or nothing is left of the turn.
 * Takes run-queue locks; the caller's `run` returns SCHED_PREEMPTED soon. */
bool sched_yield_to(struct sched_entity *target);

/* Changes where an entity may run, of which at least one pCPU must be online; one that runs
 * elsewhere gives way and moves (when it has a cap, after the period). Any pCPU, in the scheduler's
 * or an entity's context, no run-queue lock held. */
void sched_set_affinity(struct sched_entity *se, const struct cpumask *affinity);

/* Changes its time slice, from its next turn on. Any pCPU. */
void sched_set_slice(struct sched_entity *se, uint64_t ticks);

/* The queue of pCPU `cpu`, for statistics. */
const struct runq *sched_runq(uint32_t cpu);

#endif
