/* What one vCPU does to itself.
 *
 *  cpuid, cpuid_kvm_leaf, vmcall_unknown, rdmsr_poll_control, wrmsr_poll_control,
 *  wrmsr_tsc_deadline, port_read_21, uart_write, mmio_read: the round trip of one instruction
 *  self_ipi: from before the ICR write until its handler, EOI included, has returned;
 *  self_ipi_msr: the same by x2APIC's SELF IPI register
 *  timer_running: from the deadline to the first instruction of its handler; the vCPU is busy
 *  hlt_timer_blocked, hlt_timer_polled: the same out of HLT, POLL_CONTROL 0 and 1 */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/bench_irq.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#include <asm/kvm_para.h>
#include <linux/kvm_para.h>
#include <linux/serial_reg.h>

#define SELF_IPI     (APIC_ICR_SELF | APIC_ICR_ASSERT | APIC_DM_FIXED | VECTOR_BENCH)
#define UNKNOWN_CALL 0xffff
#define MIN_TICKS    4000
#define PHASES       100 /* or all deadlines would meet a polling loop at the same place */

static void bench_instructions(void)
{
	int64_t answer = 0;

	BENCH("empty_loop", );
	BENCH("cpuid", cpuid(0, 0));
	BENCH("port_read_21", inb(0x21));
	BENCH("uart_write", outb(COM1 + UART_SCR, 0x5a));
	if (!kvm_has(KVM_FEATURE_POLL_CONTROL)) {
		diag("no KVM: its rows are left out");
		return;
	}
	BENCH("cpuid_kvm_leaf", cpuid(KVM_CPUID_SIGNATURE, 0));
	BENCH("vmcall_unknown", answer = hypercall0(UNKNOWN_CALL));
	ok(answer == -KVM_ENOSYS, "an unknown hypercall answers -KVM_ENOSYS");
	BENCH("rdmsr_poll_control", rdmsr(MSR_KVM_POLL_CONTROL));
	BENCH("wrmsr_poll_control", wrmsr(MSR_KVM_POLL_CONTROL, 1));
}

static void bench_apic(void)
{
	uint64_t before;

	apic_enable(false);
	BENCH("mmio_read", *(volatile uint32_t *)(APIC_MMIO_BASE + APIC_VERSION));
	apic_enable(apic_has_x2apic());
	bench_irq_init(VECTOR_BENCH);
	before = bench_irq_count;
	irq_enable();
	if (apic_is_x2apic())
		BENCH("self_ipi", wrmsr(MSR_X2APIC + (APIC_ICR_LOW >> 4), SELF_IPI));
	else
		BENCH("self_ipi", *(volatile uint32_t *)(APIC_MMIO_BASE + APIC_ICR_LOW) = SELF_IPI);
	if (apic_is_x2apic())
		BENCH("self_ipi_msr", wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), VECTOR_BENCH));
	irq_disable();
	is(bench_irq_count - before,
	   (rounds + MARKED_ROUNDS * has_marks()) * (apic_is_x2apic() ? 2 : 1),
	   "each self-IPI came before the next instruction");
}

static uint64_t ticks_ahead(uint64_t ns)
{
	uint64_t ticks = clock_ns_to_tsc(ns);

	return ticks > MIN_TICKS ? ticks : MIN_TICKS;
}

/* Deadline to handler, once. */
static uint64_t deadline_once(uint64_t ahead, bool is_halting)
{
	uint64_t before = bench_irq_count, deadline;

	if (!is_halting)
		irq_enable();
	deadline = rdtsc() + ahead;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	while (bench_irq_count == before)
		if (is_halting)
			irq_enable_and_halt();
	irq_disable();
	return bench_irq_tsc - deadline;
}

void bench_deadline(const char *metric, uint64_t ns, bool is_halting)
{
	uint64_t ahead = ticks_ahead(ns), early = 0;

	for (uint64_t i = 0; i < WARM_UP; i++)
		deadline_once(ahead, is_halting);
	for (uint64_t i = 0; i < rounds; i++) {
		samples[i] = deadline_once(ahead + i % PHASES, is_halting);
		early += (int64_t)samples[i] < 0;
	}
	if (has_marks()) {
		quiet();
		for (unsigned i = 1; i < MARKED_ROUNDS; i++)
			deadline_once(ahead, is_halting);
		mark();
		deadline_once(ahead, is_halting);
		mark();
	}
	is(early, 0, "%s: no interrupt before its deadline", metric);
	report(metric);
}

bool deadline_init(void)
{
	if (!apic_has_tsc_deadline()) {
		diag("no TSC-deadline timer: its rows are left out");
		return false;
	}
	bench_irq_init(VECTOR_BENCH);
	apic_write(APIC_LVT_TIMER, VECTOR_BENCH | APIC_LVT_TSC_DEADLINE);
	__asm__ volatile("mfence" : : : "memory");
	return true;
}

static void bench_timer(void)
{
	uint64_t far;

	if (!deadline_init())
		return;
	far = rdtsc() + 1000 * clock_tsc_hz();
	BENCH("wrmsr_tsc_deadline", wrmsr(MSR_TSC_DEADLINE, far));
	wrmsr(MSR_TSC_DEADLINE, 0);
	bench_deadline("timer_running", RUNNING_NS, false);
	if (!kvm_has(KVM_FEATURE_POLL_CONTROL)) {
		bench_deadline("hlt_timer", BLOCKED_NS, true);
		return;
	}
	wrmsr(MSR_KVM_POLL_CONTROL, 0);
	bench_deadline("hlt_timer_blocked", BLOCKED_NS, true);
	wrmsr(MSR_KVM_POLL_CONTROL, 1);
	bench_deadline("hlt_timer_polled", POLLED_NS, true);
}

void bench_alone(void)
{
	bench_instructions();
	bench_apic();
	bench_timer();
}
