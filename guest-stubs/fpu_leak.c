/* Proves that the extended state (x87, SSE, AVX, AVX-512, PKRU: what CPUID offers) is a VM's own:
 * at the start it is the architectural reset state, nothing of the VM that ran here before; and
 * what this VM puts there outlives every halt and preemption. Start it twice on one pCPU with
 * different seeds. It ends with its pattern in the registers. Words: seed=, rounds= (default 100),
 * us= (a round, default 2000). */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#include <asm/processor-flags.h>

#define XSAVE_MAX_SIZE 8192
#define LEGACY_SIZE    512

/* Offsets in the legacy region: SDM, 'XSAVE Area'. */
#define AT_FCW        0
#define AT_FSW        2
#define AT_FTW        4
#define AT_FOP        6
#define AT_MXCSR      24
#define AT_ST         32
#define AT_XMM        160
#define AT_LEGACY_END 416
#define AT_XSTATE_BV  512

#define FCW_RESET      0x0040
#define FCW_FNINIT     0x037f
#define FTW_EMPTY      0x00 /* abridged */
#define FTW_ALL_VALID  0xff
#define MXCSR_RESET    0x1f80
#define ROUNDING_SHIFT 13 /* MXCSR.RC */
#define FCW_RC_SHIFT   10

#define XFEATURE_X87    BIT(0)
#define XFEATURE_SSE    BIT(1)
#define XFEATURE_AVX    BIT(2)
#define XFEATURE_AVX512 (BIT(5) | BIT(6) | BIT(7))
#define XFEATURE_PKRU   BIT(9)

static uint8_t loaded[XSAVE_MAX_SIZE] __aligned(64);
static uint8_t saved[XSAVE_MAX_SIZE] __aligned(64);
static bool has_xsave;
static uint64_t xcr0;

static void save(void)
{
	memset(saved, 0, sizeof(saved));
	if (has_xsave)
		__asm__ volatile("xsave64 %0"
				 : "+m"(saved)
				 : "a"((uint32_t)xcr0), "d"((uint32_t)(xcr0 >> 32)));
	else
		__asm__ volatile("fxsave64 %0" : "+m"(saved));
}

static void load(void)
{
	if (has_xsave)
		__asm__ volatile("xrstor64 %0"
				 :
				 : "m"(loaded), "a"((uint32_t)xcr0), "d"((uint32_t)(xcr0 >> 32)));
	else
		__asm__ volatile("fxrstor64 %0" : : "m"(loaded));
}

/* Switches on everything that CPUID offers and this stub knows. */
static void enable(void)
{
	struct cpuid_regs offered;

	write_cr0((read_cr0() & ~(uint64_t)(X86_CR0_EM | X86_CR0_TS)) | X86_CR0_MP);
	write_cr4(read_cr4() | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT);
	has_xsave = cpuid(1, 0).ecx & BIT(26);
	xcr0 = XFEATURE_X87 | XFEATURE_SSE;
	if (!has_xsave)
		return;
	write_cr4(read_cr4() | X86_CR4_OSXSAVE);
	offered = cpuid(0xd, 0);
	xcr0 = offered.eax &
	       (XFEATURE_X87 | XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512 | XFEATURE_PKRU);
	if (cpuid(7, 0).ecx & BIT(3))
		write_cr4(read_cr4() | X86_CR4_PKE);
	xsetbv(0, xcr0);
	if (cpuid(0xd, 0).ebx > XSAVE_MAX_SIZE)
		bail("the XSAVE area of %u bytes does not fit", cpuid(0xd, 0).ebx);
}

