/* The pCPUs' deadline heaps. */
#include "sched/timer.h"

#include "cpu/apic.h"
#include "cpu/panic.h"
#include "sched/sched.h"

/* So that timers re-armed into the past by their own expiry cannot hold a pCPU. */
#define TIMERS_A_RUN 64

struct timer_heap sched_timer_heaps[MAX_PCPUS] = {
	[0 ... MAX_PCPUS - 1] = {.lock = SPINLOCK_INIT(LOCK_TIMERS), .next = DEADLINE_NEVER},
};

static void (*deferred[SCHED_DEFERRED_MAX])(void);
static uint32_t deferred_count; /* (a) */

/* Publishes the nearest deadline; true when it came closer. */
static bool update_next(struct timer_heap *h)
{
	uint64_t next = deadline_next(&h->heap), old = h->next;

	__atomic_store_n(&h->next, next, __ATOMIC_RELEASE);
	return next < old;
}

void sched_timer_init(struct sched_timer *timer,
		      void (*expire)(struct sched_timer *timer, uint64_t now))
{
	*timer = (struct sched_timer){.expire = expire};
}

void sched_timer_arm(struct sched_timer *timer, uint64_t when)
{
	struct timer_heap *h = &sched_timer_heaps[timer->pcpu];
	bool is_closer;

	/* Whether it is armed only its heap's lock can tell. Not armed, it stays so: the owner is
	 * here. */
	spin_lock(&h->lock);
	if (!timer->deadline.is_armed && timer->pcpu != this_cpu_id()) {
		spin_unlock(&h->lock);
		timer->pcpu = this_cpu_id();
		h = &sched_timer_heaps[timer->pcpu];
		spin_lock(&h->lock);
	}
	deadline_arm(&h->heap, &timer->deadline, when);
	is_closer = update_next(h);
	spin_unlock(&h->lock);
	if (is_closer && timer->pcpu != this_cpu_id())
		apic_send_ipi(percpu_get(timer->pcpu)->apic_id, VECTOR_KICK);
}

void sched_timer_cancel(struct sched_timer *timer)
{
	struct timer_heap *h = &sched_timer_heaps[timer->pcpu];

	/* Armed here, it would be taken out here: this pCPU knows without the lock. */
	if (timer->pcpu == this_cpu_id() && !timer->deadline.is_armed)
		return;
	spin_lock(&h->lock);
	deadline_cancel(&h->heap, &timer->deadline);
	update_next(h);
	spin_unlock(&h->lock);
}

void sched_add_deferred(void (*run)(void))
{
	ASSERT(deferred_count < SCHED_DEFERRED_MAX);
	deferred[deferred_count] = run;
	__atomic_store_n(&deferred_count, deferred_count + 1, __ATOMIC_RELEASE);
}

static void run_deferred(void)
{
	uint32_t count = __atomic_load_n(&deferred_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		deferred[i]();
}

void sched_defer(void)
{
	__atomic_store_n(&sched_timer_heaps[this_cpu_id()].is_deferred, true, __ATOMIC_RELEASE);
	sched_run_kick_hook();
}

void sched_expire_timers(uint64_t now)
{
	struct timer_heap *h = &sched_timer_heaps[this_cpu_id()];

	if (unlikely(__atomic_load_n(&h->is_deferred, __ATOMIC_RELAXED)) &&
	    __atomic_exchange_n(&h->is_deferred, false, __ATOMIC_ACQUIRE))
		run_deferred();
	for (unsigned i = 0; i < TIMERS_A_RUN; i++) {
		struct deadline *d;
		struct sched_timer *timer;

		if (__atomic_load_n(&h->next, __ATOMIC_RELAXED) > now)
			return;
		spin_lock(&h->lock);
		d = deadline_pop_expired(&h->heap, now);
		update_next(h);
		spin_unlock(&h->lock);
		if (!d)
			return;
		this_cpu()->timers++;
		timer = container_of(d, struct sched_timer, deadline);
		timer->expire(timer, now);
	}
}
