/* The CPUID policy against what a Skylake-X answers (a dump of the real part: more to hide than an
 * emulator has) and against made-up hosts. Quotes: SDM, 'CPUID-CPU Identification'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <asm/kvm_para.h>

#include "guest/cpuid.h"
#include "guest/cpuid_features.h"
#include "lib/errno.h"

#define ALL_SWITCHED (0x7u | 0xe0u | 0x200u)

struct dump {
	uint32_t leaf, subleaf;
	struct cpuid_regs regs;
};

static const struct dump skylake_x[] = {
	{0, 0, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
	{1, 0, {0x00050654, 0x05100800, 0x7ffefbff, 0xbfebfbff}},
	{2, 0, {0x76036301, 0x00f0b5ff, 0, 0x00c30000}},
	{4, 0, {0x1c004121, 0x01c0003f, 0x3f, 0}},
	{4, 1, {0x1c004122, 0x01c0003f, 0x3f, 0}},
	{4, 2, {0x1c004143, 0x03c0003f, 0x3ff, 0}},
	{4, 3, {0x1c03c163, 0x0280003f, 0x2fff, 4}},
	{5, 0, {0x40, 0x40, 3, 0x2020}},
	{6, 0, {0x75, 2, 9, 0}},
	{7, 0, {0, 0xd39ffffb, 0, 0xac000400}},
	{0xa, 0, {0x07300404, 0, 0, 0x603}},
	{0xb, 0, {1, 2, 0x100, 5}},
	{0xb, 1, {4, 12, 0x201, 5}},
	{0xd, 0, {0xff, 0xa80, 0xa80, 0}},
	{0xd, 1, {0xf, 0xa00, 0x100, 0}},
	{0xd, 2, {0x100, 0x240, 0, 0}},
	{0xd, 3, {0x40, 0x3c0, 0, 0}},
	{0xd, 4, {0x40, 0x400, 0, 0}},
	{0xd, 5, {0x40, 0x440, 0, 0}},
	{0xd, 6, {0x200, 0x480, 0, 0}},
	{0xd, 7, {0x400, 0x680, 0, 0}},
	{0xd, 8, {0x80, 0, 1, 0}},
	{0xf, 0, {0, 0x2f, 0, 2}},
	{0x10, 0, {0, 0xa, 0, 0}},
	{0x14, 0, {1, 0xf, 7, 0}},
	{0x15, 0, {2, 0x124, 0, 0}},
	{0x16, 0, {0xdac, 0xfa0, 0x64, 0}},
	{0x80000000, 0, {0x80000008, 0, 0, 0}},
	{0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
	{0x80000002, 0, {0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865}},
	{0x80000003, 0, {0x37692029, 0x3038372d, 0x43205830, 0x40205550}},
	{0x80000004, 0, {0x352e3320, 0x7a484730, 0, 0}},
	{0x80000006, 0, {0, 0, 0x01006040, 0}},
	{0x80000007, 0, {0, 0, 0, 0x100}},
	{0x80000008, 0, {0x302e, 0, 0, 0}},
};

static struct cpuid_regs host_skylake_x(uint32_t leaf, uint32_t subleaf)
{
	bool has_sub = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;

	for (size_t i = 0; i < ARRAY_SIZE(skylake_x); i++)
		if (skylake_x[i].leaf == leaf && (!has_sub || skylake_x[i].subleaf == subleaf))
			return skylake_x[i].regs;
	return (struct cpuid_regs){0};
}

/* A host that says yes to everything, with state components up to AMX and leaves up to 0x24. */
static struct cpuid_regs host_all_ones(uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){.eax = 0x24, .ebx = ~0u, .ecx = ~0u, .edx = ~0u};
	case 4:
		return (struct cpuid_regs){0};
	case 7:
		return (struct cpuid_regs){subleaf ? ~0u : 2, ~0u, ~0u, ~0u};
	case 0xd:
		if (subleaf == 0)
			return (struct cpuid_regs){.eax = 0x602e7, .ebx = 0x2b00, .ecx = 0x2b00};
		if (subleaf == 1)
			return (struct cpuid_regs){.eax = 0x1f, .ebx = 1, .ecx = ~0u, .edx = ~0u};
		if (subleaf == 9) /* PKRU, in the compacted form on a 64-byte boundary */
			return (struct cpuid_regs){.eax = 8, .ebx = 0xa80, .ecx = ~0u, .edx = ~0u};
		if (subleaf == 17)
			return (struct cpuid_regs){.eax = 64, .ebx = 0xac0, .ecx = 2};
		if (subleaf == 18)
			return (struct cpuid_regs){.eax = 8192, .ebx = 0xb00, .ecx = 2};
		return host_skylake_x(leaf, subleaf);
	case 0x80000000:
		return (struct cpuid_regs){.eax = 0x80000021};
	default:
		return (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
	}
}

