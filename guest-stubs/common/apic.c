/* The local APIC. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/trap.h"

#define CALIBRATION_NS (2 * NS_PER_MS)

static bool is_x2;

bool apic_has_x2apic(void)
{
	return cpuid(1, 0).ecx & BIT(21);
}

bool apic_has_tsc_deadline(void)
{
	return cpuid(1, 0).ecx & BIT(24);
}

/* The SDM: no EOI is sent for a spurious interrupt. */
static void spurious(struct trap_frame *frame)
{
	(void)frame;
}

void apic_enable(bool is_x2apic)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	bool was_x2apic = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;

	/* Each step is one that the SDM's figure of x2APIC states has. */
	if (was_x2apic && !is_x2apic)
		wrmsr(MSR_APIC_BASE, base);
	if (!was_x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	if (is_x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	else if (was_x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	is_x2 = is_x2apic;

	trap_set(VECTOR_SPURIOUS, spurious);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT1, APIC_LVT_MASKED);
	apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED);
	apic_write(APIC_TDCR, APIC_TDCR_1);
}

bool apic_is_x2apic(void)
{
	return is_x2;
}

uint32_t apic_read(enum apic_reg reg)
{
	if (is_x2)
		return (uint32_t)rdmsr(MSR_X2APIC + (reg >> 4));
	return *(volatile uint32_t *)(APIC_MMIO_BASE + reg);
}

void apic_write(enum apic_reg reg, uint32_t value)
{
	if (is_x2)
		wrmsr(MSR_X2APIC + (reg >> 4), value);
	else
		*(volatile uint32_t *)(APIC_MMIO_BASE + reg) = value;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

uint32_t apic_id(void)
{
	return is_x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_icr(uint32_t dest, uint32_t low)
{
	if (is_x2) {
		wrmsr(MSR_X2APIC + (APIC_ICR_LOW >> 4), (uint64_t)dest << 32 | low);
		return;
	}
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR_LOW, low);
	while (apic_read(APIC_ICR_LOW) & APIC_ICR_PENDING)
		cpu_relax();
}

void apic_self_ipi(uint8_t vector)
{
	apic_icr(0, APIC_ICR_SELF | APIC_ICR_ASSERT | APIC_DM_FIXED | vector);
}

bool apic_bit(enum apic_reg first, uint8_t vector)
{
	return apic_read(first + (vector / 32u) * 0x10) & BIT(vector % 32);
}

uint64_t apic_timer_hz(void)
{
	static uint64_t hz;
	uint64_t start, ticks;
	uint32_t count;

	if (hz)
		return hz;
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | APIC_LVT_ONE_SHOT);
	start = rdtsc();
	apic_write(APIC_TMICT, UINT32_MAX);
	clock_spin_ns(CALIBRATION_NS);
	count = UINT32_MAX - apic_read(APIC_TMCCT);
	ticks = rdtsc() - start;
	apic_write(APIC_TMICT, 0);
	/* In nanoseconds, which fit beside the count: neither product overflows. */
	hz = (uint64_t)count * NS_PER_SEC / clock_tsc_to_ns(ticks);
	return hz;
}
