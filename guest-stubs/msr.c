/* Proves that the MSRs a guest needs answer, that what was written reads back, and that everything
 * the SDM or KVM's documents call reserved, read-only or absent gives #GP. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/tap.h"

#include <asm/kvm_para.h>

#define NON_CANONICAL 0x4000000000000000ull
#define TSC_JUMP_S    100

enum condition { ALWAYS, IF_TSC_AUX, IF_MTRR, IF_MCA, IF_KVM_CLOCK, IF_KVM_POLL };

static const char *const condition_names[] = {
	[ALWAYS] = "",
	[IF_TSC_AUX] = "no RDTSCP or RDPID",
	[IF_MTRR] = "no MTRRs",
	[IF_MCA] = "no machine-check architecture",
	[IF_KVM_CLOCK] = "no KVM_FEATURE_CLOCKSOURCE2",
	[IF_KVM_POLL] = "no KVM_FEATURE_POLL_CONTROL",
};

static struct pvclock_wall wall;

struct value_row {
	const char *name;
	uint32_t msr;
	enum condition condition;
	uint64_t value;
};

/* These can be read. */
static const struct value_row readable[] = {
	{"IA32_TSC", MSR_TSC, ALWAYS, 0},
	{"IA32_APIC_BASE", MSR_APIC_BASE, ALWAYS, 0},
	{"IA32_MISC_ENABLE", MSR_MISC_ENABLE, ALWAYS, 0},
	{"IA32_EFER", MSR_EFER, ALWAYS, 0},
	{"IA32_MTRRCAP", MSR_MTRRCAP, IF_MTRR, 0},
	{"IA32_MTRR_DEF_TYPE", MSR_MTRR_DEF_TYPE, IF_MTRR, 0},
	{"IA32_MCG_CAP", MSR_MCG_CAP, IF_MCA, 0},
	{"IA32_MCG_STATUS", MSR_MCG_STATUS, IF_MCA, 0},
	{"MSR_KVM_SYSTEM_TIME_NEW", MSR_KVM_SYSTEM_TIME_NEW, IF_KVM_CLOCK, 0},
};

/* These have these values at the start. */
static const struct value_row initial[] = {
	{"IA32_PAT", MSR_PAT, ALWAYS, PAT_RESET},
	{"IA32_STAR", MSR_STAR, ALWAYS, 0},
	{"IA32_LSTAR", MSR_LSTAR, ALWAYS, 0},
	{"IA32_APIC_BASE", MSR_APIC_BASE, ALWAYS,
	 APIC_MMIO_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP},
	{"MSR_KVM_POLL_CONTROL", MSR_KVM_POLL_CONTROL, IF_KVM_POLL, 1},
};

/* These keep the value. */
static const struct value_row kept[] = {
	{"IA32_STAR", MSR_STAR, ALWAYS, 0x0023001012345678},
	{"IA32_LSTAR", MSR_LSTAR, ALWAYS, 0xffff800000001000},
	{"IA32_CSTAR", MSR_CSTAR, ALWAYS, 0xffff800000002000},
	{"IA32_FMASK", MSR_FMASK, ALWAYS, 0x47700},
	{"IA32_FS_BASE", MSR_FS_BASE, ALWAYS, 0x00007fffdeadb000},
	{"IA32_GS_BASE", MSR_GS_BASE, ALWAYS, 0xffff888000001000},
	{"IA32_KERNEL_GS_BASE", MSR_KERNEL_GS_BASE, ALWAYS, 0xffff888000002000},
	{"IA32_SYSENTER_CS", MSR_SYSENTER_CS, ALWAYS, 0x10},
	{"IA32_SYSENTER_ESP", MSR_SYSENTER_ESP, ALWAYS, 0xffffc90000001000},
	{"IA32_SYSENTER_EIP", MSR_SYSENTER_EIP, ALWAYS, 0xffffffff81000000},
	{"IA32_TSC_AUX", MSR_TSC_AUX, IF_TSC_AUX, 0xabcd1234},
	{"IA32_PAT", MSR_PAT, ALWAYS, 0x0007010500070406},
	{"IA32_EFER with SCE", MSR_EFER, ALWAYS, EFER_SCE | EFER_LME | EFER_LMA},
	{"MSR_KVM_POLL_CONTROL", MSR_KVM_POLL_CONTROL, IF_KVM_POLL, 0},
	{"MSR_KVM_POLL_CONTROL", MSR_KVM_POLL_CONTROL, IF_KVM_POLL, 1},
};

