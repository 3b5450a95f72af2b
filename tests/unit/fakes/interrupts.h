/* The host's interrupts in the unit tests: cpu/apic.h's IPIs and timer, and cpu/trap.h's handlers,
 * for threads that are pCPUs. An interrupt waits until its pCPU's interrupt flag is on, and then
 * until the thread comes to irq_enable(), irq_restore(), irq_enable_and_halt(), irq_disable() (just
 * before it) or irq_save(). */
#ifndef FAKES_INTERRUPTS_H
#define FAKES_INTERRUPTS_H

#include "lib/types.h"

/* No interrupt waits anywhere, no timer runs, no handler is registered, nothing is counted. No
 * other thread may be a pCPU. */
void fake_interrupts_reset(void);

/* Calls fn, which never returns, as the life of the calling thread's pCPU; returns when that halts
 * and nothing can wake it any more: with a TSC that the test sets, when no interrupt waits and its
 * timer is off (an armed one moves the TSC to its time instead); with a TSC that is a clock, when
 * it has nothing to do after fake_pcpus_stop(). */
void fake_pcpu_run(void (*fn)(void));
void fake_pcpus_stop(void);

/* Waits, on a TSC that is a clock, for an interrupt or until `deadline`, as a guest would run until
 * then. The interrupt stays for irq_enable(). */
void fake_interrupts_wait(uint64_t deadline);

/* What was sent to pCPU `cpu` since the reset. */
uint64_t fake_ipi_count(uint32_t cpu, uint8_t vector);

/* What pCPU `cpu`'s timer is armed for, or DEADLINE_NEVER. */
uint64_t fake_apic_timer(uint32_t cpu);

/* What was asked of a pCPU by NMI; `answers` is whether it gives a sign of life. */
struct fake_nmi {
	uint32_t probes, stuck_ms;
	bool answers, is_silent;
};
struct fake_nmi *fake_nmi(uint32_t cpu);

/* For fakes/insn.c: the halt itself, and the handlers of what waits. */
void fake_interrupts_halt(void);
void fake_interrupts_take(void);

#endif
