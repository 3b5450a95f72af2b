/* kvmclock: the structures, CLOCK_PAIRING, and a TSC that is moved. */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/kvm/checks.h"

#include <asm-generic/errno-base.h>
#include <asm/kvm_para.h>
#include <linux/kvm_para.h>

void check_clock_at(const char *which, uint32_t msr_time, uint32_t msr_wall)
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

void check_pairing(void)
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

void check_moved_tsc(void)
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