/* Writing these gives #GP. */
static const struct value_row refused[] = {
	{"IA32_EFER reserved bit 1", MSR_EFER, ALWAYS, EFER_LME | EFER_LMA | BIT_ULL(1)},
	{"IA32_EFER reserved bit 63", MSR_EFER, ALWAYS, EFER_LME | EFER_LMA | BIT_ULL(63)},
	{"IA32_EFER, LME cleared under paging", MSR_EFER, ALWAYS, 0},
	{"IA32_PAT, type 2", MSR_PAT, ALWAYS, 0x0007040600070206},
	{"IA32_PAT, type 3", MSR_PAT, ALWAYS, 0x0307040600070406},
	{"IA32_PAT, reserved bit", MSR_PAT, ALWAYS, 0x0007040600070486},
	{"IA32_LSTAR, non-canonical", MSR_LSTAR, ALWAYS, NON_CANONICAL},
	{"IA32_FS_BASE, non-canonical", MSR_FS_BASE, ALWAYS, NON_CANONICAL},
	{"IA32_GS_BASE, non-canonical", MSR_GS_BASE, ALWAYS, NON_CANONICAL},
	{"IA32_KERNEL_GS_BASE, non-canonical", MSR_KERNEL_GS_BASE, ALWAYS, NON_CANONICAL},
	{"IA32_SYSENTER_ESP, non-canonical", MSR_SYSENTER_ESP, ALWAYS, NON_CANONICAL},
	{"IA32_SYSENTER_EIP, non-canonical", MSR_SYSENTER_EIP, ALWAYS, NON_CANONICAL},
	{"IA32_MTRRCAP, read-only", MSR_MTRRCAP, IF_MTRR, 0},
	{"IA32_MTRR_DEF_TYPE, type 2", MSR_MTRR_DEF_TYPE, IF_MTRR, 2},
	{"IA32_MTRR_DEF_TYPE, reserved bit", MSR_MTRR_DEF_TYPE, IF_MTRR, BIT_ULL(12)},
	{"IA32_APIC_BASE, reserved bit 0", MSR_APIC_BASE, ALWAYS,
	 APIC_MMIO_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP | BIT_ULL(0)},
	{"IA32_APIC_BASE, beyond the physical address", MSR_APIC_BASE, ALWAYS,
	 APIC_MMIO_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP | BIT_ULL(62)},
	{"IA32_APIC_BASE, x2APIC without enable", MSR_APIC_BASE, ALWAYS,
	 APIC_MMIO_BASE | APIC_BASE_X2APIC | APIC_BASE_BSP},
	{"MSR_KVM_POLL_CONTROL, reserved bit", MSR_KVM_POLL_CONTROL, IF_KVM_POLL, 2},
	{"MSR_KVM_SYSTEM_TIME_NEW, reserved bit", MSR_KVM_SYSTEM_TIME_NEW, IF_KVM_CLOCK,
	 0x100000 | BIT_ULL(1) | KVM_MSR_ENABLED},
	{"IA32_TSC_DEADLINE's neighbour", MSR_TSC_DEADLINE + 1, ALWAYS, 0},
};

/* Nobody has these, or a guest without VMX may not see them. */
static const uint32_t unknown[] = {0x12345678, 0xdeadbeef, 0xc0001fff, 0x00001fff,
				   0x4b564dff, 0x00000480, 0x0000048d};

static bool applies(enum condition condition)
{
	switch (condition) {
	case IF_TSC_AUX:
		return (cpuid(0x80000001, 0).edx & BIT(27)) || (cpuid(7, 0).ecx & BIT(22));
	case IF_MTRR:
		return cpuid(1, 0).edx & BIT(12);
	case IF_MCA:
		return cpuid(1, 0).edx & BIT(14);
	case IF_KVM_CLOCK:
		return kvm_has(KVM_FEATURE_CLOCKSOURCE2);
	case IF_KVM_POLL:
		return kvm_has(KVM_FEATURE_POLL_CONTROL);
	default:
		return true;
	}
}

