/* How boot/ brings a pCPU up: its block, tables and stacks. Nobody else calls these. */
#ifndef CPU_INIT_H
#define CPU_INIT_H

#include "cpu/desc.h"
#include "cpu/percpu.h"

/* Stack tops (highest address). */
struct percpu_stacks {
	void *main;
	void *ist[IST_COUNT]; /* [IST_NONE] is not used */
};

/* Makes the boot CPU number 0, online, and loads its tables. First thing in C; its interrupt stack
 * is a small one in the image until percpu_set_stacks. Its main stack is the caller's, `stack_top`.
 */
void percpu_init_boot(void *stack_top);

/* The block that the next pCPU gets: its number is percpu_count(), which does not change before
 * percpu_set_online. NULL when MAX_PCPUS are online. On the boot CPU. */
struct percpu *percpu_prepare(uint32_t apic_id);

/* Before the pCPU loads its tables, or on itself outside of any interrupt. */
void percpu_set_stacks(struct percpu *cpu, const struct percpu_stacks *stacks);

/* Loads GDT, TSS and GS base of the pCPU that executes it. */
void percpu_load(struct percpu *cpu);

/* The pCPU counts from here on. On itself, while the boot CPU waits for it. */
void percpu_set_online(struct percpu *cpu);

/* The bounds of this pCPU's stack that `address` lies in or, when it has overflowed, in the page
 * below. For the backtrace. */
bool __must_check percpu_find_stack(uint64_t address, uint64_t *bottom, uint64_t *top);

/* Registers ipi_call's interrupt. Once, before the second pCPU runs. */
void ipi_init(uint64_t tsc_hz);

/* Debug builds: checks from here on that locks are taken by ascending rank, and those marked 'irq'
 * with interrupts off (cpu/lockdep.c). Before a second pCPU runs. */
void lockdep_init(void);

#endif
