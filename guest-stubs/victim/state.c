/* The state that a vCPU keeps. */
#include "guest-stubs/victim/state.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#include <asm/processor-flags.h>

#define AREA_SIZE    1024 /* holds x87, SSE and AVX */
#define AT_FCW       0
#define AT_MXCSR     24
#define AT_ST        32
#define AT_XMM       160
#define AT_XMM_END   416
#define AT_XSTATE_BV 512
#define XFEATURE_AVX BIT(2)
#define FCW_FNINIT   0x037f
#define MXCSR_RESET  0x1f80
#define DR7_RESET    0x400
#define DR6_RESET    0xffff0ff0ull

static uint8_t loaded[AREA_SIZE] __aligned(64), kept[AREA_SIZE] __aligned(64),
	now[AREA_SIZE] __aligned(64);
static bool has_xsave;
static uint32_t xcr0 = 3;
static uint64_t breakpoints[4];
static uint64_t next_random;

static struct {
	uint32_t msr;
	uint64_t mask, value; /* the bits that any value may have */
} msrs[] = {
	{MSR_STAR, UINT64_MAX, 0},
	{MSR_LSTAR, 0x00007fffffffffff, 0},
	{MSR_CSTAR, 0x00007fffffffffff, 0},
	{MSR_FMASK, UINT32_MAX, 0},
	{MSR_TSC_AUX, UINT32_MAX, 0},
	{MSR_SYSENTER_CS, UINT32_MAX, 0},
	{MSR_SYSENTER_ESP, 0x7fffffffff, 0},
	{MSR_SYSENTER_EIP, 0x7fffffffff, 0},
	{MSR_FS_BASE, 0x00007fffffffffff, 0},
	{MSR_GS_BASE, 0x00007fffffffffff, 0},
	{MSR_KERNEL_GS_BASE, 0x00007fffffffffff, 0},
};

static uint64_t draw(void)
{
	next_random = next_random * 6364136223846793005ull + 1442695040888963407ull;
	return next_random ^ next_random >> 29;
}

static void save(uint8_t *area)
{
	if (has_xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void fill(uint32_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		loaded[at + i] = (uint8_t)(draw() >> 56);
}

static void load_extended(void)
{
	const uint16_t fcw = FCW_FNINIT;
	const uint32_t mxcsr = MXCSR_RESET;
	const uint64_t xstate = xcr0;

	write_cr0((read_cr0() & ~(uint64_t)(X86_CR0_EM | X86_CR0_TS)) | X86_CR0_MP);
	write_cr4(read_cr4() | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT);
	has_xsave = cpuid(1, 0).ecx & BIT(26);
	if (has_xsave) {
		write_cr4(read_cr4() | X86_CR4_OSXSAVE);
		xcr0 |= cpuid(0xd, 0).eax & XFEATURE_AVX;
		xsetbv(0, xcr0);
	}
	memcpy(loaded + AT_FCW, &fcw, sizeof(fcw));
	memcpy(loaded + AT_MXCSR, &mxcsr, sizeof(mxcsr));
	for (unsigned i = 0; i < 8; i++)
		fill(AT_ST + i * 16, 10);
	fill(AT_XMM, AT_XMM_END - AT_XMM);
	if (!has_xsave) {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(loaded) : "memory");
	} else {
		memcpy(loaded + AT_XSTATE_BV, &xstate, sizeof(xstate));
		if (xcr0 & XFEATURE_AVX)
			fill(cpuid(0xd, 2).ebx, cpuid(0xd, 2).eax);
		__asm__ volatile("xrstor64 (%0)" : : "r"(loaded), "a"(xcr0), "d"(0) : "memory");
	}
	save(kept);
}

void state_load(uint64_t seed)
{
	next_random = seed * 0x9e3779b97f4a7c15ull + 1;
	load_extended();
	for (unsigned i = 0; i < ARRAY_SIZE(breakpoints); i++)
		breakpoints[i] = draw() & 0x00007fffffffffff;
	write_dr0(breakpoints[0]);
	write_dr1(breakpoints[1]);
	write_dr2(breakpoints[2]);
	write_dr3(breakpoints[3]);
	write_dr6(DR6_RESET);
	write_dr7(DR7_RESET);
	for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
		msrs[i].value = draw() & msrs[i].mask;
		wrmsr(msrs[i].msr, msrs[i].value);
	}
}

/* By words: this is time in which the victim does not look at its gaps. */
static bool is_changed(void)
{
	const uint64_t *a = (const uint64_t *)now, *b = (const uint64_t *)kept;
	uint64_t changed = 0;

	save(now);
	for (unsigned i = 0; i < AREA_SIZE / sizeof(*a); i++)
		changed |= a[i] ^ b[i];
	return changed;
}

unsigned state_differs(void)
{
	unsigned wrong = is_changed();

	wrong += has_xsave && xgetbv(0) != xcr0;
	wrong += read_dr0() != breakpoints[0] || read_dr1() != breakpoints[1];
	wrong += read_dr2() != breakpoints[2] || read_dr3() != breakpoints[3];
	wrong += read_dr6() != DR6_RESET || read_dr7() != DR7_RESET;
	return wrong;
}

unsigned state_msrs_differ(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
		wrong += rdmsr(msrs[i].msr) != msrs[i].value;
	return wrong;
}