/* The same without ERMS, AVX2, RDTSCP and PCID, and with a PKRU that has no size (as Bochs 2.7
 * has). */
static struct cpuid_regs host_gaps(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = host_all_ones(leaf, subleaf);

	if (leaf == 7 && subleaf == 0) {
		r.eax = 0;
		r.ebx &= ~(BIT(9) | BIT(5));
	}
	if (leaf == 0x80000001)
		r.edx &= ~BIT(27);
	if (leaf == 1)
		r.ecx &= ~BIT(17);
	if (leaf == 0xd && subleaf == 9)
		r.eax = 0;
	return r;
}

/* A host whose leaves end at 6 and 0x80000001: beyond, Intel's answer with the highest basic leaf's
 * data. */
static struct cpuid_regs host_short(uint32_t leaf, uint32_t subleaf)
{
	if (leaf == 0)
		return (struct cpuid_regs){.eax = 6};
	if (leaf == 0x80000000)
		return (struct cpuid_regs){.eax = 0x80000001};
	return host_all_ones(leaf, subleaf);
}

static struct cpuid_config config_for(struct cpuid_regs (*host)(uint32_t, uint32_t))
{
	return (struct cpuid_config){
		.host = host,
		.xcr0_supported = ALL_SWITCHED,
		.kvm_features = 0x0100000b,
		.kvm_hints = 1,
		.has_invariant_tsc = true,
		.has_tsc_deadline = true,
		.has_x2apic = true,
		.topology = {1, 1, 1},
	};
}

static void build(struct cpuid_table *t, const struct cpuid_config *c, uint32_t apic_id)
{
	char bad[16];

	memset(t, 0xa5, sizeof(*t)); /* nothing may be left as it was */
	assert_int_equal(cpuid_build(t, c, apic_id, bad, sizeof(bad)), 0);
}

#define assert_regs(r, a, b, c, d)                                                                 \
	do {                                                                                       \
		struct cpuid_regs r_ = (r);                                                        \
		assert_int_equal(r_.eax, (uint32_t)(a));                                           \
		assert_int_equal(r_.ebx, (uint32_t)(b));                                           \
		assert_int_equal(r_.ecx, (uint32_t)(c));                                           \
		assert_int_equal(r_.edx, (uint32_t)(d));                                           \
	} while (0)

