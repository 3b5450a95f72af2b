/* The host's local APIC: enabling, EOI, IPIs (SDM, 'Advanced Programmable Interrupt Controller').
 * In x2APIC mode a register is an MSR, otherwise 4 bytes of the uncached page. */
#include <asm/errno.h>

#include "cpu/apic.h"
#include "cpu/apic_regs.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "cpu/percpu.h"
#include "cpu/trace.h"
#include "lib/fault.h"

#define CPUID_1_EDX_APIC   BIT(9)
#define CPUID_1_ECX_X2APIC BIT(21)

#define APIC_BASE_EXTD BIT_ULL(10) /* x2APIC mode */
#define APIC_BASE_EN   BIT_ULL(11)

static bool is_x2apic;         /* (i) after the boot CPU's apic_init */
static bool is_ready;          /* (i) the same */
static volatile uint8_t *mmio; /* (i) the same; NULL in x2APIC mode */

uint32_t apic_read(uint32_t reg)
{
	if (is_x2apic)
		return (uint32_t)rdmsr(MSR_IA32_X2APIC_BASE + (reg >> 4));
	return *(volatile uint32_t *)(mmio + reg);
}

void apic_write(uint32_t reg, uint32_t value)
{
	if (is_x2apic)
		wrmsr(MSR_IA32_X2APIC_BASE + (reg >> 4), value);
	else
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set in xAPIC mode */
		*(volatile uint32_t *)(mmio + reg) = value;
}

static bool has_x2apic(void)
{
	return cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC;
}

uint64_t apic_mmio_base(void)
{
	if (has_x2apic() || !(cpuid(1, 0).edx & CPUID_1_EDX_APIC))
		return 0;
	return rdmsr(MSR_IA32_APIC_BASE) & 0x000ffffffffff000ull;
}

bool apic_is_x2apic(void)
{
	return is_x2apic;
}

/* 'x2APIC State Transitions': from disabled to xAPIC to x2APIC, one step at a time. */
static void enable(void)
{
	uint64_t base = rdmsr(MSR_IA32_APIC_BASE);

	if (!(base & APIC_BASE_EN)) {
		base |= APIC_BASE_EN;
		wrmsr(MSR_IA32_APIC_BASE, base);
	}
	if (is_x2apic && !(base & APIC_BASE_EXTD))
		wrmsr(MSR_IA32_APIC_BASE, base | APIC_BASE_EXTD);
}

int apic_init(void)
{
	if (!(cpuid(1, 0).edx & CPUID_1_EDX_APIC))
		return -ENODEV;
	if (this_cpu_id() == 0) {
		is_x2apic = has_x2apic();
		mmio = (volatile uint8_t *)(uintptr_t)apic_mmio_base();
	}
	enable();
	apic_write(APIC_TPR, 0);
	/* No external interrupts from an 8259; LINT1 is the PC's NMI line. */
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT1, APIC_LVT_NMI);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	apic_timer_init();
	this_cpu()->apic_id = apic_id();
	if (this_cpu_id() == 0)
		__atomic_store_n(&is_ready, true, __ATOMIC_RELEASE);
	return 0;
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return is_x2apic ? id : id >> 24;
}

/* Writes the interrupt command register; `low` is its lower half. */
static void send(uint32_t target, uint32_t low)
{
	uint64_t flags;

	if (!__atomic_load_n(&is_ready, __ATOMIC_ACQUIRE))
		return;
	if (is_x2apic) {
		fence_before_x2apic();
		wrmsr(MSR_IA32_X2APIC_BASE + (APIC_ICR_LOW >> 4), (uint64_t)target << 32 | low);
		return;
	}
	/* Two halves: an interrupt handler that sends too must not come between them. */
	flags = irq_save();
	while (apic_read(APIC_ICR_LOW) & APIC_ICR_PENDING)
		cpu_relax();
	apic_write(APIC_ICR_HIGH, target << 24);
	apic_write(APIC_ICR_LOW, low);
	irq_restore(flags);
}

/* fault=ipi-late: the one that is late, and who sends it. */
static struct {
	uint32_t target, low; /* low 0: none */
	uint32_t sender;
} late;

/* Is this the one that fault= is for? Then it is not sent now. */
static bool is_held_back(uint32_t target, uint32_t low)
{
	if (fault_is_due(FAULT_IPI_LATE)) {
		late.target = target;
		late.sender = this_cpu_id();
		late.low = low;
		return true;
	}
	return fault_is_due(FAULT_IPI_LOST);
}

static void send_late(void)
{
	uint32_t low = late.low;

	if (likely(!low) || late.sender != this_cpu_id())
		return;
	late.low = 0;
	send(late.target, low);
}

void apic_send_ipi(uint32_t target, uint8_t vector)
{
	uint32_t low = APIC_ICR_FIXED | APIC_ICR_ASSERT | vector;

	this_cpu()->ipi_sent++;
	if (trace_is_on(TRACE_GROUP_IPI))
		trace_write(TRACE_IPI, rdtsc(), 0, vector, target);
	if (!is_held_back(target, low))
		send(target, low);
}

void apic_eoi(void)
{
	send_late();
	apic_write(APIC_EOI, 0);
}

void apic_send_nmi(uint32_t target)
{
	send(target, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

void apic_send_init(uint32_t target)
{
	send(target, APIC_ICR_INIT | APIC_ICR_ASSERT);
}

void apic_send_startup(uint32_t target, uint8_t page)
{
	send(target, APIC_ICR_STARTUP | APIC_ICR_ASSERT | page);
}

void apic_broadcast_init(void)
{
	send(0, APIC_ICR_OTHERS | APIC_ICR_INIT | APIC_ICR_ASSERT);
}

void apic_broadcast_startup(uint8_t page)
{
	send(0, APIC_ICR_OTHERS | APIC_ICR_STARTUP | APIC_ICR_ASSERT | page);
}

void apic_broadcast_nmi(void)
{
	send(0, APIC_ICR_OTHERS | APIC_ICR_NMI | APIC_ICR_ASSERT);
}
