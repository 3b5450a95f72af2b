/* The MSR table. Quotes: SDM, 'Model-Specific Registers (MSRs)' and the chapters named, and
 * Documentation/virt/kvm/x86/msr.rst. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <asm/kvm_para.h>

#include "cpu/msr.h"
#include "fakes/insn.h"
#include "fakes/log.h"
#include "fakes/vcpu_arch.h"
#include "guest/kvm.h"
#include "guest/msr.h"
#include "lib/errno.h"

#define TSC0          5000000ull /* the host's TSC when the VM is created */
#define RAM           MIB(2)
#define NON_CANONICAL 0x0000800000000000ull

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(TSC0);
	vm = fake_vm_create(RAM, 2);
	vcpu = vm->vcpu[0];
	fake_vcpu_set_mode_64(vcpu);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static uint64_t rd(uint32_t msr)
{
	uint64_t value = 0xdead;

	if (msr_read(vcpu, msr, &value))
		fail_msg("MSR %#x cannot be read", msr);
	return value;
}

static void wr(uint32_t msr, uint64_t value)
{
	if (msr_write(vcpu, msr, value))
		fail_msg("%#lx cannot be written to MSR %#x", value, msr);
}

#define assert_read_gp(msr) assert_int_equal(msr_read(vcpu, msr, &(uint64_t){0}), -EPERM)
/* #GP, and the MSR keeps what it had. */
#define assert_write_gp(msr, value)                                                                \
	do {                                                                                       \
		uint64_t before_ = 0, after_ = 0;                                                  \
		int can_read_ = !msr_read(vcpu, msr, &before_);                                    \
                                                                                                   \
		assert_int_equal(msr_write(vcpu, msr, value), -EPERM);                             \
		assert_int_equal(!msr_read(vcpu, msr, &after_), can_read_);                        \
		assert_true(before_ == after_);                                                    \
	} while (0)

static void can_hold(uint32_t msr, uint64_t value)
{
	wr(msr, value);
	if (rd(msr) != value)
		fail_msg("MSR %#x holds %#lx, not %#lx", msr, rd(msr), value);
}

/* --- rows of the table --- */

static void test_each_row_is_found(void **state)
{
	static const uint32_t readable[] = {
		0x10,       0x11,       0x12,       0x17,       0x1b,       0x2a,       0x8b,
		0xfe,       0x174,      0x175,      0x176,      0x179,      0x17a,      0x1a0,
		0x1d9,      0x200,      0x20f,      0x250,      0x258,      0x259,      0x268,
		0x26f,      0x277,      0x2ff,      0x6e0,      0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0x4b564d00,
		0x4b564d01, 0x4b564d05,
	};
	static const uint32_t writable[] = {0x2a, 0x79, 0x8b, 0x1a0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(readable); i++)
		rd(readable[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(writable); i++)
		wr(writable[i], 1);
	assert_int_equal(vm->unknown_msrs, 0);
}

static void test_unknown(void **state)
{
	static const uint32_t unknown[] = {
		0,     0xf,        0x13,       0x3a,       0x3b,       0x48,      0x1ff,
		0x210, 0x251,      0x257,      0x25a,      0x270,      0x480,     0x7ff,
		0x900, 0x40000000, 0x4b564e00, 0xc000007f, 0xc0000104, UINT32_MAX};

	(void)state;
	fake_log_clear();
	log_set_level(LOG_DEBUG);
	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_read_gp(unknown[i]);
		assert_int_equal(msr_write(vcpu, unknown[i], 0), -EPERM);
	}
	/* All are counted, the first few are named. */
	assert_int_equal(vm->unknown_msrs, 2 * ARRAY_SIZE(unknown));
	assert_int_equal(fake_log_count("unknown MSR"), 4);
	log_set_level(LOG_INFO);
}

static void test_read_only_and_write_only(void **state)
{
	(void)state;
	assert_write_gp(0x17, 0);
	assert_write_gp(MSR_IA32_MTRRCAP, 0);
	assert_write_gp(MSR_IA32_MCG_CAP, 0);
	assert_read_gp(0x79);
	/* 'IA32_MCG_STATUS: a write of anything but 0 gives #GP' where there is no bank. */
	wr(MSR_IA32_MCG_STATUS, 0);
	assert_write_gp(MSR_IA32_MCG_STATUS, 1);
	assert_int_equal(rd(MSR_IA32_MCG_CAP), 0);
	/* A microcode revision that Linux takes for one: the upper half. */
	assert_true(rd(MSR_IA32_BIOS_SIGN_ID) >> 32);
}

