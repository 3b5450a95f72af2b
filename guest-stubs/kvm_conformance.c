/* Proves KVM's interface rule by rule (docs/kvm.md), from inside: what CPUID offers works, what it
 * does not offer is refused. Words: cpus= (vCPUs), features= and hints= (what CPUID must say),
 * `share` (all vCPUs on one pCPU, none else there) or `alone` (each on a pCPU of its own). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#include <asm/kvm_para.h>
#include <asm-generic/errno-base.h>
#include <linux/kvm_para.h>

#define FEATURES_ALL 0x0100baebu
#define ABSENT_ID    200
#define VECTOR_LOW   0x60
#define VECTOR_HIGH  0x90
#define VECTOR_IPI   0x70
#define VECTOR_PIT   0x78
#define FIXED(v)     (APIC_DM_FIXED | APIC_ICR_ASSERT | (v))
#define BUSY_NS      (40 * NS_PER_MS)
#define GAP_NS       (500 * NS_PER_US)

static bool is_sharing, is_alone;
static uint32_t features;
static volatile struct kvm_steal_time steal[SMP_CPUS_MAX] __aligned(64);
static volatile uint64_t pv_eoi;
static volatile uint64_t counts[SMP_CPUS_MAX], nmis[SMP_CPUS_MAX];

static bool has(unsigned feature)
{
	return features >> feature & 1;
}

static void enable_steal(uint64_t cpu)
{
	wrmsr(MSR_KVM_STEAL_TIME, (uint64_t)&steal[cpu] | KVM_MSR_ENABLED);
}

static void check_cpuid(void)
{
	struct cpuid_regs r = cpuid(KVM_CPUID_SIGNATURE, 0);

	ok(cpuid(1, 0).ecx >> 31, "leaf 1 ECX bit 31: a hypervisor is present");
	ok(r.eax == KVM_CPUID_FEATURES && !memcmp(&r.ebx, KVM_SIGNATURE, 12),
	   "leaf 0x40000000: the highest leaf is 0x40000001, the signature KVM's");
	is(features, cmdline_u64("features", FEATURES_ALL), "leaf 0x40000001 EAX: the features");
	is(cpuid(KVM_CPUID_FEATURES, 0).edx, cmdline_u64("hints", 0),
	   "leaf 0x40000001 EDX: the hints");
}

/* --- what is not offered ------------------------------------------------------------------------
 */

static void check_withdrawn(void)
{
	static const struct {
		uint32_t feature, msr;
	} msrs[] = {
		{KVM_FEATURE_CLOCKSOURCE, MSR_KVM_WALL_CLOCK},
		{KVM_FEATURE_CLOCKSOURCE, MSR_KVM_SYSTEM_TIME},
		{KVM_FEATURE_CLOCKSOURCE2, MSR_KVM_WALL_CLOCK_NEW},
		{KVM_FEATURE_CLOCKSOURCE2, MSR_KVM_SYSTEM_TIME_NEW},
		{KVM_FEATURE_ASYNC_PF, MSR_KVM_ASYNC_PF_EN},
		{KVM_FEATURE_STEAL_TIME, MSR_KVM_STEAL_TIME},
		{KVM_FEATURE_PV_EOI, MSR_KVM_PV_EOI_EN},
		{KVM_FEATURE_POLL_CONTROL, MSR_KVM_POLL_CONTROL},
		{KVM_FEATURE_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_INT},
		{KVM_FEATURE_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_ACK},
		{KVM_FEATURE_MIGRATION_CONTROL, MSR_KVM_MIGRATION_CONTROL},
	};
	static const struct {
		uint32_t feature, number;
	} calls[] = {
		{KVM_FEATURE_PV_UNHALT, KVM_HC_KICK_CPU},
		{KVM_FEATURE_CLOCKSOURCE2, KVM_HC_CLOCK_PAIRING},
		{KVM_FEATURE_PV_SEND_IPI, KVM_HC_SEND_IPI},
		{KVM_FEATURE_PV_SCHED_YIELD, KVM_HC_SCHED_YIELD},
		{KVM_FEATURE_HC_MAP_GPA_RANGE, KVM_HC_MAP_GPA_RANGE},
	};
	unsigned wrong = 0, answers = 0;
	uint64_t value;

	for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
		int want = has(msrs[i].feature) ? NO_FAULT : VECTOR_GP;

		wrong += rdmsr_safe(msrs[i].msr, &value) != want;
		wrong += !has(msrs[i].feature) && wrmsr_safe(msrs[i].msr, 0) != VECTOR_GP;
	}
	is(wrong, 0, "an MSR answers if and only if its feature is offered");
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++)
		answers += !has(calls[i].feature) &&
			   hypercall4(calls[i].number, 0, 1, 0, 0) != -KVM_ENOSYS;
	is(answers, 0, "the hypercall of a feature that is not offered: -KVM_ENOSYS");
}

