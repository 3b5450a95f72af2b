/* More CPUs: started by INIT and SIPI, they halt until they are given something to do. */
#ifndef GUEST_STUBS_COMMON_SMP_H
#define GUEST_STUBS_COMMON_SMP_H

#include "guest-stubs/common/smp_stack.h"
#include "guest-stubs/common/stub.h"

#define SMP_CPUS_MAX 16
#define VECTOR_WORK  0xe8

/* Starts the CPUs with APIC IDs 1 .. count - 1. The first CPU's local APIC is enabled already; the
 * others get the same mode. Ends the stub when one does not come. */
void smp_start(unsigned count);

/* Starts one that runs already anew: INIT ends what it does, be it its HLT, and it is idle. */
void smp_restart(unsigned cpu);

/* How many CPUs run, the first included. */
unsigned smp_count(void);

/* Has CPU `cpu` call `work(arg)`, with interrupts off, and goes on. It must be idle. */
void smp_run(unsigned cpu, void (*work)(uint64_t arg), uint64_t arg);

/* Is it idle again? And: waits until it is. */
bool smp_is_idle(unsigned cpu);
void smp_wait(unsigned cpu);

/* Both. */
void smp_call(unsigned cpu, void (*work)(uint64_t arg), uint64_t arg);

/* For those that start CPUs themselves: puts the trampoline into a page below 1 MiB, from where a
 * CPU comes to `target` in long mode. */
void smp_put_trampoline(uint64_t page, void (*target)(void));

/* Such a target: calls smp_many_entry on a stack of its own, with interrupts off and the CS that
 * the SIPI has set. smp_stacks_taken is to be 0 before. */
void smp_start_many(void);
extern void (*smp_many_entry)(uint32_t cs);
extern uint32_t smp_stacks_taken;

#endif
