/* Timers of a pCPU: a deadline heap each. While a guest runs its entry code watches
 * sched_next_deadline(); an idle pCPU arms the LAPIC timer for it. */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "cpu/percpu.h"
#include "lib/deadline.h"
#include "lib/spinlock.h"

struct sched_timer {
	struct deadline deadline; /* under the LOCK_TIMERS of `pcpu` */
	uint32_t pcpu; /* in whose heap it is, while armed; changed by sched_timer_arm only */
	/* On that pCPU, in the scheduler's or an entity's context, interrupts on, no lock held. */
	void (*expire)(struct sched_timer *timer, uint64_t now);
};

void sched_timer_init(struct sched_timer *timer,
		      void (*expire)(struct sched_timer *timer, uint64_t now));

/* Arms (or moves) it to TSC time `when`: on this pCPU when it was not armed, else where it is; that
 * pCPU is told when its nearest deadline comes closer. The owner serialises calls for one timer. */
void sched_timer_arm(struct sched_timer *timer, uint64_t when);

/* Afterwards it is not in a heap; an `expire` that has begun elsewhere may still run: the owner's
 * lock and state must tell it that it is out of date. */
void sched_timer_cancel(struct sched_timer *timer);

/* A pCPU's own. */
struct timer_heap {
	struct spinlock lock;
	struct deadline_heap heap; /* under lock */
	uint64_t next;             /* under lock written, (a) read: heap's nearest */
	bool is_deferred;          /* (a) sched_defer's */
} __aligned(CACHE_LINE);
extern struct timer_heap sched_timer_heaps[MAX_PCPUS];

/* Of this pCPU: its nearest deadline (TSC time, DEADLINE_NEVER if none, 0 for what was deferred),
 * without a lock: exact for what this pCPU armed, and re-read after a VECTOR_KICK for what others
 * did. */
static inline uint64_t sched_next_deadline(void)
{
	const struct timer_heap *h = &sched_timer_heaps[this_cpu_id()];

	if (unlikely(__atomic_load_n(&h->is_deferred, __ATOMIC_RELAXED)))
		return 0;
	return __atomic_load_n(&h->next, __ATOMIC_RELAXED);
}

/* Interrupt handlers do no work that takes locks: sched_defer makes the deferred functions run
 * soon on this pCPU, in the context of sched_run_timers; callable in interrupt handlers. Added at
 * boot, by the boot pCPU, at most SCHED_DEFERRED_MAX; each looks whether there is something for it.
 */
#define SCHED_DEFERRED_MAX 4u
void sched_add_deferred(void (*run)(void));
void sched_defer(void);

/* Expires what is due at `now` on this pCPU. At most a bounded number a call. */
void sched_expire_timers(uint64_t now);
static inline void sched_run_timers(uint64_t now)
{
	if (unlikely(sched_next_deadline() <= now))
		sched_expire_timers(now);
}

#endif