/* --- clock --------------------------------------------------------------------------------------
 */

static void check_clock_at(const char *which, uint32_t msr_time, uint32_t msr_wall)
{
	static volatile struct pvclock_time area __aligned(64);
	static volatile struct pvclock_wall wall __aligned(64);
	uint64_t before, after;
	uint32_t sec;

	before = rdtsc();
	wrmsr(msr_time, (uint64_t)&area | KVM_MSR_ENABLED);
	after = rdtsc();
	ok(area.version && !(area.version & 1) && area.tsc_to_system_mul &&
		   area.tsc_timestamp >= before && area.tsc_timestamp <= after,
	   "%s: the area is filled in at the MSR write, its version even", which);
	is(rdmsr(msr_time), (uint64_t)&area | KVM_MSR_ENABLED, "%s: the MSR reads back", which);
	is(area.flags & PVCLOCK_TSC_STABLE,
	   has(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) ? PVCLOCK_TSC_STABLE : 0,
	   "%s: the stable flag is as CPUID says", which);
	wrmsr(msr_time, 0);
	memset((void *)&area, 0xaa, sizeof(area));
	timer_halt_ns(3 * NS_PER_MS);
	ok(area.version == 0xaaaaaaaa && area.system_time == 0xaaaaaaaaaaaaaaaa,
	   "%s: a disabled area is left alone", which);
	wrmsr(msr_wall, (uint64_t)&wall);
	sec = wall.sec;
	ok(sec && !(wall.version & 1) && wall.nsec < NS_PER_SEC, "%s: the wall clock", which);
	wall.sec = 0;
	timer_halt_ns(3 * NS_PER_MS);
	is(wall.sec, 0, "%s: the wall clock is written once a write", which);
	wrmsr(msr_wall, (uint64_t)&wall);
	is(wall.sec, sec, "%s: and again with the next, the same time of boot", which);
}

static void check_pairing(void)
{
	static volatile struct kvm_clock_pairing pairing;
	uint64_t before = rdtsc(), after;
	int64_t answer = hypercall4(KVM_HC_CLOCK_PAIRING, (uint64_t)&pairing, 0, 0, 0);

	after = rdtsc();
	if (!has(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT)) {
		is((uint64_t)answer, (uint64_t)-KVM_EOPNOTSUPP,
		   "CLOCK_PAIRING: not without a stable clock");
		return;
	}
	ok(!answer && pairing.sec > 0 && (uint64_t)pairing.nsec < NS_PER_SEC &&
		   pairing.tsc >= before && pairing.tsc <= after,
	   "CLOCK_PAIRING: the wall clock and the TSC of one moment");
	is((uint64_t)hypercall4(KVM_HC_CLOCK_PAIRING, (uint64_t)&pairing, 1, 0, 0),
	   (uint64_t)-KVM_EOPNOTSUPP, "CLOCK_PAIRING: -KVM_EOPNOTSUPP for another clock");
	is((uint64_t)hypercall4(KVM_HC_CLOCK_PAIRING, stub_ram_size - 8, 0, 0, 0),
	   (uint64_t)-KVM_EFAULT, "CLOCK_PAIRING: -KVM_EFAULT when memory ends in the structure");
}

static volatile uint32_t seen_flags[SMP_CPUS_MAX];
static volatile struct pvclock_time areas[SMP_CPUS_MAX] __aligned(64);

static void enable_clock(uint64_t cpu)
{
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (uint64_t)&areas[cpu] | KVM_MSR_ENABLED);
}

static void look_at_flags(uint64_t cpu)
{
	seen_flags[cpu] = areas[cpu].flags;
}

/* To be the last: the TSCs stay apart. */
static void check_moved_tsc(void)
{
	unsigned stable = 0;

	if (!has(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))
		return;
	for (unsigned i = 0; i < smp_count(); i++) {
		if (i)
			smp_call(i, enable_clock, i);
		else
			enable_clock(0);
	}
	wrmsr(MSR_TSC, rdtsc() + 1000000);
	for (unsigned i = 0; i < smp_count(); i++) {
		if (i)
			smp_call(i, look_at_flags, i);
		else
			look_at_flags(0);
		stable += seen_flags[i] & PVCLOCK_TSC_STABLE;
	}
	is(stable, smp_count() == 1,
	   "one vCPU's TSC is moved: with others there, no clock of the VM is stable any more");
}

/* --- steal time ---------------------------------------------------------------------------------
 */

static volatile bool is_busy_over;
static volatile uint64_t busy_count, busy_preempted;

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

