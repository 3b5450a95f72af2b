/* The watchdog. */
#include "sched/watchdog.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/nmi.h"
#include "cpu/panic.h"
#include "sched/sched.h"

#define DEAD_LIMITS 10u

static uint64_t limit;                  /* (i) TSC ticks; 0: off */
static uint64_t ticks_a_ms;             /* (i) */
static struct watch watches[MAX_PCPUS]; /* the watcher's */

enum watch_action watch_look(struct watch *w, uint64_t progress, bool has_answered, uint64_t now,
			     uint64_t most)
{
	if (progress != w->progress) {
		*w = (struct watch){.progress = progress, .since = now, .acted = now};
		return WATCH_NOTHING;
	}
	if (now - w->acted < most / 2 - most / 8)
		return WATCH_NOTHING;
	switch (w->stage) {
	case WATCH_QUIET:
		w->stage = WATCH_KICKED;
		w->acted = now;
		return WATCH_KICK;
	case WATCH_KICKED:
		if (now - w->since < most)
			return WATCH_NOTHING;
		w->stage = WATCH_PROBED;
		w->acted = now;
		return WATCH_PROBE;
	default:
		if (has_answered)
			return WATCH_STUCK;
		return now - w->since < DEAD_LIMITS * most ? WATCH_NOTHING : WATCH_DEAD;
	}
}

/* Whatever it does changes this. */
static uint64_t progress_of(uint32_t cpu)
{
	const struct runq *rq = sched_runq(cpu);
	const struct sched_entity *se = __atomic_load_n(&rq->current, __ATOMIC_ACQUIRE);
	uint64_t sum = __atomic_load_n(&rq->idle_time, __ATOMIC_RELAXED) +
		       __atomic_load_n(&percpu_get(cpu)->progress, __ATOMIC_RELAXED);

	if (!se)
		return sum;
	sum += (uint64_t)(uintptr_t)se + __atomic_load_n(&se->switches, __ATOMIC_RELAXED);
	return se->ops->progress ? sum + se->ops->progress(se) : sum;
}

static void look_at(uint32_t cpu, uint64_t now)
{
	struct watch *w = &watches[cpu];

	/* Before its loop it is nobody's business. */
	if (!__atomic_load_n(&sched_runq(cpu)->started, __ATOMIC_RELAXED))
		return;
	if (__atomic_load_n(&percpu_get(cpu)->is_in_long_work, __ATOMIC_RELAXED)) {
		w->progress = ~progress_of(cpu); /* whatever comes next is new */
		return;
	}
	switch (watch_look(w, progress_of(cpu), nmi_has_answered(cpu), now, limit)) {
	case WATCH_NOTHING:
		break;
	case WATCH_KICK:
		apic_send_ipi(percpu_get(cpu)->apic_id, VECTOR_KICK);
		break;
	case WATCH_PROBE:
		nmi_probe(cpu);
		break;
	case WATCH_STUCK:
		nmi_panic(cpu, (uint32_t)((now - w->since) / ticks_a_ms));
		break;
	case WATCH_DEAD:
		panic("pCPU %u has been stuck for %llu ms and takes no NMI (watchdog)", cpu,
		      (unsigned long long)((now - w->since) / ticks_a_ms));
	}
}

static void set_next_look(uint64_t now)
{
	this_cpu()->watch_due = now + limit / 2;
	apic_timer_set_latest(this_cpu()->watch_due);
	apic_timer_arm(DEADLINE_NEVER);
}

void watchdog_look(void)
{
	uint64_t now = rdtsc();

	if (this_cpu_id() == 1)
		look_at(0, now);
	else
		for (uint32_t cpu = 1; cpu < percpu_count(); cpu++)
			look_at(cpu, now);
	set_next_look(now);
	/* Whoever had armed the timer for more than this must do so again. */
	sched_run_kick_hook();
}

void watchdog_init(uint64_t ticks, uint64_t hz)
{
	limit = percpu_count() > 1 ? ticks : 0;
	ticks_a_ms = MAX(hz / 1000, 1ull);
	for (unsigned i = 0; i < MAX_PCPUS; i++)
		watches[i].progress = UINT64_MAX; /* the first look finds something new */
}

void watchdog_start_cpu(void)
{
	uint64_t flags;

	if (!limit || this_cpu_id() > 1)
		return;
	flags = irq_save();
	set_next_look(rdtsc());
	irq_restore(flags);
}
