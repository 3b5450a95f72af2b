/* The per-CPU block. A seam: freestanding it is reached through GS, hosted it is thread-local, so
 * that tests run threads as pCPUs. */
#ifndef CPU_PERCPU_H
#define CPU_PERCPU_H

#include "lib/trace.h"
#include "lib/types.h"

/* What the layers above cpu/ keep for each pCPU; each owns one slot. */
enum percpu_slot { PERCPU_SCHED, PERCPU_VMX, PERCPU_SLOTS };

struct percpu_arch; /* stacks, GDT, TSS: cpu/percpu.c's own */

struct percpu {
	struct percpu *self;        /* (i) at GS:0 */
	uint32_t id;                /* (i) 0 is the boot CPU; dense */
	uint32_t apic_id;           /* (i) */
	void *slot[PERCPU_SLOTS];   /* (i) after the owner's init on that pCPU */
	struct percpu_arch *arch;   /* (i) */
	uint64_t tsc_offset_to_bsp; /* (i) to be added to this TSC; 0 when synchronous */
	/* (o) From here on a cache line that others do not read all the time, as they do apic_id.
	 */
	uint64_t irq_count __aligned(CACHE_LINE);
	uint64_t ipi_sent;       /* (o) */
	uint64_t ipi_taken;      /* (o) */
	uint64_t timer_irqs;     /* (o) */
	uint64_t timers;         /* (o) sched_timers that have expired here */
	struct trace_ring trace; /* (o) but for its start: monitor/tracing.c */
	uint64_t nmi_count;      /* (o) */
	/* (o) debug builds: ranks of the locks held, one bit each. */
	uint32_t lock_ranks_held;
	uint64_t watch_due;   /* (o) TSC time of the watchdog's next look from here; 0: none */
	uint64_t progress;    /* (o) written: pieces of long work; for the watchdog */
	bool is_in_long_work; /* (o) written, (a) read: the watchdog looks away */
	bool is_online;       /* (a) */
} __aligned(CACHE_LINE);

#if __STDC_HOSTED__
/* The fake's (tests/unit/fakes/percpu.c): thread-local. */
struct percpu *this_cpu(void);
#else
/* The pCPU that executes this. Stable only while interrupts are off or in pCPU-bound code, which
 * all hypervisor code is: nothing in Carousel migrates but vCPUs. */
static inline struct percpu *this_cpu(void)
{
	struct percpu *cpu;

	__asm__("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}
#endif

/* For the watchdog (sched/watchdog.h): a piece of work is done that, with others, may take long; or
 * work begins, or ends, that takes long at once. */
static inline void percpu_note_progress(void)
{
	struct percpu *cpu = this_cpu();

	__atomic_store_n(&cpu->progress, cpu->progress + 1, __ATOMIC_RELAXED);
}

static inline void percpu_set_long_work(bool is_long)
{
	__atomic_store_n(&this_cpu()->is_in_long_work, is_long, __ATOMIC_RELAXED);
}

static inline uint32_t this_cpu_id(void)
{
	return this_cpu()->id;
}

/* The pCPU with this number, or NULL. Any pCPU. */
struct percpu *percpu_get(uint32_t id);

/* How many pCPUs are online; their ids are 0 .. count-1. */
uint32_t percpu_count(void);

#endif