static void check_steal_alone(void)
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
static void check_steal_with_others(void)
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

/* --- end of interrupt ---------------------------------------------------------------------------
 */

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

static void check_pv_eoi(void)
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

/* --- kicks and IPIs -----------------------------------------------------------------------------
 */

static volatile unsigned halts_over;

static void halt_closed(uint64_t times)
{
	while (times--) {
		__asm__ volatile("cli; hlt" : : : "memory");
		halts_over++;
	}
}

static void check_unhalt(void)
{
	is((uint64_t)hypercall4(KVM_HC_KICK_CPU, 0, ABSENT_ID, 0, 0), 0,
	   "KICK_CPU: an APIC ID that nobody has is no error");
	hypercall4(KVM_HC_KICK_CPU, 0, apic_id(), 0, 0);
	halt_closed(1);
	is(halts_over, 1, "KICK_CPU: a kick that came first ends the next HLT, with IF=0");
	if (smp_count() == 1)
		return;
	halts_over = 0;
	smp_run(1, halt_closed, 2);
	clock_spin_ns(5 * NS_PER_MS);
	is(halts_over, 0, "KICK_CPU: HLT with IF=0 lasts");
	hypercall4(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	clock_spin_ns(25 * NS_PER_MS);
	is(halts_over, 1, "KICK_CPU: one kick ends one such HLT");
	hypercall4(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	smp_wait(1);
	is(halts_over, 2, "KICK_CPU: the next ends the next");
}

static void note_ipi(struct trap_frame *frame)
{
	(void)frame;
	counts[apic_id()]++;
	apic_eoi();
}

static void note_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmis[apic_id()]++;
}

static uint64_t sum(const volatile uint64_t *values, unsigned first)
{
	uint64_t total = 0;

	for (unsigned i = first; i < smp_count(); i++)
		total += values[i];
	return total;
}

static void wait_for_sum(const volatile uint64_t *values, unsigned first, uint64_t want)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(500 * NS_PER_MS);

	irq_enable();
	while (sum(values, first) < want && rdtsc() < end)
		cpu_relax();
	irq_disable();
}

static int64_t send_ipi(uint64_t low, uint64_t high, uint64_t first, uint64_t icr)
{
	return hypercall4(KVM_HC_SEND_IPI, low, high, first, icr);
}

static void check_send_ipi(void)
{
	uint64_t all = BIT_ULL(smp_count()) - 1, others = all & ~1ull;

	trap_set(VECTOR_IPI, note_ipi);
	trap_set(VECTOR_NMI, note_nmi);
	is((uint64_t)send_ipi(UINT64_MAX, UINT64_MAX, 0, VECTOR_IPI), smp_count(),
	   "SEND_IPI: answers how many took it; absent CPUs take nothing");
	wait_for_sum(counts, 0, smp_count());
	is(sum(counts, 0), smp_count(), "SEND_IPI: each got it once, the sender too");
	is((uint64_t)send_ipi(1, 0, smp_count() - 1, VECTOR_IPI), 1,
	   "SEND_IPI: bit 0 stands for ID a2");
	wait_for_sum(counts, 0, smp_count() + 1);
	is(sum(counts, 0), smp_count() + 1, "SEND_IPI: and that CPU got it");
	is((uint64_t)send_ipi(0, 1, 0, VECTOR_IPI), 0, "SEND_IPI: a1 begins at ID a2 + 64");
	is((uint64_t)send_ipi(UINT64_MAX, UINT64_MAX, UINT64_MAX - 3, VECTOR_IPI), 0,
	   "SEND_IPI: IDs do not wrap");
	is((uint64_t)send_ipi(others, 0, 0, APIC_DM_NMI), smp_count() - 1, "SEND_IPI: NMIs");
	wait_for_sum(nmis, 1, smp_count() - 1);
	is(sum(nmis, 1), smp_count() - 1, "SEND_IPI: each other CPU got its NMI");
	ok(send_ipi(1, 0, 0, VECTOR_IPI | APIC_ICR_SELF) == -KVM_EINVAL &&
		   send_ipi(1, 0, 0, VECTOR_IPI | APIC_ICR_LOGICAL) == -KVM_EINVAL &&
		   send_ipi(1, 0, 0, VECTOR_IPI | APIC_DM_INIT) == -KVM_EINVAL,
	   "SEND_IPI: -KVM_EINVAL for shorthands, logical destinations, other modes");
	is(kvm_call_32(KVM_HC_SEND_IPI, 1, 1, 0, VECTOR_IPI), 1,
	   "SEND_IPI: in 32-bit code a0 and a1 have 32 bits each");
	wait_for_sum(counts, 0, smp_count() + 2);
	is(sum(counts, 0), smp_count() + 2, "SEND_IPI: and all have been delivered");
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static volatile unsigned pit_runs;

static void note_pit(struct trap_frame *frame)
{
	(void)frame;
	pit_runs++;
	apic_eoi();
}

/* The PIT's pin, with ID 0 or, by the extended bits, 256: which nobody has. */
static unsigned pit_with_destination(uint32_t high)
{
	pit_runs = 0;
	ioapic_write(IOAPIC_ENTRY(2) + 1, high);
	ioapic_write(IOAPIC_ENTRY(2), VECTOR_PIT);
	pit_program(PIT_CHANNEL_0, PIT_MODE_ONE_SHOT, 500);
	irq_enable();
	clock_spin_ns(40 * NS_PER_MS);
	irq_disable();
	ioapic_mask(2);
	return pit_runs;
}

static void check_ext_dest_id(void)
{
	const uint32_t ext = 1u << (49 - 32);

	trap_set(VECTOR_PIT, note_pit);
	is(pit_with_destination(0), 1, "IOAPIC: destination 0 reaches this CPU");
	is(pit_with_destination(ext), has(KVM_FEATURE_MSI_EXT_DEST_ID) ? 0 : 1,
	   "MSI_EXT_DEST_ID: entry bit 49 is destination bit 8, if offered");
	ioapic_write(IOAPIC_ENTRY(2) + 1, ext);
	is(ioapic_read(IOAPIC_ENTRY(2) + 1), has(KVM_FEATURE_MSI_EXT_DEST_ID) ? ext : 0,
	   "MSI_EXT_DEST_ID: it reads back, if offered");
}

static void check_poll_control(void)
{
	is(rdmsr(MSR_KVM_POLL_CONTROL), 1, "POLL_CONTROL: 1 after reset");
	wrmsr(MSR_KVM_POLL_CONTROL, 0);
	is(rdmsr(MSR_KVM_POLL_CONTROL), 0, "POLL_CONTROL: reads back");
	is((uint64_t)wrmsr_safe(MSR_KVM_POLL_CONTROL, 2), VECTOR_GP,
	   "POLL_CONTROL: the other bits are reserved: #GP");
	wrmsr(MSR_KVM_POLL_CONTROL, 1);
}

static int undefined_instruction(void)
{
	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: ud2\n"
			 "2:\n" EXPECT_FAULT
			 :
			 :
			 : "memory");
	return last_fault.vector;
}

