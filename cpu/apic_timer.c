/* The local APIC's timer as a one-shot alarm at a TSC time: in TSC-deadline mode where the CPU has
 * it, otherwise by counting ('APIC Timer'). */
#include "cpu/apic.h"
#include "cpu/apic_regs.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "lib/deadline.h"
#include "lib/tsc.h"

#define CPUID_1_ECX_TSC_DEADLINE BIT(24)
#define CALIBRATION_HZ           100 /* one hundredth of a second */

static bool has_tsc_deadline; /* (i) after the boot CPU's apic_init */
/* (i) after apic_timer_calibrate: the timer counts `timer_hz` in a second, the TSC `tsc_hz`. */
static uint64_t timer_hz, tsc_hz;

/* (o) What each pCPU's timer is armed for. */
static struct {
	uint64_t when;
	uint64_t latest; /* it is never armed for later than this */
} __aligned(CACHE_LINE) armed[MAX_PCPUS];

void apic_timer_init(void)
{
	if (this_cpu_id() == 0)
		has_tsc_deadline = cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE;
	armed[this_cpu_id()].when = armed[this_cpu_id()].latest = DEADLINE_NEVER;
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, (has_tsc_deadline ? APIC_LVT_TSC_DEADLINE : 0) | VECTOR_TIMER);
	if (has_tsc_deadline) {
		/* 'TSC-Deadline Mode': the LVT write must be done before the first MSR write. */
		fence_before_x2apic();
		wrmsr(MSR_IA32_TSC_DEADLINE, 0);
	}
}

bool apic_has_tsc_deadline(void)
{
	return has_tsc_deadline;
}

void apic_timer_calibrate(uint64_t hz)
{
	uint64_t start, now, window = hz / CALIBRATION_HZ;
	uint32_t left;

	tsc_hz = hz;
	if (has_tsc_deadline)
		return;
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
	start = rdtsc();
	do {
		now = rdtsc();
	} while (now - start < window);
	left = apic_read(APIC_TIMER_CURRENT);
	timer_hz = mul_div_u64(UINT32_MAX - left, hz, now - start);
	apic_timer_init();
}

/* Counts until `deadline`, rounded up; a time too far away for the counter ends early, and whoever
 * looks at the clock arms again. */
static uint32_t count_until(uint64_t deadline)
{
	uint64_t now = rdtsc();

	ASSERT(timer_hz);
	if (deadline <= now)
		return 1;
	return (uint32_t)MIN(mul_div_u64(deadline - now, timer_hz, tsc_hz) + 1,
			     (uint64_t)UINT32_MAX);
}

static void program(uint64_t deadline)
{
	if (has_tsc_deadline)
		/* 0 disarms; any time gone by fires at once. */
		wrmsr(MSR_IA32_TSC_DEADLINE,
		      deadline == DEADLINE_NEVER ? 0 : MAX(deadline, (uint64_t)1));
	else
		apic_write(APIC_TIMER_INITIAL,
			   deadline == DEADLINE_NEVER ? 0 : count_until(deadline));
}

void apic_timer_arm(uint64_t deadline)
{
	uint64_t *when = &armed[this_cpu_id()].when;

	deadline = MIN(deadline, armed[this_cpu_id()].latest);
	if (*when == deadline)
		return;
	*when = deadline;
	program(deadline);
}

void apic_timer_set_latest(uint64_t latest)
{
	armed[this_cpu_id()].latest = latest;
}

void apic_timer_note_expired(void)
{
	uint64_t latest = armed[this_cpu_id()].latest;

	armed[this_cpu_id()].when = latest;
	if (unlikely(latest != DEADLINE_NEVER))
		program(latest);
}