/* 'WRMSR: #GP(0) if the source register contains a non-canonical address and ECX specifies one of
 * the following MSRs'. */
static void test_canonical(void **state)
{
	static const uint32_t address[] = {
		MSR_IA32_SYSENTER_ESP,   MSR_IA32_SYSENTER_EIP, MSR_IA32_LSTAR,
		MSR_IA32_CSTAR,          MSR_IA32_FS_BASE,      MSR_IA32_GS_BASE,
		MSR_IA32_KERNEL_GS_BASE,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(address); i++) {
		can_hold(address[i], 0xffff800000000000);
		can_hold(address[i], 0x00007fffffffffff);
		assert_write_gp(address[i], NON_CANONICAL);
		assert_write_gp(address[i], 0xffff7fffffffffff);
		assert_write_gp(address[i], 1ull << 63);
	}
	can_hold(MSR_IA32_STAR, UINT64_MAX);
}

static void test_32_bits(void **state)
{
	static const uint32_t narrow[] = {MSR_IA32_SYSENTER_CS, MSR_IA32_FMASK, MSR_IA32_TSC_AUX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(narrow); i++) {
		can_hold(narrow[i], UINT32_MAX);
		assert_write_gp(narrow[i], BIT_ULL(32));
	}
}

/* Each row reaches its own register. */
static void test_registers_are_apart(void **state)
{
	static const struct {
		uint32_t msr;
		enum vcpu_reg reg;
	} row[] = {
		{MSR_IA32_SYSENTER_CS, VCPU_SYSENTER_CS},
		{MSR_IA32_SYSENTER_ESP, VCPU_SYSENTER_ESP},
		{MSR_IA32_SYSENTER_EIP, VCPU_SYSENTER_EIP},
		{MSR_IA32_STAR, VCPU_STAR},
		{MSR_IA32_LSTAR, VCPU_LSTAR},
		{MSR_IA32_CSTAR, VCPU_CSTAR},
		{MSR_IA32_FMASK, VCPU_FMASK},
		{MSR_IA32_FS_BASE, VCPU_FS_BASE},
		{MSR_IA32_GS_BASE, VCPU_GS_BASE},
		{MSR_IA32_KERNEL_GS_BASE, VCPU_KERNEL_GS_BASE},
		{MSR_IA32_TSC_AUX, VCPU_TSC_AUX},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		wr(row[i].msr, 0x1000 + i);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(vcpu_arch_get(vcpu, row[i].reg), 0x1000 + i);
		assert_int_equal(rd(row[i].msr), 0x1000 + i);
	}
}

/* 'Features it has not been told of': without RDTSCP there is no IA32_TSC_AUX, in the CPU neither.
 */
static void test_tsc_aux_comes_with_rdtscp(void **state)
{
	(void)state;
	vcpu->cpuid.ext[1].edx &= ~BIT(27);
	assert_read_gp(MSR_IA32_TSC_AUX);
	assert_int_equal(msr_write(vcpu, MSR_IA32_TSC_AUX, 0), -EPERM);
}

/* 'IA32_PAT: [...] an attempt to write a value other than 0, 1, 4, 5, 6 or 7 to any of the page
 * attributes gives #GP'. */
static void test_pat(void **state)
{
	(void)state;
	can_hold(MSR_IA32_PAT, 0x0007040600070406);
	can_hold(MSR_IA32_PAT, 0x0706050401000706);
	for (unsigned i = 0; i < 8; i++) {
		assert_write_gp(MSR_IA32_PAT, 2ull << (8 * i));
		assert_write_gp(MSR_IA32_PAT, 3ull << (8 * i));
		assert_write_gp(MSR_IA32_PAT, 8ull << (8 * i));
	}
}

static void test_debugctl(void **state)
{
	(void)state;
	can_hold(MSR_IA32_DEBUGCTL, 2); /* BTF */
	can_hold(MSR_IA32_DEBUGCTL, 0);
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit != 1)
			assert_write_gp(MSR_IA32_DEBUGCTL, BIT_ULL(bit));
}

/* Fast strings can be switched; 'performance monitoring available' is clear, 'BTS unavailable' and
 * 'PEBS unavailable' stay. */