static void check_calls(void)
{
	is((uint64_t)hypercall0(KVM_HC_VAPIC_POLL_IRQ), 0, "hypercall 1 answers 0");
	is((uint64_t)hypercall0(0xffff), (uint64_t)-KVM_ENOSYS, "an unknown one: -KVM_ENOSYS");
	is((uint64_t)kvm_call_at_cpl3(KVM_HC_VAPIC_POLL_IRQ), (uint64_t)-KVM_EPERM,
	   "from CPL 3: -KVM_EPERM");
	is(kvm_call_32(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0,
	   "from 32-bit code the upper halves do not count");
	is(kvm_call_32(0xffff, 0, 0, 0, 0), (uint32_t)-KVM_ENOSYS, "nor has the answer one");
	is((uint64_t)hypercall_vmmcall(0xffff), (uint64_t)-KVM_ENOSYS, "VMMCALL is VMCALL");
	is((uint64_t)undefined_instruction(), VECTOR_UD, "any other #UD is the guest's");
}

void stub_main(void)
{
	features = cpuid(KVM_CPUID_FEATURES, 0).eax;
	is_sharing = cmdline_is("share", "");
	is_alone = cmdline_is("alone", "");
	timer_init();
	smp_start((unsigned)cmdline_u64("cpus", 1));
	check_cpuid();
	check_withdrawn();
	if (has(KVM_FEATURE_CLOCKSOURCE))
		check_clock_at("CLOCKSOURCE", MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK);
	if (has(KVM_FEATURE_CLOCKSOURCE2)) {
		check_clock_at("CLOCKSOURCE2", MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_WALL_CLOCK_NEW);
		check_pairing();
	}
	if (has(KVM_FEATURE_STEAL_TIME)) {
		check_steal_alone();
		check_steal_with_others();
	}
	if (has(KVM_FEATURE_PV_EOI))
		check_pv_eoi();
	if (has(KVM_FEATURE_PV_UNHALT))
		check_unhalt();
	if (has(KVM_FEATURE_PV_SEND_IPI))
		check_send_ipi();
	if (has(KVM_FEATURE_POLL_CONTROL))
		check_poll_control();
	check_ext_dest_id();
	check_calls();
	if (has(KVM_FEATURE_CLOCKSOURCE2))
		check_moved_tsc();
}