static void test_skylake_plain_leaves(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_regs(cpuid_lookup(&t, 0, 0), 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	/* ECX: SSE3 PCLMULQDQ SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline
	 * AES XSAVE AVX F16C RDRAND hypervisor. EDX: all but PSN, DS, ACPI, HTT, TM, PBE. */
	assert_regs(cpuid_lookup(&t, 1, 0), 0x00050654, 0x00010800, 0xf7fa3203, 0x0f8bfbff);
	assert_regs(cpuid_lookup(&t, 2, 0), 0x76036301, 0x00f0b5ff, 0, 0x00c30000);
	assert_regs(cpuid_lookup(&t, 3, 0), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 5, 0), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 6, 0), 4, 0, 0, 0);
	/* Without TSC_ADJUST, HLE, RTM, PQM, PQE, MPX, PT; of EDX MD_CLEAR alone. */
	assert_regs(cpuid_lookup(&t, 7, 0), 0, 0xd19f27e9, 0, 0x400);
	assert_regs(cpuid_lookup(&t, 7, 1), 0, 0, 0, 0);
	for (uint32_t leaf = 8; leaf <= 0xa; leaf++)
		assert_regs(cpuid_lookup(&t, leaf, 0), 0, 0, 0, 0);
	for (uint32_t leaf = 0xe; leaf <= 0x1e; leaf++)
		assert_regs(cpuid_lookup(&t, leaf, 0), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0x80000000, 0), 0x80000008, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0x80000001, 0), 0, 0, 0x121, 0x2c100800);
	assert_regs(cpuid_lookup(&t, 0x80000003, 0), 0x37692029, 0x3038372d, 0x43205830,
		    0x40205550);
	assert_regs(cpuid_lookup(&t, 0x80000005, 0), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0x80000006, 0), 0, 0, 0x01006040, 0);
	assert_regs(cpuid_lookup(&t, 0x80000007, 0), 0, 0, 0, 0x100);
	assert_regs(cpuid_lookup(&t, 0x80000008, 0), 0x302e, 0, 0, 0);
}

/* Nothing reaches a guest because a future host has it: of a host of ones, exactly the rows. */
static void test_only_rows_are_shown(void **state)
{
	struct cpuid_config c = config_for(host_all_ones);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_int_equal(t.basic_max, 0x1f);
	assert_int_equal(t.ext_max, 0x80000008);
	assert_int_equal(cpuid_lookup(&t, 1, 0).ecx, 0xf7fa3203);
	assert_int_equal(cpuid_lookup(&t, 1, 0).edx, 0x0f8bfbff);
	assert_int_equal(cpuid_lookup(&t, 7, 0).eax, 1);
	assert_int_equal(cpuid_lookup(&t, 7, 0).ebx, 0xfdbf27e9);
	assert_int_equal(cpuid_lookup(&t, 7, 0).ecx, 0x1a405f4e);
	assert_int_equal(cpuid_lookup(&t, 7, 0).edx, 0x0080451c);
	assert_regs(cpuid_lookup(&t, 7, 1), 0x00801cb7, 0, 0, 0x00004430);
	assert_regs(cpuid_lookup(&t, 7, 2), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0x80000001, 0), 0, 0, 0x121, 0x2c100800);
	assert_regs(cpuid_lookup(&t, 0x80000007, 0), 0, 0, 0, 0x100);
	assert_regs(cpuid_lookup(&t, 0x80000008, 0), 0xffff, 0, 0, 0);
	/* The ones to be sure of: VMX, SMX, MONITOR; TSC_ADJUST, SGX; LA57, CET, WAITPKG;
	 * SPEC_CTRL, ARCH_CAPABILITIES; XSAVES, XFD. */
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 5));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 6));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 3));
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 1));
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 2));
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 16));
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 7));
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 5));
	assert_false(cpuid_has(&t, 7, 0, REG_EDX, 26));
	assert_false(cpuid_has(&t, 7, 0, REG_EDX, 29));
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).eax, 7);
}

/* Each row names its own bit, and what it needs stands before it. */
static void test_feature_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < cpuid_feature_count; i++) {
		const struct cpuid_feature *f = &cpuid_features[i];

		assert_ptr_equal(cpuid_feature_find(f->name, strlen(f->name)), f);
		assert_true(f->reg <= REG_EDX && f->bit < 32);
		if (f->needs)
			assert_true(cpuid_feature_find(f->needs, strlen(f->needs)) < f);
		for (unsigned j = 0; j < i; j++) {
			const struct cpuid_feature *g = &cpuid_features[j];

			assert_false(f->leaf == g->leaf && f->subleaf == g->subleaf &&
				     f->reg == g->reg && f->bit == g->bit);
		}
	}
}