static void test_misc_enable(void **state)
{
	(void)state;
	assert_int_equal(rd(MSR_IA32_MISC_ENABLE), 1 | BIT(11) | BIT(12));
	wr(MSR_IA32_MISC_ENABLE, 0);
	assert_int_equal(rd(MSR_IA32_MISC_ENABLE), BIT(11) | BIT(12));
	wr(MSR_IA32_MISC_ENABLE, UINT64_MAX);
	assert_int_equal(rd(MSR_IA32_MISC_ENABLE), 1 | BIT(11) | BIT(12));
}

/* --- EFER --- */

static void test_efer(void **state)
{
	enum { SCE = 1, LME = 0x100, LMA = 0x400, NX = 0x800 };

	(void)state;
	fake_vcpu_set_mode_32(vcpu);
	can_hold(MSR_IA32_EFER, SCE | LME | NX);
	/* 'LMA is read-only': what is written there does not matter. */
	wr(MSR_IA32_EFER, LMA);
	assert_int_equal(rd(MSR_IA32_EFER), 0);
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(BIT_ULL(bit) & (SCE | LME | LMA | NX)))
			assert_write_gp(MSR_IA32_EFER, BIT_ULL(bit));
	/* 'Software must not change LME while paging is enabled: #GP'. */
	vcpu_arch_set(vcpu, VCPU_CR0, BIT_ULL(31) | 1);
	assert_write_gp(MSR_IA32_EFER, LME);
	can_hold(MSR_IA32_EFER, NX);
	vcpu_arch_set(vcpu, VCPU_CR0, 1);
	wr(MSR_IA32_EFER, LME);
	vcpu_arch_set(vcpu, VCPU_CR0, BIT_ULL(31) | 1);
	wr(MSR_IA32_EFER, LME | SCE);
	assert_int_equal(rd(MSR_IA32_EFER), LME | LMA | SCE);
	assert_write_gp(MSR_IA32_EFER, SCE);
}

/* A bit whose feature is not told is reserved. */
static void test_efer_follows_cpuid(void **state)
{
	(void)state;
	fake_vcpu_set_mode_32(vcpu);
	vcpu->cpuid.ext[1].edx = 0;
	assert_write_gp(MSR_IA32_EFER, BIT(0));
	assert_write_gp(MSR_IA32_EFER, BIT(8));
	assert_write_gp(MSR_IA32_EFER, BIT(11));
	can_hold(MSR_IA32_EFER, 0);
}

/* --- MTRRs --- */

/* What a kernel finds, as firmware would have left it: RAM is write-back, the VGA's window and what
 * lies between 3 and 4 GiB is not. */
static void test_mtrr_reset(void **state)
{
	static const uint32_t fixed[] = {0x250, 0x258, 0x268, 0x269, 0x26a,
					 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++)
		assert_true(rd(fixed[i]) == 0x0606060606060606);
	assert_int_equal(rd(0x259), 0); /* 0xa0000-0xbffff */
	assert_int_equal(rd(0x200), 0xc0000000);
	assert_int_equal(rd(0x201), 0x7fc0000800);
	for (uint32_t msr = 0x202; msr <= 0x20f; msr++)
		assert_int_equal(rd(msr), 0);
	assert_int_equal(rd(MSR_IA32_MTRR_DEF_TYPE), 0xc06);
	/* INIT leaves them. */
	wr(0x259, 0x0606060606060606);
	vcpu_reset(vcpu, true);
	assert_true(rd(0x259) == 0x0606060606060606);
}

static void test_mtrr_types(void **state)
{
	(void)state;
	assert_int_equal(rd(MSR_IA32_MTRRCAP), 8 | BIT(8) | BIT(10));
	assert_int_equal(rd(MSR_IA32_MTRR_DEF_TYPE), 0xc06);
	for (unsigned type = 0; type < 256; type++) {
		bool is_legal = type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
		uint64_t all = 0x0101010101010101ull * type;

		if (is_legal) {
			can_hold(MSR_IA32_MTRR_DEF_TYPE, 0xc00 | type);
			can_hold(0x200, 0x1000 | type);
			can_hold(0x250, all);
			can_hold(0x26f, all);
			continue;
		}
		assert_write_gp(MSR_IA32_MTRR_DEF_TYPE, 0xc00 | type);
		assert_write_gp(0x200, 0x1000 | type);
		for (unsigned i = 0; i < 8; i++)
			assert_write_gp(0x268, (uint64_t)type << (8 * i));
	}
}

/* Bits 11:8 of a base, 10:0 of a mask, those above the physical address width of both, and all but
 * type, FE and E of the default type. */
