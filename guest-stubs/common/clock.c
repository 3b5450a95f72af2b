/* Time. */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/string.h"

#include <asm/kvm_para.h>

#define CALIBRATION_TICKS 11932 /* of the PIT: 10 ms */
#define CALIBRATIONS      3

static volatile struct pvclock_time area __aligned(64);
static bool is_kvm;
static uint64_t tsc_hz;

bool kvm_has(unsigned feature)
{
	struct cpuid_regs r = cpuid(KVM_CPUID_SIGNATURE, 0);

	if (memcmp(&r.ebx, KVM_SIGNATURE, 12) || r.eax < KVM_CPUID_FEATURES)
		return false;
	return cpuid(KVM_CPUID_FEATURES, 0).eax & BIT(feature);
}

uint64_t clock_pit_measure(uint16_t pit_ticks)
{
	uint64_t start;

	pit_gate(false);
	pit_program(PIT_CHANNEL_2, PIT_MODE_ONE_SHOT, pit_ticks);
	pit_gate(true);
	start = rdtsc();
	while (!pit_out2())
		cpu_relax();
	return rdtsc() - start;
}

/* Being preempted only makes a measurement longer: the shortest counts. */
static uint64_t measure_tsc_hz(void)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < CALIBRATIONS; i++) {
		uint64_t ticks = clock_pit_measure(CALIBRATION_TICKS);

		best = ticks < best ? ticks : best;
	}
	return best * PIT_HZ / CALIBRATION_TICKS;
}

void clock_init(void)
{
	is_kvm = kvm_has(KVM_FEATURE_CLOCKSOURCE2);
	if (!is_kvm) {
		tsc_hz = measure_tsc_hz();
		return;
	}
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (uint64_t)&area | KVM_MSR_ENABLED);
	tsc_hz = (NS_PER_SEC << 32) / area.tsc_to_system_mul;
	if (area.tsc_shift >= 0)
		tsc_hz >>= area.tsc_shift;
	else
		tsc_hz <<= -area.tsc_shift;
}

bool clock_is_kvm(void)
{
	return is_kvm;
}

const volatile struct pvclock_time *clock_area(void)
{
	return &area;
}

uint64_t clock_tsc_hz(void)
{
	return tsc_hz;
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	return ns / NS_PER_SEC * tsc_hz + ns % NS_PER_SEC * tsc_hz / NS_PER_SEC;
}

uint64_t clock_tsc_to_ns(uint64_t ticks)
{
	return ticks / tsc_hz * NS_PER_SEC + ticks % tsc_hz * NS_PER_SEC / tsc_hz;
}

uint64_t clock_ns(void)
{
	uint64_t delta, system_time;
	uint32_t version, mul;
	int shift;

	if (!is_kvm)
		return clock_tsc_to_ns(rdtsc());
	do {
		version = area.version;
		delta = rdtsc() - area.tsc_timestamp;
		system_time = area.system_time;
		mul = area.tsc_to_system_mul;
		shift = area.tsc_shift;
	} while ((version & 1) || version != area.version);
	delta = shift >= 0 ? delta << shift : delta >> -shift;
	return system_time + (uint64_t)((unsigned __int128)delta * mul >> 32);
}

void clock_spin_ns(uint64_t ns)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(ns);

	while (rdtsc() < end)
		cpu_relax();
}
