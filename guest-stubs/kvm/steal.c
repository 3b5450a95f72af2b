/* Steal time. */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/kvm/checks.h"

#include <asm/kvm_para.h>
#include <linux/kvm_para.h>

#define BUSY_NS (40 * NS_PER_MS)
#define GAP_NS  (500 * NS_PER_US)

static volatile struct kvm_steal_time steal[SMP_CPUS_MAX] __aligned(64);
static volatile bool is_busy_over;
static volatile uint64_t busy_count, busy_preempted;

static void enable_steal(uint64_t cpu)
{
	wrmsr(MSR_KVM_STEAL_TIME, (uint64_t)&steal[cpu] | KVM_MSR_ENABLED);
}

static void be_busy(uint64_t cpu)
{
	enable_steal(cpu);
	while (!is_busy_over) {
		busy_count++;
		busy_preempted |= steal[cpu].preempted;
	}
}

/* Spins, and sums the time in which it did not run, by the TSC. */
static uint64_t gaps_while_busy(uint64_t ns)
{
	uint64_t start = rdtsc(), last = start, lost = 0, gap = clock_ns_to_tsc(GAP_NS);
	uint64_t ticks = clock_ns_to_tsc(ns);

	while (last - start < ticks) {
		uint64_t now = rdtsc();

		lost += now - last > gap ? now - last : 0;
		last = now;
	}
	return clock_tsc_to_ns(lost);
}

void check_steal_alone(void)
{
	uint64_t value, before;
	unsigned bad = 0;

	for (unsigned bit = 1; bit <= 5; bit++)
		bad += wrmsr_safe(MSR_KVM_STEAL_TIME, (uint64_t)&steal[0] | 1 | BIT_ULL(bit)) !=
		       VECTOR_GP;
	is(bad, 0, "STEAL_TIME: bits 5-1 are reserved: #GP");
	rdmsr_safe(MSR_KVM_STEAL_TIME, &value);
	is(value, 0, "STEAL_TIME: off after reset, and after #GP");
	memset((void *)&steal[0], 0xff, sizeof(steal[0]));
	enable_steal(0);
	is(rdmsr(MSR_KVM_STEAL_TIME), (uint64_t)&steal[0] | 1, "STEAL_TIME: the MSR reads back");
	ok(!(steal[0].version & 1) && !steal[0].preempted && steal[0].steal < UINT64_MAX / 2,
	   "STEAL_TIME: the area is filled in, its version even, preempted 0");
	before = steal[0].steal;
	for (unsigned i = 0; i < 5; i++)
		timer_halt_ns(4 * NS_PER_MS);
	if (is_alone || is_sharing)
		ok(steal[0].steal - before < 2 * NS_PER_MS,
		   "STEAL_TIME: idle time is not stolen: %lu us in 20 ms of HLT",
		   (uint64_t)((steal[0].steal - before) / NS_PER_US));
}

/* The vCPU that runs is never seen preempted; one that waits for this pCPU always is. */
void check_steal_with_others(void)
{
	uint64_t before, lost, stolen, tries = 0, preempted = 0, count;

	if (smp_count() == 1)
		return;
	is_busy_over = false;
	smp_run(1, be_busy, 1);
	while (!busy_count)
		cpu_relax();
	before = steal[0].steal;
	lost = gaps_while_busy(BUSY_NS);
	stolen = steal[0].steal - before;
	diag("of %lu us busy, %lu us did not run, %lu us are steal time",
	     (uint64_t)(BUSY_NS / NS_PER_US), lost / NS_PER_US, stolen / NS_PER_US);
	count = busy_count;
	for (; tries < 100; tries++)
		preempted += steal[1].preempted & KVM_VCPU_PREEMPTED;
	if (is_sharing) {
		ok(stolen > BUSY_NS / 4 && stolen < lost + lost / 10 && stolen + stolen / 5 > lost,
		   "STEAL_TIME: it is the time in which the vCPU did not run");
		ok(preempted >= tries - 1, "STEAL_TIME: the other vCPU is marked preempted");
	} else if (is_alone) {
		ok(stolen < NS_PER_MS, "STEAL_TIME: none while each has its own pCPU");
		is(preempted, 0, "STEAL_TIME: the other vCPU is not marked preempted");
	}
	if (is_sharing && has(KVM_FEATURE_PV_TLB_FLUSH)) {
		/* As Linux asks for a flush, without an IPI. */
		uint8_t old = KVM_VCPU_PREEMPTED;
		bool is_set = __atomic_compare_exchange_n(
			&steal[1].preempted, &old, KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);

		ok(is_set, "PV_TLB_FLUSH: asked for while the vCPU is preempted");
	}
	if (is_sharing && has(KVM_FEATURE_PV_SCHED_YIELD)) {
		count = busy_count;
		is((uint64_t)hypercall4(KVM_HC_SCHED_YIELD, 1, 0, 0, 0), 0,
		   "SCHED_YIELD answers 0");
		ok(busy_count != count, "SCHED_YIELD: the other vCPU has run at once");
	}
	gaps_while_busy(BUSY_NS);
	is_busy_over = true;
	smp_wait(1);
	is(busy_preempted, 0,
	   "STEAL_TIME: a vCPU that runs never sees itself preempted, or a flush");
}
