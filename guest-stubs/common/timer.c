/* A timer that wakes the CPU. */
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/trap.h"

volatile uint64_t timer_ticks, timer_tick_tsc;
static bool has_deadline;

static void tick(struct trap_frame *frame)
{
	(void)frame;
	timer_tick_tsc = rdtsc();
	timer_ticks++;
	apic_eoi();
}

void timer_init(void)
{
	clock_init();
	apic_enable(apic_has_x2apic());
	trap_set(VECTOR_TIMER, tick);
	has_deadline = apic_has_tsc_deadline();
	if (!has_deadline)
		apic_timer_hz();
	apic_write(APIC_LVT_TIMER,
		   VECTOR_TIMER | (has_deadline ? APIC_LVT_TSC_DEADLINE : APIC_LVT_ONE_SHOT));
	/* The SDM: in xAPIC mode a fence keeps the LVT write before the deadline's. */
	__asm__ volatile("mfence" : : : "memory");
}

bool timer_is_exact(void)
{
	return has_deadline;
}

void timer_arm(uint64_t deadline)
{
	uint64_t now, count;

	if (has_deadline) {
		wrmsr(MSR_TSC_DEADLINE, deadline);
		return;
	}
	now = rdtsc();
	/* One count more: the timer must not fire early. */
	count = deadline > now ? clock_tsc_to_ns(deadline - now) * apic_timer_hz() / NS_PER_SEC : 0;
	apic_write(APIC_TMICT, (uint32_t)(count + 1));
}

uint64_t timer_halt_until(uint64_t deadline)
{
	uint64_t before = timer_ticks;

	timer_arm(deadline);
	while (timer_ticks == before)
		irq_enable_and_halt();
	return timer_tick_tsc;
}

void timer_halt_ns(uint64_t ns)
{
	timer_halt_until(rdtsc() + clock_ns_to_tsc(ns));
}