/* 'FSRM shown only with ERMS', RDPID with RDTSCP, INVPCID with PCID, AVX-512 with AVX2. */
static void test_a_feature_falls_with_what_it_needs(void **state)
{
	struct cpuid_config c = config_for(host_gaps);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_false(cpuid_has(&t, 7, 0, REG_EDX, 4)); /* FSRM */
	assert_int_equal(cpuid_lookup(&t, 7, 0).eax, 0);
	assert_regs(cpuid_lookup(&t, 7, 1), 0, 0, 0, 0);
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 22)); /* RDPID */
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 10)); /* INVPCID */
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 16)); /* AVX512F */
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 11)); /* AVX512_VNNI */
	assert_true(cpuid_has(&t, 1, 0, REG_ECX, 28));  /* AVX stays */
	/* A state component without a size cannot be saved: PKU goes, and its XCR0 bit. */
	assert_false(cpuid_has(&t, 7, 0, REG_ECX, 3));
	assert_int_equal(cpuid_xcr0_allowed(&t), 7);
}

static void test_a_host_with_few_leaves(void **state)
{
	struct cpuid_config c = config_for(host_short);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_int_equal(cpuid_lookup(&t, 0, 0).eax, 0x1f); /* leaf 0x1F is the policy's own */
	assert_regs(cpuid_lookup(&t, 7, 0), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xb, 0), 0, 1, 0x100, 0);
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 26)); /* XSAVE without leaf 0xD */
	assert_int_equal(cpuid_xcr0_allowed(&t), 0);
	assert_int_equal(cpuid_lookup(&t, 0x80000000, 0).eax, 0x80000001);
	assert_false(cpuid_has(&t, 0x80000007, 0, REG_EDX, 8));
	assert_true(cpuid_has(&t, 0x80000001, 0, REG_EDX, 29));
}

/* 'EBX: Maximum size (bytes, from the beginning of the XSAVE/XRSTOR save area) required by enabled
 * features in XCR0', 'ECX: [...] by all supported features'. MPX is not among them. */
static void test_xsave_sizes_follow_xcr0(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 0), 0xe7, 576, 2688, 0);
	/* 'If EAX[3] is enumerated as 0 and EAX[1] as 1, EBX enumerates the size of the XSAVE area
	 * containing all states enabled by XCR0'; no bits of IA32_XSS. */
	assert_regs(cpuid_lookup(&t, 0xd, 1), 7, 576, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 2), 0x100, 0x240, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 3), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 7), 0x400, 0x680, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 8), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 63), 0, 0, 0, 0);

	cpuid_update_xcr0(&t, 3, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ebx, 576);
	cpuid_update_xcr0(&t, 7, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ebx, 832);
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).ebx, 832);
	cpuid_update_xcr0(&t, 0xe7, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ebx, 2688);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ecx, 2688);
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024);

	c.xcr0_supported = 7;
	build(&t, &c, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 0), 7, 576, 832, 0);
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 16));
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 31));
	assert_true(cpuid_has(&t, 7, 0, REG_EBX, 5));

	c.xcr0_supported = 0; /* XSAVE is not switched at all */
	build(&t, &c, 0);
	cpuid_update_xcr0(&t, 1, 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_regs(cpuid_lookup(&t, 0xd, i), 0, 0, 0, 0);
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 26));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 28));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 12));
}

/* 'Bit 01 is set if, when the compacted format of an XSAVE area is used, this extended state
 * component located on the next 64-byte boundary following the preceding state component.' */
static void test_compacted_alignment(void **state)
{
	struct cpuid_config c = config_for(host_all_ones);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_int_equal(cpuid_xcr0_allowed(&t), 0x2e7); /* AMX is not switched */
	assert_regs(cpuid_lookup(&t, 0xd, 9), 8, 0xa80, 2, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ecx, 0xa88);
	cpuid_update_xcr0(&t, 0x207, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 0).ebx, 0xa88);
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).ebx, 832 + 8);
	t.subd[2].eax = 0x104; /* an odd size: the next goes to the boundary */
	cpuid_update_xcr0(&t, 0x207, 0);
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).ebx, 896 + 8);

	c.delta = "-xsavec";
	c.delta_len = 7;
	build(&t, &c, 0);
	cpuid_update_xcr0(&t, 7, 0);
	assert_regs(cpuid_lookup(&t, 0xd, 1), 5, 0, 0, 0);
}

