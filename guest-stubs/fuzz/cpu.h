/* A CPU that executes what nobody would write, and comes back from it: each snippet is entered by
 * IRET with any registers and flags, and left by a fault, an NMI, or a timer. What it has changed
 * of the CPU is put right before the next. */
#ifndef GUEST_STUBS_FUZZ_CPU_H
#define GUEST_STUBS_FUZZ_CPU_H

#define FUZZ_CPUS      4
#define FUZZ_CPU_SIZE  32768 /* of struct fuzz_cpu; it is aligned to that */
#define FUZZ_STACK_TOP 16384 /* of the stack that C runs on, in it */

#ifndef __ASSEMBLER__
#include "guest-stubs/common/trap.h"

/* Selectors; those of stub_gdt come first. */
#define FUZZ_CODE64   0x08
#define FUZZ_DATA     0x10
#define FUZZ_CODE32   0x18
#define FUZZ_CODE16   0x20
#define FUZZ_USER32   0x2b
#define FUZZ_USERDATA 0x33
#define FUZZ_USER64   0x3b
#define FUZZ_TSS      0x40
#define FUZZ_WEIRD    0x50 /* from here on descriptors at random */
#define FUZZ_GDT_SIZE 24

#define FUZZ_WEIRD_GATE 0x80 /* from here on 16 gates at random */

struct fuzz_cpu {
	uint8_t stack[FUZZ_STACK_TOP];
	uint8_t ist[3][4096];
	uint32_t index;
	uint64_t random;
	uint64_t cr0, cr3, cr4, efer, xcr0, apic_base; /* as they have to be */
	uint64_t gdt[FUZZ_GDT_SIZE];
	uint8_t tss[104] __aligned(16);
	uint64_t ops, faults, taken_back, interrupts;
	uint64_t watched_op, watched; /* the op that the last ticks found, how many found it */
} __aligned(FUZZ_CPU_SIZE);

extern struct fuzz_cpu fuzz_cpus[FUZZ_CPUS];

/* Once, on the first CPU: interrupts, watchdog, and `count` CPUs that call work(cpu) for ever,
 * from its beginning again whenever one is started anew. */
void fuzz_start(uint64_t seed, unsigned count, void (*work)(struct fuzz_cpu *cpu));
unsigned fuzz_count(void);

/* Executes from frame->rip on, until something brings it back: to the next call of work. */
void __noreturn fuzz_run(struct fuzz_cpu *cpu, struct trap_frame *frame);

/* Sets the watchdog's timers up again: a snippet may have changed them. */
void fuzz_watch(struct fuzz_cpu *cpu);

/* Random numbers, below `n`, and true once in `n` times. */
uint64_t fuzz_random(struct fuzz_cpu *cpu);
uint64_t fuzz_below(struct fuzz_cpu *cpu, uint64_t n);
bool fuzz_once_in(struct fuzz_cpu *cpu, uint64_t n);

#define FUZZ_PICK(cpu, array) ((array)[fuzz_below(cpu, ARRAY_SIZE(array))])

/* Where a SIPI lets a CPU begin (the trampoline's page); and its code again, if
 * something has written there. */
#define FUZZ_TRAMPOLINE 0x10000ull
void fuzz_put_trampoline(void);
#endif

#endif
