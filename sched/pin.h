/* Where an entity may run, changed while it lives. For sched/ only. */
#ifndef SCHED_PIN_H
#define SCHED_PIN_H

#include "sched/runq.h"

enum pin_effect {
	PIN_STAYS,  /* it is where it may be, or goes there by itself: nobody needs to be told */
	PIN_MOVED,  /* it waits in another pCPU's queue now: an arrival there */
	PIN_LEAVES, /* it runs, and must give way on its pCPU: that one must look */
};

/* Stores the affinity, of which one pCPU of `count` at least is. No lock. */
void pin_store(struct sched_entity *se, const struct cpumask *affinity);

/* Brings `se` to where its affinity permits, whatever its state: a queued or blocked one goes to
 * the least loaded of these pCPUs, a running one's turn ends; of one that has stopped or used up
 * its cap nothing is to be done yet. *cpu: where it is then. Waits for one that another pCPU is
 * just moving. Any pCPU, no run-queue lock held. */
enum pin_effect pin_apply(struct runq *rqs, uint32_t count, struct sched_entity *se, uint64_t now,
			  uint32_t *cpu);

#endif