/* Topology: cores of one thread in one package. */
static void test_topology(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	c.topology.cores = 3;
	build(&t, &c, 2);
	/* EBX 31:24 'Initial APIC ID', 23:16 'Maximum number of addressable IDs', HTT set. */
	assert_int_equal(cpuid_lookup(&t, 1, 0).ebx, 0x02040800);
	assert_true(cpuid_has(&t, 1, 0, REG_EDX, 28));
	/* 'EAX 31-26: Maximum number of addressable IDs for processor cores in the physical
	 * package' minus 1; '25-14: [...] for logical processors sharing this cache' minus 1. */
	assert_regs(cpuid_lookup(&t, 4, 0), 0x0c000121, 0x01c0003f, 0x3f, 0);
	assert_regs(cpuid_lookup(&t, 4, 2), 0x0c000143, 0x03c0003f, 0x3ff, 0);
	assert_regs(cpuid_lookup(&t, 4, 3), 0x0c00c163, 0x0280003f, 0x2fff, 4);
	assert_regs(cpuid_lookup(&t, 4, 4), 0, 0, 0, 0);
	assert_regs(cpuid_lookup(&t, 4, 99), 0, 0, 0, 0);
	/* 'EAX 4-0: Number of bits to shift right on x2APIC ID to get a unique topology ID of the
	 * next level type'; 'EDX: x2APIC ID the current logical processor'. */
	assert_regs(cpuid_lookup(&t, 0xb, 0), 0, 1, 0x100, 2);
	assert_regs(cpuid_lookup(&t, 0xb, 1), 2, 3, 0x201, 2);
	/* Beyond: level type 0, 'ECX[7:0] contains the same value' as the input, EDX the ID. */
	assert_regs(cpuid_lookup(&t, 0xb, 2), 0, 0, 2, 2);
	assert_regs(cpuid_lookup(&t, 0xb, 0x105), 0, 0, 5, 2);

	c.topology.cores = 1;
	build(&t, &c, 0);
	assert_int_equal(cpuid_lookup(&t, 1, 0).ebx, 0x00010800);
	assert_false(cpuid_has(&t, 1, 0, REG_EDX, 28));
	assert_regs(cpuid_lookup(&t, 0xb, 1), 0, 1, 0x201, 0);
	assert_regs(cpuid_lookup(&t, 4, 3), 0x00000163, 0x0280003f, 0x2fff, 4);

	c.topology.cores = 16;
	build(&t, &c, 15);
	assert_int_equal(cpuid_lookup(&t, 1, 0).ebx, 0x0f100800);
	assert_regs(cpuid_lookup(&t, 0xb, 1), 4, 16, 0x201, 15);
	assert_regs(cpuid_lookup(&t, 4, 3), 0x3c03c163, 0x0280003f, 0x2fff, 4);
}

/* Sockets, cores and threads that are no powers of two: 'EAX 4-0' leave whole bits to each level,
 * and leaf 0x1F, 'V2 Extended Topology Enumeration', says what leaf 0xB says. */