static void test_mtrr_reserved_bits(void **state)
{
	(void)state;
	can_hold(0x20f, 0x7ffffff800);
	can_hold(0x20e, 0x7ffffff006);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (bit < 11 || bit > 38)
			assert_write_gp(0x20f, BIT_ULL(bit));
		if ((bit > 7 && bit < 12) || bit > 38)
			assert_write_gp(0x20e, BIT_ULL(bit));
		if (bit > 7 && bit != 10 && bit != 11)
			assert_write_gp(MSR_IA32_MTRR_DEF_TYPE, BIT_ULL(bit));
	}
}

/* A value for each fixed MTRR, of the legal types 0 and 6: its number in binary. */
static uint64_t fixed_value(unsigned i)
{
	return (i & 1 ? 6u : 0) | (i & 2 ? 0x600u : 0) | (i & 4 ? 0x60000u : 0) |
	       (i & 8 ? 0x6000000u : 0);
}

static void test_mtrrs_are_apart(void **state)
{
	static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
					 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

	(void)state;
	for (unsigned i = 0; i < 11; i++)
		wr(fixed[i], fixed_value(i));
	for (uint32_t i = 0; i < 16; i++)
		wr(0x200 + i, 0x100000ull * (i + 1));
	wr(MSR_IA32_MTRR_DEF_TYPE, 0x801);
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(rd(fixed[i]), fixed_value(i));
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(rd(0x200 + i), 0x100000ull * (i + 1));
	assert_int_equal(rd(MSR_IA32_MTRR_DEF_TYPE), 0x801);
}

/* --- the local APIC --- */

static void test_apic_base(void **state)
{
	const uint64_t base = 0xfee00000;

	(void)state;
	assert_int_equal(rd(MSR_IA32_APIC_BASE), base | 0x900); /* enabled, BSP */
	can_hold(MSR_IA32_APIC_BASE, 0x80000900);
	wr(MSR_IA32_APIC_BASE, base | 0x900);
	/* 'Bits 7:0, bit 9 and those above MAXPHYADDR are reserved.' */
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit < 8 || bit == 9 || bit > 38)
			assert_write_gp(MSR_IA32_APIC_BASE, base | 0x900 | BIT_ULL(bit));
	/* CPUID's APIC bit follows the enable bit. */
	assert_true(cpuid_has(&vcpu->cpuid, 1, 0, 3, 9));
	wr(MSR_IA32_APIC_BASE, base | 0x100);
	assert_false(cpuid_has(&vcpu->cpuid, 1, 0, 3, 9));
	/* From disabled to x2APIC mode there is no way but by xAPIC mode. */
	assert_write_gp(MSR_IA32_APIC_BASE, base | 0xd00);
	wr(MSR_IA32_APIC_BASE, base | 0x900);
	assert_true(cpuid_has(&vcpu->cpuid, 1, 0, 3, 9));
}

/* x2APIC registers are MSRs in x2APIC mode only, and that only where CPUID tells of it. */
static void test_x2apic(void **state)
{
	(void)state;
	assert_read_gp(0x802);
	vcpu->cpuid.basic[1].ecx &= ~BIT(21);
	assert_write_gp(MSR_IA32_APIC_BASE, 0xfee00d00);
	vcpu->cpuid.basic[1].ecx |= BIT(21);
	wr(MSR_IA32_APIC_BASE, 0xfee00d00);
	assert_int_equal(rd(0x802), 0);
	can_hold(0x808, 0x50); /* TPR */
	assert_write_gp(0x808, 0x100);
	assert_write_gp(0x802, 0);
	assert_read_gp(0x8ff);
	assert_int_equal(vm->unknown_msrs, 0);
}

/* --- TSC --- */

static uint32_t area_u32(uint64_t gpa)
{
	uint32_t v;

	assert_int_equal(gmem_read(&vm->gmem, GPA(gpa), &v, sizeof(v)), 0);
	return v;
}

static uint64_t area_u64(uint64_t gpa)
{
	return area_u32(gpa) | (uint64_t)area_u32(gpa + 4) << 32;
}

/* The guest's clock as it computes it from its structure now; the TSC runs at 1 GHz. */
static uint64_t guest_clock(uint64_t area)
{
	uint64_t ticks = rd(MSR_IA32_TSC) - area_u64(area + 8);
	int8_t shift = (int8_t)(area_u32(area + 28) & 0xff);

	ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
	return area_u64(area + 16) +
	       (uint64_t)((unsigned __int128)ticks * area_u32(area + 24) >> 32);
}