static bool is_zero(const uint8_t *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (from[i])
			return false;
	return true;
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

/* SDM, 'IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT'; a hypervisor may
 * start with what FNINIT leaves. */
static void check_reset_state(void)
{
	uint16_t fcw;

	save();
	fcw = get16(saved + AT_FCW);
	diag("FCW 0x%x, FSW 0x%x, FTW 0x%x, MXCSR 0x%x", fcw, get16(saved + AT_FSW), saved[AT_FTW],
	     get16(saved + AT_MXCSR));
	ok(fcw == FCW_RESET || fcw == FCW_FNINIT, "x87 control word of a reset");
	ok(!get16(saved + AT_FSW) && !get16(saved + AT_FOP) && is_zero(saved + 8, 16),
	   "x87 status, opcode and pointers are zero");
	ok(saved[AT_FTW] == FTW_EMPTY || saved[AT_FTW] == FTW_ALL_VALID, "x87 tags of a reset");
	ok(is_zero(saved + AT_ST, AT_XMM - AT_ST), "the x87 stack is zero");
	is(get16(saved + AT_MXCSR), MXCSR_RESET, "MXCSR of a reset");
	ok(is_zero(saved + AT_XMM, AT_LEGACY_END - AT_XMM), "XMM0-XMM15 are zero");
	for (unsigned i = 2; i < 32; i++) {
		struct cpuid_regs c = cpuid(0xd, i);

		if (xcr0 & BIT(i))
			ok(is_zero(saved + c.ebx, c.eax), "state component %u is zero", i);
	}
}

static void fill(uint8_t *at, size_t len, uint64_t *random)
{
	for (size_t i = 0; i < len; i++) {
		*random = *random * 6364136223846793005ull + 1442695040888963407ull;
		at[i] = (uint8_t)(*random >> 56);
	}
}

/* An image whose every byte depends on the seed, as far as the registers can hold any byte. */
static void make_pattern(uint64_t seed)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ull + 1;
	uint32_t rounding = (uint32_t)seed & 3;
	uint32_t mxcsr = MXCSR_RESET | rounding << ROUNDING_SHIFT;
	uint16_t fcw = (uint16_t)(FCW_FNINIT | rounding << FCW_RC_SHIFT);
	uint64_t pkru;

	memset(loaded, 0, sizeof(loaded));
	memcpy(loaded + AT_FCW, &fcw, sizeof(fcw));
	loaded[AT_FTW] = FTW_ALL_VALID;
	memcpy(loaded + AT_MXCSR, &mxcsr, sizeof(mxcsr));
	for (unsigned i = 0; i < 8; i++)
		fill(loaded + AT_ST + i * 16, 10, &random);
	fill(loaded + AT_XMM, AT_LEGACY_END - AT_XMM, &random);
	if (!has_xsave)
		return;
	memcpy(loaded + AT_XSTATE_BV, &xcr0, sizeof(xcr0));
	for (unsigned i = 2; i < 9; i++) {
		struct cpuid_regs c = cpuid(0xd, i);

		if (xcr0 & BIT(i))
			fill(loaded + c.ebx, c.eax, &random);
	}
	if (xcr0 & XFEATURE_PKRU) {
		pkru = (uint32_t)random;
		memcpy(loaded + cpuid(0xd, 9).ebx, &pkru, sizeof(pkru));
	}
}

/* The number of the first differing component, or -1. */
static int differing(void)
{
	save();
	if (memcmp(saved, loaded, 8) || memcmp(saved + AT_ST, loaded + AT_ST, AT_XMM - AT_ST))
		return 0;
	if (memcmp(saved + AT_MXCSR, loaded + AT_MXCSR, 4) ||
	    memcmp(saved + AT_XMM, loaded + AT_XMM, AT_LEGACY_END - AT_XMM))
		return 1;
	for (unsigned i = 2; i < 32; i++) {
		struct cpuid_regs c = cpuid(0xd, i);

		if ((xcr0 & BIT(i)) && memcmp(saved + c.ebx, loaded + c.ebx, c.eax))
			return (int)i;
	}
	return -1;
}

void stub_main(void)
{
	uint64_t seed = cmdline_u64("seed", 1);
	uint64_t rounds = cmdline_u64("rounds", 100);
	uint64_t round_ns = cmdline_u64("us", 2000) * NS_PER_US;
	uint64_t bad = 0, bad_xcr0 = 0;

	enable();
	diag("seed %lu, XCR0 0x%lx", seed, xcr0);
	check_reset_state();
	timer_init();
	for (uint64_t i = 0; i < rounds; i++) {
		int component;

		make_pattern(seed * rounds + i);
		load();
		/* Even rounds leave by HLT, odd ones are busy and preempted, if somebody wants to.
		 */
		if (i % 2)
			clock_spin_ns(round_ns);
		else
			timer_halt_ns(round_ns);
		component = differing();
		if (component >= 0) {
			bad++;
			diag("round %lu: state component %d differs", i, component);
		}
		bad_xcr0 += has_xsave && xgetbv(0) != xcr0;
	}
	is(bad, 0, "the state was intact after each of %lu rounds", rounds);
	is(bad_xcr0, 0, "XCR0 was too");
}