static void test_topology_of_three_levels(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	c.topology = (struct topology){2, 3, 2};
	assert_int_equal(topology_apic_id(&c.topology, 0), 0);
	assert_int_equal(topology_apic_id(&c.topology, 1), 1);
	assert_int_equal(topology_apic_id(&c.topology, 5), 5);
	assert_int_equal(topology_apic_id(&c.topology, 6), 8); /* the second socket's first */
	assert_int_equal(topology_apic_id(&c.topology, 11), 13);
	build(&t, &c, 13);
	assert_int_equal(cpuid_lookup(&t, 0, 0).eax, 0x1f);
	assert_int_equal(cpuid_lookup(&t, 1, 0).ebx, 0x0d080800);
	assert_true(cpuid_has(&t, 1, 0, REG_EDX, 28));
	for (uint32_t leaf = 0xb; leaf <= 0x1f; leaf += 0x14) {
		assert_regs(cpuid_lookup(&t, leaf, 0), 1, 2, 0x100, 13);
		assert_regs(cpuid_lookup(&t, leaf, 1), 3, 6, 0x201, 13);
		assert_regs(cpuid_lookup(&t, leaf, 2), 0, 0, 2, 13);
		assert_regs(cpuid_lookup(&t, leaf, 0x105), 0, 0, 5, 13);
	}
	/* A core's threads share its L1 and L2; four addressable cores; all share L3. */
	assert_regs(cpuid_lookup(&t, 4, 0), 0x0c004121, 0x01c0003f, 0x3f, 0);
	assert_regs(cpuid_lookup(&t, 4, 2), 0x0c004143, 0x03c0003f, 0x3ff, 0);
	assert_regs(cpuid_lookup(&t, 4, 3), 0x0c01c163, 0x0280003f, 0x2fff, 4);

	/* Sixteen sockets of one: each is alone, so no HTT. */
	c.topology = (struct topology){16, 1, 1};
	assert_int_equal(topology_apic_id(&c.topology, 15), 15);
	build(&t, &c, 15);
	assert_int_equal(cpuid_lookup(&t, 1, 0).ebx, 0x0f010800);
	assert_false(cpuid_has(&t, 1, 0, REG_EDX, 28));
	assert_regs(cpuid_lookup(&t, 0x1f, 1), 0, 1, 0x201, 15);
	assert_regs(cpuid_lookup(&t, 4, 3), 0x00000163, 0x0280003f, 0x2fff, 4);
}

/* 'the data for the highest basic information leaf is returned', which may itself look at ECX. */
static void test_out_of_range(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;
	static const uint32_t beyond[] = {0x20,       0x3fffffff, 0x40000002, 0x40000100,
					  0x7fffffff, 0x80000009, 0xc0000000, UINT32_MAX};

	(void)state;
	build(&t, &c, 0);
	t.subb[1] = (struct cpuid_regs){1, 2, 3, 4};
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++)
		assert_regs(cpuid_lookup(&t, beyond[i], 1), 1, 2, 3, 4);
	t.basic_max = 0xd;
	for (size_t i = 0; i < ARRAY_SIZE(beyond); i++)
		assert_regs(cpuid_lookup(&t, beyond[i], 7), 0x400, 0x680, 0, 0);
	assert_false(cpuid_has(&t, 0x17, 7, REG_EAX, 10)); /* not a feature for all that */
	assert_false(cpuid_has(&t, 0x80000009, 7, REG_EAX, 10));
}

static void test_kvm_leaves(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;
	struct cpuid_regs r;

	(void)state;
	build(&t, &c, 0);
	r = cpuid_lookup(&t, KVM_CPUID_SIGNATURE, 0);
	assert_int_equal(r.eax, KVM_CPUID_FEATURES);
	assert_memory_equal(&r.ebx, "KVMKVMKVM\0\0\0", 12);
	assert_regs(cpuid_lookup(&t, KVM_CPUID_FEATURES, 0), 0x0100000b, 0, 0, 1);

	c.is_kvm_off = true;
	build(&t, &c, 0);
	t.subb[0].eax = 0x1234;
	assert_int_equal(cpuid_lookup(&t, KVM_CPUID_SIGNATURE, 0).eax, 0x1234);
	assert_int_equal(cpuid_lookup(&t, KVM_CPUID_FEATURES, 0).eax, 0x1234);
	assert_true(cpuid_has(&t, 1, 0, REG_ECX, 31));
	assert_false(cpuid_has(&t, KVM_CPUID_FEATURES, 0, REG_EAX, 0));
}

static void test_configuration(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	c.has_invariant_tsc = c.has_tsc_deadline = c.has_x2apic = false;
	c.is_rdrand_hidden = true;
	build(&t, &c, 0);
	assert_false(cpuid_has(&t, 0x80000007, 0, REG_EDX, 8));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 21));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 24));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 30));
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 18));
	assert_true(cpuid_has(&t, 1, 0, REG_ECX, 25));
}