static bool is_stable(uint64_t area)
{
	return area_u32(area + 28) >> 8 & 1; /* flags */
}

static void test_tsc(void **state)
{
	(void)state;
	assert_int_equal(rd(MSR_IA32_TSC), 0);
	fake_tsc_advance(500);
	assert_int_equal(rd(MSR_IA32_TSC), 500);
	wr(MSR_IA32_TSC, 10000);
	assert_int_equal(rd(MSR_IA32_TSC), 10000);
	/* What the CPU adds for RDTSC. */
	assert_true(TSC0 + 500 + fake_vcpu(vcpu)->tsc_offset == 10000);
	fake_tsc_advance(77);
	assert_int_equal(rd(MSR_IA32_TSC), 10077);
	wr(MSR_IA32_TSC, 3);
	assert_int_equal(rd(MSR_IA32_TSC), 3);
	wr(MSR_IA32_TSC, UINT64_MAX);
	fake_tsc_advance(2);
	assert_int_equal(rd(MSR_IA32_TSC), 1);
	/* The other vCPU's stays. */
	vcpu = vm->vcpu[1];
	assert_int_equal(rd(MSR_IA32_TSC), 579);
}

/* 'Guest time never goes backwards': a TSC write moves the TSC and not the clock. */
static void test_tsc_write_and_kvmclock(void **state)
{
	static const uint64_t tsc[] = {0, 1, 123456789012, UINT64_MAX - 5000, 0};
	const uint64_t area = 0x4000;

	(void)state;
	fake_tsc_advance(1000000);
	wr(MSR_KVM_SYSTEM_TIME_NEW, area | 1);
	assert_in_range(guest_clock(area), 999999, 1000000);
	assert_true(is_stable(area));
	for (unsigned i = 0; i < ARRAY_SIZE(tsc); i++) {
		uint64_t now = 1000000 + 10000 * (i + 1);

		fake_tsc_advance(10000);
		wr(MSR_IA32_TSC, tsc[i]);
		assert_in_range(guest_clock(area), now - 1, now);
		/* It does not agree with its peers' any more. */
		assert_false(is_stable(area));
		assert_false(area_u32(area) & 1);
	}
	/* With one TSC moved, no clock of the VM is stable. */
	vcpu = vm->vcpu[1];
	wr(MSR_KVM_SYSTEM_TIME_NEW, 0x5001);
	assert_false(is_stable(0x5000));
	assert_in_range(guest_clock(0x5000), 1049999, 1050000);
}

/* --- IA32_TSC_DEADLINE --- */

static void use_deadline_mode(void)
{
	wr(MSR_IA32_APIC_BASE, 0xfee00d00);
	wr(0x80f, 0x1ff);
	wr(0x832, 2 << 17 | 0x40);
}

static void run_timers(void)
{
	vcpu_run_timers(vcpu, rdtsc());
}

static bool has_fired(void)
{
	int vector = lapic_pending_vector(&vcpu->lapic);

	if (vector < 0)
		return false;
	assert_int_equal(vector, 0x40);
	lapic_accept(&vcpu->lapic, 0x40);
	wr(0x80b, 0);
	return true;
}

static void test_deadline(void **state)
{
	(void)state;
	use_deadline_mode();
	fake_tsc_advance(1000);
	can_hold(MSR_IA32_TSC_DEADLINE, 1500);
	assert_int_equal(vcpu_next_timer(vcpu), TSC0 + 1500);
	fake_tsc_advance(499);
	run_timers();
	assert_false(has_fired());
	fake_tsc_advance(1);
	run_timers();
	assert_true(has_fired());
	/* 'When the timer generates an interrupt, it disarms itself and clears the MSR.' */
	assert_int_equal(rd(MSR_IA32_TSC_DEADLINE), 0);
	/* 'Writing zero to the MSR disarms.' */
	wr(MSR_IA32_TSC_DEADLINE, 2000);
	wr(MSR_IA32_TSC_DEADLINE, 0);
	assert_true(vcpu_next_timer(vcpu) == DEADLINE_NEVER);
	/* A deadline that has passed fires at once. */
	wr(MSR_IA32_TSC_DEADLINE, 1);
	run_timers();
	assert_true(has_fired());
}