static bool skipped(const struct value_row *row)
{
	if (applies(row->condition))
		return false;
	skip(row->name, condition_names[row->condition]);
	return true;
}

static void check_tables(void)
{
	uint64_t value;

	for (const struct value_row *r = initial; r < initial + ARRAY_SIZE(initial); r++) {
		if (skipped(r))
			continue;
		value = ~r->value;
		if (rdmsr_safe(r->msr, &value) != NO_FAULT)
			value = ~r->value;
		is(value, r->value, "%s at the start", r->name);
	}
	for (const struct value_row *r = readable; r < readable + ARRAY_SIZE(readable); r++) {
		if (skipped(r))
			continue;
		is(rdmsr_safe(r->msr, &value), NO_FAULT, "%s can be read", r->name);
		diag("  0x%lx", value);
	}
	for (const struct value_row *r = kept; r < kept + ARRAY_SIZE(kept); r++) {
		uint64_t old;

		if (skipped(r))
			continue;
		rdmsr_safe(r->msr, &old);
		value = ~r->value;
		if (wrmsr_safe(r->msr, r->value) == NO_FAULT)
			rdmsr_safe(r->msr, &value);
		is(value, r->value, "%s reads back 0x%lx", r->name, r->value);
		wrmsr_safe(r->msr, old);
	}
	for (const struct value_row *r = refused; r < refused + ARRAY_SIZE(refused); r++) {
		if (skipped(r))
			continue;
		is(wrmsr_safe(r->msr, r->value), VECTOR_GP, "#GP: %s", r->name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
		is(rdmsr_safe(unknown[i], &value), VECTOR_GP, "#GP: read of 0x%x", unknown[i]);
		is(wrmsr_safe(unknown[i], 0), VECTOR_GP, "#GP: write of 0x%x", unknown[i]);
	}
}

static void check_misc_enable(void)
{
	uint64_t value;

	rdmsr_safe(MSR_MISC_ENABLE, &value);
	is(wrmsr_safe(MSR_MISC_ENABLE, value), NO_FAULT, "IA32_MISC_ENABLE takes its own value");
	ok(value & BIT_ULL(0), "fast strings are enabled");
	ok(!(value & BIT_ULL(18)), "MONITOR is not");
	ok(!(value & BIT_ULL(22)), "CPUID is not limited");
	ok(!(value & BIT_ULL(34)), "NX is not disabled");
}

/* A KVM MSR answers if and only if its feature is offered. */
static void check_kvm_features(void)
{
	static const struct {
		unsigned feature;
		uint32_t msr;
	} rows[] = {
		{KVM_FEATURE_CLOCKSOURCE, MSR_KVM_WALL_CLOCK},
		{KVM_FEATURE_CLOCKSOURCE, MSR_KVM_SYSTEM_TIME},
		{KVM_FEATURE_CLOCKSOURCE2, MSR_KVM_WALL_CLOCK_NEW},
		{KVM_FEATURE_CLOCKSOURCE2, MSR_KVM_SYSTEM_TIME_NEW},
		{KVM_FEATURE_ASYNC_PF, MSR_KVM_ASYNC_PF_EN},
		{KVM_FEATURE_STEAL_TIME, MSR_KVM_STEAL_TIME},
		{KVM_FEATURE_PV_EOI, MSR_KVM_PV_EOI_EN},
		{KVM_FEATURE_POLL_CONTROL, MSR_KVM_POLL_CONTROL},
		{KVM_FEATURE_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_INT},
		{KVM_FEATURE_MIGRATION_CONTROL, MSR_KVM_MIGRATION_CONTROL},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value;
		int want = kvm_has(rows[i].feature) ? NO_FAULT : VECTOR_GP;

		is(rdmsr_safe(rows[i].msr, &value), want, "0x%x %s", rows[i].msr,
		   want == NO_FAULT ? "answers" : "is refused, its feature is not offered");
	}
}

static void check_clock(uint32_t time_msr, uint32_t wall_msr)
{
	static volatile struct pvclock_time time __aligned(64);
	uint64_t value;

	time = (struct pvclock_time){0};
	wall = (struct pvclock_wall){0};
	is(wrmsr_safe(time_msr, (uint64_t)&time | KVM_MSR_ENABLED), NO_FAULT, "0x%x is written",
	   time_msr);
	rdmsr_safe(time_msr, &value);
	is(value, (uint64_t)&time | KVM_MSR_ENABLED, "0x%x reads back", time_msr);
	ok(time.version && !(time.version & 1), "the time is there, its version even");
	ok(time.tsc_to_system_mul && time.tsc_timestamp, "it has multiplier and timestamp");
	is(wrmsr_safe(wall_msr, (uint64_t)&wall), NO_FAULT, "0x%x is written", wall_msr);
	ok(!(wall.version & 1) && wall.sec, "the wall clock is there");
	is(wrmsr_safe(time_msr, 0), NO_FAULT, "the clock is switched off");
}

static void check_x2apic(void)
{
	static const uint32_t no_read[] = {0x80b, 0x80e, 0x831, 0x83f, 0x8ff};
	static const uint32_t no_write[] = {0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x839};
	uint64_t value, id, base = rdmsr(MSR_APIC_BASE);

	apic_enable(false);
	is(rdmsr_safe(0x802, &value), VECTOR_GP, "#GP: x2APIC MSR in xAPIC mode");
	apic_enable(true);
	rdmsr_safe(0x802, &id);
	is(id, apic_id(), "x2APIC ID");
	rdmsr_safe(0x803, &value);
	ok((value & 0xf0) == 0x10, "x2APIC version 0x%lx", value);
	rdmsr_safe(0x80d, &value);
	is(value, (id & ~0xfull) << 12 | 1u << (id & 0xf), "x2APIC logical ID comes from the ID");
	for (unsigned i = 0; i < ARRAY_SIZE(no_read); i++)
		is(rdmsr_safe(no_read[i], &value), VECTOR_GP, "#GP: read of 0x%x", no_read[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(no_write); i++)
		is(wrmsr_safe(no_write[i], 0), VECTOR_GP, "#GP: write of 0x%x", no_write[i]);
	is(wrmsr_safe(0x808, 0x100), VECTOR_GP, "#GP: TPR, reserved bit");
	is(wrmsr_safe(0x80b, 1), VECTOR_GP, "#GP: EOI, not zero");
	is(wrmsr_safe(0x828, 1), VECTOR_GP, "#GP: ESR, not zero");
	is(wrmsr_safe(0x83f, 0x100), VECTOR_GP, "#GP: SELF IPI, reserved bit");
	is(wrmsr_safe(MSR_APIC_BASE, base), VECTOR_GP, "#GP: from x2APIC straight to xAPIC");
	apic_enable(false);
	is(rdmsr(MSR_APIC_BASE), base, "back in xAPIC mode");
}

/* The guest's own TSC moves; its kvmclock does not. */
static void check_tsc(void)
{
	uint64_t jump, before, after, target, seen, ns;

	clock_init();
	jump = TSC_JUMP_S * clock_tsc_hz();
	before = rdtsc();
	after = rdmsr(MSR_TSC);
	ok(after >= before && rdtsc() >= after, "IA32_TSC is what RDTSC gives");
	ns = clock_ns();
	target = rdtsc() + jump;
	is(wrmsr_safe(MSR_TSC, target), NO_FAULT, "IA32_TSC is written");
	seen = rdtsc();
	ok(seen >= target && seen - target < clock_tsc_hz(), "RDTSC follows");
	if (clock_is_kvm())
		ok(clock_ns() >= ns && clock_ns() - ns < NS_PER_SEC, "kvmclock does not jump");
	else
		skip("kvmclock does not jump", "no kvmclock");
}

void stub_main(void)
{
	check_tables();
	check_misc_enable();
	check_kvm_features();
	if (applies(IF_KVM_CLOCK))
		check_clock(MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_WALL_CLOCK_NEW);
	if (kvm_has(KVM_FEATURE_CLOCKSOURCE))
		check_clock(MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK);
	if (apic_has_x2apic())
		check_x2apic();
	check_tsc();
}
