/* The instructions of the unit tests. */
#include <cpuid.h>
#include <sched.h>
#include <time.h>

#include "fakes/insn.h"
#include "fakes/interrupts.h"

#define RFLAGS_IF BIT(9)

static uint64_t tsc;        /* (a) */
static uint64_t tsc_step;   /* (a) */
static bool is_tsc_a_clock; /* (a) */
static const struct fake_cpuid *cpuid_table;
static size_t cpuid_count;
static _Thread_local bool is_irq_disabled;

void fake_tsc_set(uint64_t value)
{
	__atomic_store_n(&is_tsc_a_clock, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&tsc, value, __ATOMIC_SEQ_CST);
	__atomic_store_n(&tsc_step, 0, __ATOMIC_SEQ_CST);
}

void fake_tsc_set_step(uint64_t ticks)
{
	__atomic_store_n(&tsc_step, ticks, __ATOMIC_SEQ_CST);
}

void fake_tsc_advance(uint64_t ticks)
{
	__atomic_fetch_add(&tsc, ticks, __ATOMIC_SEQ_CST);
}

void fake_tsc_use_clock(void)
{
	__atomic_store_n(&is_tsc_a_clock, true, __ATOMIC_SEQ_CST);
}

bool fake_tsc_is_clock(void)
{
	return __atomic_load_n(&is_tsc_a_clock, __ATOMIC_SEQ_CST);
}

uint64_t rdtsc(void)
{
	struct timespec now;

	if (!fake_tsc_is_clock())
		return __atomic_fetch_add(&tsc, __atomic_load_n(&tsc_step, __ATOMIC_SEQ_CST),
					  __ATOMIC_SEQ_CST);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fake_cpuid_set(const struct fake_cpuid *table, size_t count)
{
	cpuid_table = table;
	cpuid_count = count;
}

struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = {0};

	if (!cpuid_table) {
		__cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
		return r;
	}
	for (size_t i = 0; i < cpuid_count; i++)
		if (cpuid_table[i].leaf == leaf && cpuid_table[i].subleaf == subleaf)
			return cpuid_table[i].regs;
	return r;
}

uint64_t irq_save(void)
{
	uint64_t flags = is_irq_disabled ? 0 : RFLAGS_IF;

	irq_disable();
	return flags;
}

void irq_restore(uint64_t flags)
{
	if (flags & RFLAGS_IF)
		irq_enable();
}

void irq_disable(void)
{
	bool was_disabled = is_irq_disabled;

	/* What comes just before finds interrupts on: a moment for other threads to send it. */
	if (!was_disabled && fake_tsc_is_clock())
		sched_yield();
	is_irq_disabled = true;
	if (!was_disabled)
		fake_interrupts_take();
}

void irq_enable(void)
{
	/* The handlers run with interrupts off. */
	is_irq_disabled = true;
	fake_interrupts_take();
	is_irq_disabled = false;
}

void irq_enable_and_halt(void)
{
	fake_interrupts_halt();
	irq_enable();
	is_irq_disabled = true;
}

bool irq_is_enabled(void)
{
	return !is_irq_disabled;
}

bool fake_irq_is_enabled(void)
{
	return !is_irq_disabled;
}

/* A pCPU that waits lets another thread go on: there may be more threads than CPUs. */
void cpu_relax(void)
{
	sched_yield();
}

static uint64_t drng_next;
static unsigned drng_failures;

void fake_drng_set(uint64_t first, unsigned failures)
{
	drng_next = first;
	drng_failures = failures;
}

bool rdrand(uint64_t *value)
{
	*value = 0;
	if (drng_failures) {
		drng_failures--;
		return false;
	}
	*value = drng_next++;
	return true;
}

bool rdseed(uint64_t *value)
{
	return rdrand(value);
}