/* 'If the TSC is changed by a write, the deadline is in the new TSC.' */
static void test_deadline_of_a_moved_tsc(void **state)
{
	static const uint64_t tsc[] = {0, 500, 1000000, 1ull << 40, 1ull << 63, UINT64_MAX - 10000};

	(void)state;
	use_deadline_mode();
	fake_tsc_advance(1000);
	for (unsigned i = 0; i < ARRAY_SIZE(tsc); i++) {
		wr(MSR_IA32_TSC, tsc[i]);
		can_hold(MSR_IA32_TSC_DEADLINE, tsc[i] + 300);
		assert_int_equal(vcpu_next_timer(vcpu), rdtsc() + 300);
		fake_tsc_advance(299);
		run_timers();
		assert_false(has_fired());
		fake_tsc_advance(1);
		run_timers();
		assert_true(has_fired());
		assert_int_equal(rd(MSR_IA32_TSC_DEADLINE), 0);
	}
}

/* 'APIC Timer': 'an interrupt is generated when the logical processor's time-stamp counter equals
 * or exceeds the target value in the IA32_TSC_DEADLINE MSR'. An armed one follows a write to the
 * TSC. */
static void test_armed_deadline_follows_the_tsc(void **state)
{
	(void)state;
	use_deadline_mode();
	fake_tsc_advance(1000);
	wr(MSR_IA32_TSC_DEADLINE, 2000);
	wr(MSR_IA32_TSC, 1500); /* 500 nearer */
	assert_int_equal(rd(MSR_IA32_TSC_DEADLINE), 2000);
	assert_int_equal(vcpu_next_timer(vcpu), rdtsc() + 500);
	wr(MSR_IA32_TSC, 100); /* and 1400 farther */
	assert_int_equal(rd(MSR_IA32_TSC_DEADLINE), 2000);
	assert_int_equal(vcpu_next_timer(vcpu), rdtsc() + 1900);
	fake_tsc_advance(1899);
	run_timers();
	assert_false(has_fired());
	/* Past it: at once. */
	wr(MSR_IA32_TSC, 2001);
	assert_true(vcpu_next_timer(vcpu) <= rdtsc());
	run_timers();
	assert_true(has_fired());
	assert_int_equal(rd(MSR_IA32_TSC_DEADLINE), 0);
	/* One that was due before the write is not lost by it. */
	wr(MSR_IA32_TSC_DEADLINE, 3000);
	fake_tsc_advance(1000);
	wr(MSR_IA32_TSC, 5);
	run_timers();
	assert_true(has_fired());
	/* Nothing armed, nothing comes. */
	wr(MSR_IA32_TSC, 1ull << 40);
	assert_true(vcpu_next_timer(vcpu) == DEADLINE_NEVER);
	/* One at the end of time comes as near as the TSC is moved to it. */
	wr(MSR_IA32_TSC, 7);
	wr(MSR_IA32_TSC_DEADLINE, UINT64_MAX - 5);
	assert_true(rd(MSR_IA32_TSC_DEADLINE) == UINT64_MAX - 5);
	wr(MSR_IA32_TSC, UINT64_MAX - 105);
	assert_int_equal(vcpu_next_timer(vcpu), rdtsc() + 100);
}

/* A deadline that has passed fires at once: also where the VM's TSC never had that time, or had
 * just 0 there, which would disarm. */
static void test_deadline_before_the_vm(void **state)
{
	const uint64_t moved = 1000000;
	static const uint64_t past[] = {1, 2, 998999, 999000, 999001, 999999, 1000000};

	(void)state;
	use_deadline_mode();
	fake_tsc_advance(1000);
	wr(MSR_IA32_TSC, moved); /* VM TSC 0 is this TSC's 999000 */
	for (unsigned i = 0; i < ARRAY_SIZE(past); i++) {
		wr(MSR_IA32_TSC_DEADLINE, past[i]);
		assert_true(vcpu_next_timer(vcpu) <= rdtsc());
		run_timers();
		assert_true(has_fired());
	}
	/* And with a TSC that was set back. */
	wr(MSR_IA32_TSC, 100);
	wr(MSR_IA32_TSC_DEADLINE, 99);
	run_timers();
	assert_true(has_fired());
}

/* One that is never reached never fires; nor does it become a time in the past for the host, whose
 * TSC is ahead. */