/* A host whose XSAVEC does not do what the SDM says: guests save by XSAVEOPT, and the compacted
 * size of leaf 0xD.1 is not there. */
static void test_broken_xsavec(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;

	(void)state;
	build(&t, &c, 0);
	assert_true(cpuid_has(&t, 0xd, 1, REG_EAX, 1));
	c.is_xsavec_broken = true;
	build(&t, &c, 0);
	assert_false(cpuid_has(&t, 0xd, 1, REG_EAX, 1));
	assert_true(cpuid_has(&t, 0xd, 1, REG_EAX, 0));
	assert_int_equal(cpuid_lookup(&t, 0xd, 1).ebx, 0);
}

static void test_delta(void **state)
{
	static const char delta[] = "-avx,-smep,-hypervisorXXX";
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t;
	char bad[8];

	(void)state;
	c.delta = delta;
	c.delta_len = sizeof("-avx,-smep,-hypervisor") - 1; /* it is not terminated */
	build(&t, &c, 0);
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 28));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 12)); /* FMA falls with AVX */
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 16));
	assert_int_equal(cpuid_xcr0_allowed(&t), 3);
	assert_false(cpuid_has(&t, 7, 0, REG_EBX, 7));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 31));
	assert_true(cpuid_has(&t, 7, 0, REG_EBX, 20));
	assert_true(cpuid_has(&t, 1, 0, REG_ECX, 26));

	static const struct {
		const char *delta, *bad;
	} wrong[] = {
		{"-smep,-nosuch", "-nosuch"}, {"smep", "smep"},   {"-", "-"},
		{"-smep,,-smap", ""},         {"+smep", "+smep"}, {"-averylongname", "-averyl"},
		{"-apic", "-apic"},           {"-sme", "-sme"},   {"-smepp", "-smepp"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		c.delta = wrong[i].delta;
		c.delta_len = strlen(c.delta);
		assert_int_equal(cpuid_build(&t, &c, 0, bad, sizeof(bad)), -EINVAL);
		assert_string_equal(bad, wrong[i].bad);
	}
}

/* 'OSXSAVE: A value of 1 indicates that the OS has set CR4.OSXSAVE[bit 18]', OSPKE the same for
 * CR4.PKE; 'APIC' is clear while IA32_APIC_BASE disables it. */
static void test_dynamic_bits(void **state)
{
	struct cpuid_config c = config_for(host_skylake_x);
	struct cpuid_table t, before;

	(void)state;
	build(&t, &c, 0);
	before = t;
	assert_true(cpuid_has(&t, 1, 0, REG_EDX, 9));
	assert_false(cpuid_has(&t, 1, 0, REG_ECX, 27));
	cpuid_update_osxsave(&t, true);
	assert_true(cpuid_has(&t, 1, 0, REG_ECX, 27));
	cpuid_update_ospke(&t, true);
	assert_true(cpuid_has(&t, 7, 0, REG_ECX, 4));
	cpuid_update_apic_enable(&t, false);
	assert_false(cpuid_has(&t, 1, 0, REG_EDX, 9));
	cpuid_update_osxsave(&t, false);
	cpuid_update_ospke(&t, false);
	cpuid_update_apic_enable(&t, true);
	assert_memory_equal(&t, &before, sizeof(t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_skylake_plain_leaves),
		cmocka_unit_test(test_only_rows_are_shown),
		cmocka_unit_test(test_feature_rows),
		cmocka_unit_test(test_a_feature_falls_with_what_it_needs),
		cmocka_unit_test(test_a_host_with_few_leaves),
		cmocka_unit_test(test_xsave_sizes_follow_xcr0),
		cmocka_unit_test(test_compacted_alignment),
		cmocka_unit_test(test_topology),
		cmocka_unit_test(test_topology_of_three_levels),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_kvm_leaves),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_broken_xsavec),
		cmocka_unit_test(test_delta),
		cmocka_unit_test(test_dynamic_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
