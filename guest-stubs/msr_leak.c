/* Proves that the registers which VM entry and exit do not switch by themselves, and those they do,
 * are a VM's own: at the start they have their reset values, nothing of the VM that ran here
 * before; and what this VM puts there outlives every halt and preemption. Start it twice on one
 * pCPU with different seeds. It ends with its pattern in them. Words: seed=, rounds= (100), us= (a
 * round, 2000). */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#include <asm/processor-flags.h>

#define DR6_RESET 0xffff0ff0ul
#define DR7_RESET 0x400ul

/* How a register's pattern is made from 64 random bits, so that the CPU takes it. */
enum shape { SHAPE_ANY, SHAPE_CANONICAL, SHAPE_32, SHAPE_16, SHAPE_PAT, SHAPE_DR6, SHAPE_DR7 };

struct reg {
	const char *name;
	uint64_t (*read)(uint32_t msr);
	void (*write)(uint32_t msr, uint64_t value);
	uint32_t msr;
	enum shape shape;
	uint64_t reset;
};

static uint64_t msr_get(uint32_t msr)
{
	return rdmsr(msr);
}

static void msr_set(uint32_t msr, uint64_t value)
{
	wrmsr(msr, value);
}

#define DEFINE_ACCESS(reg)                                                                         \
	static uint64_t reg##_get(uint32_t unused)                                                 \
	{                                                                                          \
		(void)unused;                                                                      \
		return read_##reg();                                                               \
	}                                                                                          \
	static void reg##_set(uint32_t unused, uint64_t value)                                     \
	{                                                                                          \
		(void)unused;                                                                      \
		write_##reg(value);                                                                \
	}
DEFINE_ACCESS(cr2)
DEFINE_ACCESS(dr0)
DEFINE_ACCESS(dr1)
DEFINE_ACCESS(dr2)
DEFINE_ACCESS(dr3)
DEFINE_ACCESS(dr6)
DEFINE_ACCESS(dr7)
#undef DEFINE_ACCESS

static uint64_t pkru_get(uint32_t unused)
{
	uint32_t v;

	(void)unused;
	__asm__ volatile("rdpkru" : "=a"(v) : "c"(0) : "rdx", "memory");
	return v;
}

static void pkru_set(uint32_t unused, uint64_t value)
{
	(void)unused;
	__asm__ volatile("wrpkru" : : "a"((uint32_t)value), "c"(0), "d"(0) : "memory");
}

static const struct reg regs[] = {
	{"IA32_STAR", msr_get, msr_set, MSR_STAR, SHAPE_ANY, 0},
	{"IA32_LSTAR", msr_get, msr_set, MSR_LSTAR, SHAPE_CANONICAL, 0},
	{"IA32_CSTAR", msr_get, msr_set, MSR_CSTAR, SHAPE_CANONICAL, 0},
	{"IA32_FMASK", msr_get, msr_set, MSR_FMASK, SHAPE_32, 0},
	{"IA32_KERNEL_GS_BASE", msr_get, msr_set, MSR_KERNEL_GS_BASE, SHAPE_CANONICAL, 0},
	{"IA32_FS_BASE", msr_get, msr_set, MSR_FS_BASE, SHAPE_CANONICAL, 0},
	{"IA32_GS_BASE", msr_get, msr_set, MSR_GS_BASE, SHAPE_CANONICAL, 0},
	{"IA32_SYSENTER_CS", msr_get, msr_set, MSR_SYSENTER_CS, SHAPE_16, 0},
	{"IA32_SYSENTER_ESP", msr_get, msr_set, MSR_SYSENTER_ESP, SHAPE_CANONICAL, 0},
	{"IA32_SYSENTER_EIP", msr_get, msr_set, MSR_SYSENTER_EIP, SHAPE_CANONICAL, 0},
	{"IA32_PAT", msr_get, msr_set, MSR_PAT, SHAPE_PAT, PAT_RESET},
	{"CR2", cr2_get, cr2_set, 0, SHAPE_ANY, 0},
	{"DR0", dr0_get, dr0_set, 0, SHAPE_CANONICAL, 0},
	{"DR1", dr1_get, dr1_set, 0, SHAPE_CANONICAL, 0},
	{"DR2", dr2_get, dr2_set, 0, SHAPE_CANONICAL, 0},
	{"DR3", dr3_get, dr3_set, 0, SHAPE_CANONICAL, 0},
	{"DR6", dr6_get, dr6_set, 0, SHAPE_DR6, DR6_RESET},
	{"DR7", dr7_get, dr7_set, 0, SHAPE_DR7, DR7_RESET},
	{"IA32_TSC_AUX", msr_get, msr_set, MSR_TSC_AUX, SHAPE_32, 0},
	{"PKRU", pkru_get, pkru_set, 0, SHAPE_32, 0},
};

