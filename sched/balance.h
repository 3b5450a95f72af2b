/* Between the pCPUs: an idle one pulls from those where somebody waits, and where the numbers do
 * not come out even the odd one goes round. For sched/ only. */
#ifndef SCHED_BALANCE_H
#define SCHED_BALANCE_H

#include "sched/runq.h"

/* Slices between two looks at the other queues. */
#define BALANCE_SLICES 4

/* `se`, in no queue or held by the lock of `from`, counts at `to` from now on, and belongs there.
 */
void balance_count_move(struct runq *from, struct runq *to, struct sched_entity *se, uint64_t now);

/* Takes `se` out of the queue of `from` for `to`: it counts there from now on, and is in no queue
 * yet. from->lock held. */
void balance_take(struct runq *from, struct runq *to, struct sched_entity *se, uint64_t now);

/* Takes a waiting entity that may run here from another pCPU's queue; it is RUNNABLE, in no queue,
 * and counts here from now on. NULL when there is none. No lock held. */
struct sched_entity *balance_pull(struct runq *rqs, uint32_t count, struct runq *rq, uint64_t now);

/* The slice of `se`, RUNNABLE and in no queue, is over on `rq`. Where does the next turn of whom
 * take place? Moves an entity to a lighter pCPU when that is due: the one that has been here
 * longest, `se` or a waiting one. The number of the pCPU that has got one, to be told of it, or
 * that of `rq`; *stays: `se` has not been moved, and is still the caller's to put somewhere. No
 * lock held. */
uint32_t balance_push(struct runq *rqs, uint32_t count, struct runq *rq, struct sched_entity *se,
		      uint64_t now, bool *stays);

#endif
