/* Instructions of the unit tests: time, CPUID and the interrupt flag as the test wants them. */
#ifndef FAKES_INSN_H
#define FAKES_INSN_H

#include "cpu/insn.h"

struct fake_cpuid {
	uint32_t leaf, subleaf;
	struct cpuid_regs regs;
};

/* From now on rdtsc() gives `tsc`, on all threads; the default is 0. */
void fake_tsc_set(uint64_t tsc);
void fake_tsc_advance(uint64_t ticks);

/* From now on each rdtsc() also moves the TSC by `ticks`, for code that watches time go by. Until
 * fake_tsc_set. */
void fake_tsc_set_step(uint64_t ticks);

/* From now on rdtsc() gives the host's monotonic clock: a TSC of 1 GHz. */
void fake_tsc_use_clock(void);
bool fake_tsc_is_clock(void);

/* From now on cpuid() gives what stands in `table`, and zeros for what does not; NULL (the
 * default): the host's own answers. The table stays the caller's. */
void fake_cpuid_set(const struct fake_cpuid *table, size_t count);

/* The calling thread's interrupt flag; on at the thread's start. Where it is set, interrupts that
 * wait (fakes/interrupts.h) come. */
bool fake_irq_is_enabled(void);

/* From now on rdrand() and rdseed() fail so many times, and then give `first` and the numbers after
 * it. */
void fake_drng_set(uint64_t first, unsigned failures);

#endif