static bool is_there(const struct reg *reg)
{
	if (reg->read == pkru_get)
		return cpuid(7, 0).ecx & BIT(3);
	if (reg->msr == MSR_TSC_AUX)
		return (cpuid(0x80000001, 0).edx & BIT(27)) || (cpuid(7, 0).ecx & BIT(22));
	return true;
}

static uint64_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return *random >> 32 | *random << 32;
}

/* IA32_PAT: entry 0 stays WB, this code runs under it; the others take any of the five legal types.
 */
static uint64_t pat_pattern(uint64_t v)
{
	static const uint8_t types[] = {0, 1, 4, 5, 6, 7};
	uint64_t pat = 6;

	for (unsigned i = 1; i < 8; i++, v >>= 8)
		pat |= (uint64_t)types[(v & 0xff) % ARRAY_SIZE(types)] << (i * 8);
	return pat;
}

static uint64_t pattern(enum shape shape, uint64_t v)
{
	switch (shape) {
	case SHAPE_CANONICAL: /* the upper half of the address space: no breakpoint there hits */
		return v | 0xffff800000000000ull;
	case SHAPE_32:
		return (uint32_t)v;
	case SHAPE_16:
		return (uint16_t)v;
	case SHAPE_PAT:
		return pat_pattern(v);
	case SHAPE_DR6: /* B0-B3 */
		return DR6_RESET | (v & 0xf);
	case SHAPE_DR7: /* L0-G3; R/W 3 and any length for each */
		return DR7_RESET | (v & 0xff) | 0x33330000ul | (v & 0xc0c00000ul) |
		       (v & 0x0c0c0000ul);
	default:
		return v;
	}
}

static void check_entry(void)
{
	const uint64_t *r = (const uint64_t *)&entry_regs;
	uint64_t or_of_all = 0;

	for (unsigned i = 0; i < sizeof(entry_regs) / sizeof(*r); i++)
		or_of_all |= r[i];
	is(or_of_all, 0, "the general registers are zero at the entry");
	for (const struct reg *reg = regs; reg < regs + ARRAY_SIZE(regs); reg++)
		if (is_there(reg))
			is(reg->read(reg->msr), reg->reset, "%s has its reset value", reg->name);
}

static void write_all(uint64_t seed, uint64_t *want)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ull + 1;

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		want[i] = pattern(regs[i].shape, next_random(&random));
		if (is_there(&regs[i]))
			regs[i].write(regs[i].msr, want[i]);
	}
}

static uint64_t count_differing(uint64_t round, const uint64_t *want)
{
	uint64_t bad = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		uint64_t got;

		if (!is_there(&regs[i]))
			continue;
		got = regs[i].read(regs[i].msr);
		if (got == want[i])
			continue;
		bad++;
		diag("round %lu: %s is 0x%lx, was set to 0x%lx", round, regs[i].name, got, want[i]);
	}
	return bad;
}

void stub_main(void)
{
	uint64_t seed = cmdline_u64("seed", 1);
	uint64_t rounds = cmdline_u64("rounds", 100);
	uint64_t round_ns = cmdline_u64("us", 2000) * NS_PER_US;
	uint64_t want[ARRAY_SIZE(regs)], bad = 0, bad_control = 0;
	uint64_t cr0, cr3, cr4, efer;

	if (cpuid(7, 0).ecx & BIT(3))
		write_cr4(read_cr4() | X86_CR4_PKE);
	diag("seed %lu", seed);
	check_entry();
	timer_init();
	cr0 = read_cr0();
	cr3 = read_cr3();
	cr4 = read_cr4();
	efer = rdmsr(MSR_EFER);
	for (uint64_t i = 0; i < rounds; i++) {
		write_all(seed * rounds + i, want);
		/* Even rounds leave by HLT, odd ones are busy and preempted, if somebody wants to.
		 */
		if (i % 2)
			clock_spin_ns(round_ns);
		else
			timer_halt_ns(round_ns);
		bad += count_differing(i, want);
		bad_control += read_cr0() != cr0 || read_cr3() != cr3 || read_cr4() != cr4 ||
			       rdmsr(MSR_EFER) != efer;
	}
	is(bad, 0, "all registers were intact after each of %lu rounds", rounds);
	is(bad_control, 0, "CR0, CR3, CR4 and EFER were too");
}
