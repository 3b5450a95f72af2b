/* What one vCPU does to another of its VM. All from before the sender's write to the ICR to the
 * first instruction of the handler on the other vCPU, but for the last.
 *
 *  ipi_running: the other vCPU is busy
 *  ipi_halted: it has halted; the hypervisor may poll as it likes, and has long stopped to
 *  wake_blocked, wake_polled: it has halted, POLL_CONTROL 0; 1, and polled for
 *  pingpong_vcpus: the vCPUs send to each other and halt until the answer comes; there and back */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/bench_irq.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"

#include <asm/kvm_para.h>

#define IPI       (APIC_ICR_ASSERT | APIC_DM_FIXED | VECTOR_BENCH)
#define LONG_NS   (1000 * NS_PER_US)
#define SHORT_NS  (50 * NS_PER_US)
#define NO_CHANGE 2

/* Each round a little later than the one before, or all would meet a polling loop at the same
 * place. */
#define PHASES   100
#define PHASE_NS 60

static volatile bool is_over;
static volatile unsigned turn;

static void start_two(void)
{
	apic_enable(apic_has_x2apic());
	bench_irq_init(VECTOR_BENCH);
	smp_start(2);
}

/* The other vCPU. */
static void be_busy(uint64_t arg)
{
	(void)arg;
	irq_enable();
	while (!is_over)
		__asm__ volatile("nop" : : : "memory");
	irq_disable();
}

static void be_halted(uint64_t poll_control)
{
	if (poll_control != NO_CHANGE)
		wrmsr(MSR_KVM_POLL_CONTROL, poll_control);
	while (!is_over)
		irq_enable_and_halt();
}

static uint64_t send_once(void)
{
	uint64_t before = bench_irq_count, start;

	start = rdtsc();
	apic_icr(1, IPI);
	while (bench_irq_count == before)
		__asm__ volatile("nop" : : : "memory");
	return bench_irq_tsc - start;
}

static void bench_ipi(const char *metric, void (*other)(uint64_t), uint64_t arg, uint64_t gap)
{
	is_over = false;
	smp_run(1, other, arg);
	for (unsigned i = 0; i < WARM_UP; i++) {
		clock_spin_ns(gap);
		send_once();
	}
	for (uint64_t i = 0; i < rounds; i++) {
		clock_spin_ns(gap + i % PHASES * PHASE_NS);
		samples[i] = send_once();
	}
	if (has_marks()) {
		clock_spin_ns(gap);
		mark();
		send_once();
		mark();
	}
	is_over = true;
	apic_icr(1, IPI);
	smp_wait(1);
	report(metric);
}

void bench_pair(void)
{
	start_two();
	irq_enable();
	bench_ipi("ipi_running", be_busy, 0, SHORT_NS);
	bench_ipi("ipi_halted", be_halted, NO_CHANGE, LONG_NS);
	if (!kvm_has(KVM_FEATURE_POLL_CONTROL)) {
		diag("no POLL_CONTROL: its rows are left out");
		return;
	}
	bench_ipi("wake_blocked", be_halted, 0, SHORT_NS);
	bench_ipi("wake_polled", be_halted, 1, SHORT_NS);
}

/* Gives the turn to the other, and halts until it is given back. */
static void play(unsigned me)
{
	turn = !me;
	apic_icr(!me, IPI);
	while (turn != me && !is_over)
		irq_enable_and_halt();
}

static void answer(uint64_t arg)
{
	(void)arg;
	while (turn != 1)
		irq_enable_and_halt();
	/* It may have been seen before it was told: an interrupt less is due from then on. */
	irq_window();
	while (!is_over)
		play(1);
}

void bench_pingpong(void)
{
	start_two();
	smp_run(1, answer, 0);
	for (unsigned i = 0; i < WARM_UP; i++)
		play(0);
	BENCH("pingpong_vcpus", play(0));
	is_over = true;
	apic_icr(1, IPI);
	smp_wait(1);
}
