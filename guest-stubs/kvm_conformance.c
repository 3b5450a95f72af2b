/* Proves KVM's interface rule by rule (docs/kvm.md), from inside: what CPUID offers works, what it
 * does not offer is refused. Words: cpus= (vCPUs), features= and hints= (what CPUID must say),
 * `share` (all vCPUs on one pCPU, none else there) or `alone` (each on a pCPU of its own). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/kvm/checks.h"

#include <asm-generic/errno-base.h>
#include <asm/kvm_para.h>
#include <linux/kvm_para.h>

#define FEATURES_ALL 0x0100baebu
#define VECTOR_PIT   0x78

uint32_t features;
bool is_sharing, is_alone;

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
