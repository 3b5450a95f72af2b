/* A pCPU that is stuck in the hypervisor is found by another. What it does anyway tells that it is
 * not: turns, exits, the end of a halt; so its own work costs nothing. pCPU 0 watches all others,
 * and pCPU 1 watches pCPU 0; alone a pCPU is not watched. */
#ifndef SCHED_WATCHDOG_H
#define SCHED_WATCHDOG_H

#include "cpu/insn.h"
#include "cpu/percpu.h"

/* How far a look at a pCPU has come. */
struct watch {
	uint64_t progress; /* as it was seen last */
	uint64_t since;    /* TSC time when that was new */
	uint64_t acted;    /* TSC time of the last step below */
	enum { WATCH_QUIET, WATCH_KICKED, WATCH_PROBED } stage;
};

/* What to do about it. */
enum watch_action {
	WATCH_NOTHING,
	WATCH_KICK,  /* an interrupt: in a guest it exits, in a halt it wakes; that is progress */
	WATCH_PROBE, /* an NMI: is it there at all? */
	WATCH_STUCK, /* it is, and does not get on */
	WATCH_DEAD,  /* it takes no NMI */
};

/* One look at `now`: twice in `limit` ticks, or less often. Each step leaves the pCPU about half of
 * that. `has_answered` counts after WATCH_PROBE. A pCPU that its own host does not run takes no NMI
 * until it does: only after ten times `limit` is it dead. Pure. */
enum watch_action watch_look(struct watch *watch, uint64_t progress, bool has_answered,
			     uint64_t now, uint64_t limit);

/* Begins, `limit` TSC ticks being too long; 0: never. On the boot pCPU before its loop, and on each
 * other as it enters its own. `hz` turns ticks into what is told. */
void watchdog_init(uint64_t limit, uint64_t hz);
void watchdog_start_cpu(void);

/* From the handler of VECTOR_TIMER: is it time for this pCPU, `cpu`, to look? Then it does. The
 * pCPU's timers need not know, and a guest has no deadline for it: outside of a halt only the
 * watchdog arms the LAPIC timer, or who has no preemption timer, and is told. */
static inline bool watchdog_is_due(const struct percpu *cpu)
{
	return unlikely(cpu->watch_due) && rdtsc() >= cpu->watch_due;
}
void watchdog_look(void);

#endif
