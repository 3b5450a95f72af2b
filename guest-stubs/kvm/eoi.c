/* The end of interrupt without an exit. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/kvm/checks.h"

#include <asm/kvm_para.h>

#define VECTOR_LOW  0x60
#define VECTOR_HIGH 0x90

static volatile uint64_t pv_eoi;
static volatile unsigned low_runs, high_runs, armed_in_low, armed_in_high;
static volatile bool is_eoi_real, is_nesting, is_posting;

/* As Linux ends an interrupt. True when no EOI write was needed. */
static bool end_interrupt(void)
{
	bool was_set = pv_eoi & 1;

	pv_eoi &= ~1ull;
	if (!was_set || is_eoi_real)
		apic_eoi();
	return was_set;
}

static void note_low(struct trap_frame *frame)
{
	(void)frame;
	low_runs++;
	if (is_nesting) {
		apic_self_ipi(VECTOR_HIGH);
		irq_window();
	}
	armed_in_low += end_interrupt();
}

static void note_high(struct trap_frame *frame)
{
	(void)frame;
	high_runs++;
	if (is_posting)
		apic_self_ipi(VECTOR_LOW);
	armed_in_high += end_interrupt();
}

static void clear_runs(void)
{
	low_runs = high_runs = armed_in_low = armed_in_high = 0;
}

void check_pv_eoi(void)
{
	trap_set(VECTOR_LOW, note_low);
	trap_set(VECTOR_HIGH, note_high);
	is((uint64_t)wrmsr_safe(MSR_KVM_PV_EOI_EN, (uint64_t)&pv_eoi | 3), VECTOR_GP,
	   "PV_EOI: bit 1 is reserved: #GP");
	pv_eoi = 0;
	wrmsr(MSR_KVM_PV_EOI_EN, (uint64_t)&pv_eoi | KVM_MSR_ENABLED);
	is(rdmsr(MSR_KVM_PV_EOI_EN), (uint64_t)&pv_eoi | 1, "PV_EOI: the MSR reads back");
	clear_runs();
	for (unsigned i = 0; i < 10; i++) {
		apic_self_ipi(VECTOR_LOW);
		irq_window();
	}
	ok(low_runs == 10 && armed_in_low == 10, "PV_EOI: ten interrupts, none needs an EOI write");
	ok(!apic_bit(APIC_ISR, VECTOR_LOW) && !(apic_read(APIC_PPR) & 0xf0),
	   "PV_EOI: clearing the bit ended the interrupt: ISR and PPR");
	clear_runs();
	is_posting = true;
	apic_self_ipi(VECTOR_HIGH);
	irq_window();
	irq_window();
	is_posting = false;
	ok(low_runs == 1 && high_runs == 1, "PV_EOI: a lower one that came meanwhile is delivered");
	is(armed_in_high, 0, "PV_EOI: and its wait makes the EOI a real one");
	clear_runs();
	is_nesting = true;
	apic_self_ipi(VECTOR_LOW);
	irq_window();
	is_nesting = false;
	ok(low_runs == 1 && high_runs == 1 && !apic_bit(APIC_ISR, VECTOR_LOW) &&
		   !apic_bit(APIC_ISR, VECTOR_HIGH),
	   "PV_EOI: nested interrupts end one by one");
	is(armed_in_high, 0, "PV_EOI: not for an interrupt within another");
	clear_runs();
	is_eoi_real = true;
	apic_self_ipi(VECTOR_LOW);
	irq_window();
	apic_self_ipi(VECTOR_LOW);
	irq_window();
	is_eoi_real = false;
	is(low_runs, 2, "PV_EOI: who writes the EOI all the same loses nothing");
	wrmsr(MSR_KVM_PV_EOI_EN, 0);
	clear_runs();
	pv_eoi = 0;
	apic_self_ipi(VECTOR_LOW);
	irq_window();
	ok(low_runs == 1 && !armed_in_low && !pv_eoi, "PV_EOI: switched off, the bit stays alone");
}