static void test_deadline_at_the_end_of_time(void **state)
{
	static const uint64_t late[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - TSC0,
					UINT64_MAX - TSC0 - 1, UINT64_MAX - TSC0 + 1};

	(void)state;
	use_deadline_mode();
	fake_tsc_advance(1000);
	for (unsigned i = 0; i < ARRAY_SIZE(late); i++) {
		can_hold(MSR_IA32_TSC_DEADLINE, late[i]);
		assert_true(vcpu_next_timer(vcpu) >= UINT64_MAX - TSC0);
		run_timers();
		assert_false(has_fired());
	}
	wr(MSR_IA32_TSC, 7); /* the VM's TSC is ahead of this one now */
	for (unsigned i = 0; i < ARRAY_SIZE(late); i++) {
		wr(MSR_IA32_TSC_DEADLINE, late[i]);
		assert_true(vcpu_next_timer(vcpu) >= UINT64_MAX - 2 * TSC0);
		run_timers();
		assert_false(has_fired());
	}
}

static void test_deadline_needs_the_feature(void **state)
{
	(void)state;
	use_deadline_mode();
	vcpu->cpuid.basic[1].ecx &= ~BIT(24);
	assert_read_gp(MSR_IA32_TSC_DEADLINE);
	assert_int_equal(msr_write(vcpu, MSR_IA32_TSC_DEADLINE, 5), -EPERM);
	assert_true(vcpu_next_timer(vcpu) == DEADLINE_NEVER);
}

/* --- KVM --- */

/* 'Address must be 4-byte aligned', 'bit 0 enables'; bit 1 is reserved. */
static void test_system_time(void **state)
{
	static const uint32_t msr[] = {MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME_NEW};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		can_hold(msr[i], 0x3000 | 1);
		assert_int_not_equal(area_u32(0x3000), 0);
		assert_int_equal(rd(msr[!i]), 0x3001);
		assert_write_gp(msr[i], 0x3003);
		assert_write_gp(msr[i], 0x3002);
		can_hold(msr[i], 0x3004 | 1);
	}
}

/* Outside RAM, or with its end outside: #GP, and nothing is written. */
static void test_system_time_outside_ram(void **state)
{
	static const uint64_t bad[] = {
		RAM - 28,   RAM,        0xa0000 - 28,          0xa0000,
		0xfee00000, 1ull << 40, UINT64_MAX & ~0x1full, UINT64_MAX & ~3ull};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(msr_write(vcpu, MSR_KVM_SYSTEM_TIME_NEW, bad[i] | 1), -EPERM);
		assert_int_equal(rd(MSR_KVM_SYSTEM_TIME_NEW), 0);
	}
	assert_int_equal(area_u32(RAM - 28), 0);
	assert_int_equal(area_u32(0xa0000 - 28), 0);
	can_hold(MSR_KVM_SYSTEM_TIME_NEW, (RAM - 32) | 1);
	can_hold(MSR_KVM_SYSTEM_TIME_NEW, (0xa0000 - 32) | 1);
}

/* 'Left alone once disabled', and refreshed while it is not. */
static void test_system_time_refresh(void **state)
{
	(void)state;
	wr(MSR_KVM_SYSTEM_TIME_NEW, 0x3001);
	fake_tsc_advance(5000);
	vcpu_moved(vcpu);
	assert_int_equal(area_u64(0x3008), 5000); /* tsc_timestamp */
	wr(MSR_KVM_SYSTEM_TIME_NEW, 0x3000);
	fake_tsc_advance(5000);
	vcpu_moved(vcpu);
	wr(MSR_IA32_TSC, 99);
	assert_int_equal(area_u64(0x3008), 5000);
}

/* 'Written once per MSR write', and 'only valid at the time of the write': the wall clock at which
 * the VM's clock was 0. */
static void test_wall_clock(void **state)
{
	(void)state;
	fake_tsc_advance(7000000000);
	wr(MSR_KVM_WALL_CLOCK_NEW, 0x6000);
	assert_int_equal(rd(MSR_KVM_WALL_CLOCK), 0x6000);
	assert_false(area_u32(0x6000) & 1);
	assert_int_not_equal(area_u32(0x6000), 0);
	assert_int_equal(area_u32(0x6004), 946684800);
	assert_int_equal(area_u32(0x6008), TSC0);
	assert_write_gp(MSR_KVM_WALL_CLOCK, 0x6001);
	assert_write_gp(MSR_KVM_WALL_CLOCK, 0x6002);
	assert_write_gp(MSR_KVM_WALL_CLOCK, RAM - 8);
	assert_write_gp(MSR_KVM_WALL_CLOCK, 0xa0000);
	wr(MSR_KVM_WALL_CLOCK, RAM - 12);
	/* As KVM has it, no address is no structure. */
	wr(MSR_KVM_WALL_CLOCK, 0);
	assert_int_equal(area_u32(0), 0);
}

