/* Timers of a pCPU: a deadline heap each. While a guest runs its entry code watches
 * sched_next_deadline(); an idle pCPU arms the LAPIC timer for it. */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "cpu/percpu.h"
#include "lib/deadline.h"
#include "lib/spinlock.h"
#include "sched/payer.h"

struct sched_timer {
	struct deadline deadline; /* under the LOCK_TIMERS of `pcpu` */
	/* (a) in whose heap it is, while armed; changed by sched_timer_arm only, under the lock of
	 * the heap where it was */
	uint32_t pcpu;
	uint32_t slot_pcpu;        /* (a) where `slot` counts */
	uint64_t slot;             /* (a) TSC time that is set aside for it; 0: none */
	struct sched_payer *payer; /* whose work it does; NULL: the hypervisor's. While not armed,
				      its owner may set it */
	/* On that pCPU, in the scheduler's or an entity's context, interrupts on, no lock held. */
	void (*expire)(struct sched_timer *timer, uint64_t now);
};

void sched_timer_init(struct sched_timer *timer,
		      void (*expire)(struct sched_timer *timer, uint64_t now));

/* Arms (or moves) it to TSC time `when`: on this pCPU when it was not armed, else where it is; that
 * pCPU is told when its nearest deadline comes closer. The owner serialises calls for one timer. */
void sched_timer_arm(struct sched_timer *timer, uint64_t when);

/* The same, but to this pCPU, wherever it is armed: whoever runs there is not interrupted for it.
 */
void sched_timer_arm_here(struct sched_timer *timer, uint64_t when);

/* From its `expire`, which need not be serialised with its owner's calls for this: it comes once
 * more here at `when`, unless somebody has armed it meanwhile. */
void sched_timer_retry(struct sched_timer *timer, uint64_t when);

/* From its `expire`: when may the work be done for its payer? Not later than `now` in that VM's own
 * turn, when nobody wants this pCPU, or within its budget for others' work; else at the time that
 * is returned, at which it is to be tried again. */
uint64_t sched_timer_may_work_at(struct sched_timer *timer, uint64_t now);

/* Is this pCPU in a turn of that VM's? Then it may wait for the VM's locks. */
bool sched_is_turn_of(const struct sched_payer *payer);

/* For whom this pCPU works now: whose timer expires, or whose turn it is. NULL: for nobody. */
struct sched_payer *sched_this_payer(void);

/* Afterwards it is not in a heap; an `expire` that has begun elsewhere may still run: the owner's
 * lock and state must tell it that it is out of date. */
void sched_timer_cancel(struct sched_timer *timer);

/* A pCPU's own. */
struct timer_heap {
	struct spinlock lock;
	struct deadline_heap heap;   /* under lock */
	uint64_t next;               /* under lock written, (a) read: heap's nearest */
	bool is_deferred;            /* (a) sched_defer's */
	struct sched_budget budget;  /* (o) for others' work */
	struct sched_payer *working; /* (o) whose timer expires now; NULL: none of a VM's */
	uint64_t prepaid;            /* (o) its work was taken out of the budget in advance */
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

/* BUDGET_BURST_NS, BUDGET_PIECE_NS and BUDGET_EXIT_NS in ticks. Boot pCPU, before any loop. */
void sched_set_budget(uint64_t burst, uint64_t piece, uint64_t exit);

/* Expires what is due at `now` on this pCPU: at most a bounded number a call, and no further one
 * after the end of the turn. What is done for others than the current entity's VM is lent
 * (sched_lend) and charged to its payer. */
void sched_expire_timers(uint64_t now);
static inline void sched_run_timers(uint64_t now)
{
	if (unlikely(sched_next_deadline() <= now))
		sched_expire_timers(now);
}

#endif