/* 'POLL_CONTROL: readable and writable, reset value 1'; bits 63:1 are reserved. */
static void test_poll_control(void **state)
{
	(void)state;
	assert_int_equal(rd(MSR_KVM_POLL_CONTROL), 1);
	can_hold(MSR_KVM_POLL_CONTROL, 0);
	for (unsigned bit = 1; bit < 64; bit++)
		assert_write_gp(MSR_KVM_POLL_CONTROL, BIT_ULL(bit));
	can_hold(MSR_KVM_POLL_CONTROL, 1);
}

/* 'A KVM MSR whose feature is not offered gives #GP': what kvm_features() does not have, and all of
 * them with kvm=off. */
static void test_kvm_features(void **state)
{
	static const uint32_t absent[] = {MSR_KVM_ASYNC_PF_EN, MSR_KVM_ASYNC_PF_INT,
					  MSR_KVM_ASYNC_PF_ACK, MSR_KVM_MIGRATION_CONTROL,
					  0x4b564dff};
	static const uint32_t present[] = {MSR_KVM_WALL_CLOCK,     MSR_KVM_SYSTEM_TIME,
					   MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW,
					   MSR_KVM_POLL_CONTROL,   MSR_KVM_STEAL_TIME,
					   MSR_KVM_PV_EOI_EN};

	(void)state;
	assert_false(kvm_features() & (BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_MMU_OP) |
				       BIT(KVM_FEATURE_HC_MAP_GPA_RANGE)));
	assert_true(kvm_features() & BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT));
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		assert_read_gp(absent[i]);
		assert_int_equal(msr_write(vcpu, absent[i], 0), -EPERM);
	}
	vm->params.is_kvm_off = true;
	vm->params.kvm_withdrawn = kvm_withdrawn(&vm->params);
	for (unsigned i = 0; i < ARRAY_SIZE(present); i++) {
		assert_read_gp(present[i]);
		assert_int_equal(msr_write(vcpu, present[i], 0), -EPERM);
	}
	vm_machine.is_tsc_stable = false;
	assert_false(kvm_features() & BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT));
}

/* Both give the guest's memory back; POLL_CONTROL is 1 after a reset only. */
static void test_kvm_reset(void **state)
{
	(void)state;
	wr(MSR_KVM_SYSTEM_TIME_NEW, 0x3001);
	wr(MSR_KVM_POLL_CONTROL, 0);
	vcpu_reset(vcpu, true);
	assert_int_equal(rd(MSR_KVM_SYSTEM_TIME_NEW), 0);
	assert_int_equal(rd(MSR_KVM_POLL_CONTROL), 0);
	wr(MSR_KVM_SYSTEM_TIME_NEW, 0x3001);
	vcpu_reset(vcpu, false);
	assert_int_equal(rd(MSR_KVM_SYSTEM_TIME_NEW), 0);
	assert_int_equal(rd(MSR_KVM_POLL_CONTROL), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_row_is_found),
		TEST(test_unknown),
		TEST(test_read_only_and_write_only),
		TEST(test_canonical),
		TEST(test_32_bits),
		TEST(test_registers_are_apart),
		TEST(test_tsc_aux_comes_with_rdtscp),
		TEST(test_pat),
		TEST(test_debugctl),
		TEST(test_misc_enable),
		TEST(test_efer),
		TEST(test_efer_follows_cpuid),
		TEST(test_mtrr_reset),
		TEST(test_mtrr_types),
		TEST(test_mtrr_reserved_bits),
		TEST(test_mtrrs_are_apart),
		TEST(test_apic_base),
		TEST(test_x2apic),
		TEST(test_tsc),
		TEST(test_tsc_write_and_kvmclock),
		TEST(test_deadline),
		TEST(test_deadline_of_a_moved_tsc),
		TEST(test_armed_deadline_follows_the_tsc),
		TEST(test_deadline_before_the_vm),
		TEST(test_deadline_at_the_end_of_time),
		TEST(test_deadline_needs_the_feature),
		TEST(test_system_time),
		TEST(test_system_time_outside_ram),
		TEST(test_system_time_refresh),
		TEST(test_wall_clock),
		TEST(test_poll_control),
		TEST(test_kvm_features),
		TEST(test_kvm_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
