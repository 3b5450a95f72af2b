/* Proves that CPUID tells a guest what DESIGN promises: KVM's signature and features, nothing that
 * is not there, answers that follow CR4, XCR0 and the APIC ID; and that CPUID is one instruction to
 * single-stepping and to interrupt shadows although it exits. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#include <asm/kvm_para.h>
#include <asm/processor-flags.h>

#define ECX1_MONITOR BIT(3)
#define ECX1_VMX     BIT(5)
#define ECX1_PDCM    BIT(15)
#define ECX1_XSAVE   BIT(26)
#define ECX1_OSXSAVE BIT(27)
#define ECX1_AVX     BIT(28)
#define ECX1_HV      BIT(31)

#define XSAVE_LEGACY_SIZE 576 /* legacy region and header */
#define XCR0_AVX          7   /* x87, SSE, AVX */

#define STABILITY_ROUNDS 200
#define VECTOR_IPI       0x50

static volatile uint64_t trap_rip, trap_count, trap_dr6;

static bool is_zero(struct cpuid_regs r)
{
	return !(r.eax | r.ebx | r.ecx | r.edx);
}

static bool is_equal(struct cpuid_regs a, struct cpuid_regs b)
{
	return !memcmp(&a, &b, sizeof(a));
}

static void check_hypervisor_leaves(void)
{
	struct cpuid_regs r = cpuid(KVM_CPUID_SIGNATURE, 0);

	is(r.eax, KVM_CPUID_FEATURES, "highest hypervisor leaf");
	ok(!memcmp(&r.ebx, KVM_SIGNATURE, 12), "signature KVMKVMKVM");
	r = cpuid(KVM_CPUID_FEATURES, 0);
	diag("features 0x%x, hints 0x%x", r.eax, r.edx);
	ok(r.eax & BIT(KVM_FEATURE_CLOCKSOURCE), "KVM_FEATURE_CLOCKSOURCE");
	ok(r.eax & BIT(KVM_FEATURE_CLOCKSOURCE2), "KVM_FEATURE_CLOCKSOURCE2");
	ok(r.eax & BIT(KVM_FEATURE_NOP_IO_DELAY), "KVM_FEATURE_NOP_IO_DELAY");
	ok(r.eax & BIT(KVM_FEATURE_POLL_CONTROL), "KVM_FEATURE_POLL_CONTROL");
	is(r.eax & (BIT(KVM_FEATURE_MMU_OP) | BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) |
		    BIT(KVM_FEATURE_HC_MAP_GPA_RANGE) | BIT(KVM_FEATURE_MIGRATION_CONTROL)),
	   0, "no feature that is never offered");
}

static void check_hidden(void)
{
	struct cpuid_regs r = cpuid(1, 0);

	ok(r.ecx & ECX1_HV, "hypervisor present");
	is(r.ecx & (ECX1_VMX | ECX1_MONITOR | ECX1_PDCM), 0, "no VMX, MONITOR/MWAIT, PDCM");
	ok(is_zero(cpuid(5, 0)), "the MWAIT leaf is zero");
	if (cpuid(0, 0).eax < 0xa)
		skip("no performance counters", "no leaf 0xA");
	else
		ok(is_zero(cpuid(0xa, 0)), "no performance counters");
}

/* Highest leaf 0: 'the data for the highest basic information leaf is returned' (SDM, 'CPUID'). */
static void check_ranges(void)
{
	uint32_t max = cpuid(0, 0).eax, ext_max = cpuid(0x80000000, 0).eax;
	struct cpuid_regs highest = cpuid(max, 0);

	diag("highest basic leaf 0x%x, extended 0x%x", max, ext_max);
	ok(max >= 0xb, "basic leaves up to the topology leaf");
	ok(ext_max >= 0x80000008, "extended leaves up to the address widths");
	ok(is_equal(cpuid(max + 1, 0), highest), "the leaf behind the highest gives the highest");
	ok(is_equal(cpuid(0x3fffffff, 0), highest), "so does 0x3fffffff");
	ok(is_equal(cpuid(0x40000002, 0), highest), "so does the one behind the hypervisor's");
	ok(is_equal(cpuid(ext_max + 1, 0), highest), "so does the one behind the extended");
}

static void check_topology(void)
{
	uint32_t id;

	apic_enable(apic_has_x2apic());
	id = apic_id();
	is(cpuid(1, 0).ebx >> 24, id & 0xff, "leaf 1 has this vCPU's APIC ID");
	if (cpuid(0, 0).eax < 0xb) {
		skip("leaf 0xB", "no such leaf");
		return;
	}
	ok(cpuid(0xb, 0).edx == id && cpuid(0xb, 1).edx == id && cpuid(0xb, 7).edx == id,
	   "every subleaf of leaf 0xB has the x2APIC ID");
	ok((cpuid(0xb, 0).ecx & 0xff00) == 0x100 && (cpuid(0xb, 1).ecx & 0xff00) == 0x200,
	   "leaf 0xB lists SMT, then core");
	ok((cpuid(0xb, 7).ecx & 0xffff) == 7, "an absent level is invalid and keeps its number");
}

static void check_leaf7(void)
{
	uint32_t subleaves = cpuid(7, 0).eax;

	ok(subleaves <= 2, "leaf 7 has few subleaves");
	ok(is_zero(cpuid(7, subleaves + 1)), "beyond them it is zero");
}

static void check_xsave(void)
{
	struct cpuid_regs before;

	if (!(cpuid(1, 0).ecx & ECX1_XSAVE)) {
		is(write_cr4_safe(read_cr4() | X86_CR4_OSXSAVE), VECTOR_GP,
		   "CR4.OSXSAVE is refused without XSAVE");
		return;
	}
	write_cr4(read_cr4() & ~(uint64_t)X86_CR4_OSXSAVE);
	ok(!(cpuid(1, 0).ecx & ECX1_OSXSAVE), "OSXSAVE is clear with CR4.OSXSAVE clear");
	write_cr4(read_cr4() | X86_CR4_OSXSAVE);
	ok(cpuid(1, 0).ecx & ECX1_OSXSAVE, "OSXSAVE follows CR4.OSXSAVE");

	before = cpuid(0xd, 0);
	diag("XCR0 may have 0x%x%08x, largest area %u", before.edx, before.eax, before.ecx);
	is(xsetbv_safe(0, 1), NO_FAULT, "XCR0 = x87");
	is(cpuid(0xd, 0).ebx, XSAVE_LEGACY_SIZE, "leaf 0xD: area of x87 alone");
	if (cpuid(1, 0).ecx & ECX1_AVX) {
		struct cpuid_regs avx = cpuid(0xd, 2);

		is(xsetbv_safe(0, XCR0_AVX), NO_FAULT, "XCR0 = x87, SSE, AVX");
		is(cpuid(0xd, 0).ebx, avx.ebx + avx.eax, "leaf 0xD: area grows with XCR0");
		is(xsetbv_safe(0, 5), VECTOR_GP, "AVX without SSE is refused");
	}
	is(xsetbv_safe(0, before.eax | (uint64_t)before.edx << 32), NO_FAULT, "XCR0 = all");
	is(cpuid(0xd, 0).ebx, before.ecx, "leaf 0xD: all of XCR0 needs the largest area");
	is(cpuid(0xd, 0).ecx, before.ecx, "which does not follow XCR0");
	is(xsetbv_safe(0, 0), VECTOR_GP, "XCR0 without x87 is refused");
	is(xsetbv_safe(0, 1 | BIT_ULL(62)), VECTOR_GP, "a reserved XCR0 bit is refused");
	is(xsetbv_safe(1, 1), VECTOR_GP, "XCR1 is refused");
}

static void note_trap(struct trap_frame *frame)
{
	trap_rip = frame->rip;
	trap_count++;
	if (frame->vector == VECTOR_DB) {
		trap_dr6 = read_dr6();
		frame->rflags &= ~(uint64_t)X86_EFLAGS_TF;
	} else {
		apic_eoi();
	}
}

/* Runs `insns`, which end in label 1, and says whether exactly one trap came, and exactly there. */
#define TRAPS_AT_LABEL(insns, a, c)                                                                \
	({                                                                                         \
		uint64_t label;                                                                    \
		uint32_t eax = (a), ecx = (c);                                                     \
                                                                                                   \
		trap_count = 0;                                                                    \
		__asm__ volatile("lea 1f(%%rip), %%rdi\n"                                          \
				 "xor %%edx, %%edx\n" insns "1: nop\n"                             \
				 "nop\n"                                                           \
				 "cli\n"                                                           \
				 : "=&D"(label), "+a"(eax), "+c"(ecx)                              \
				 :                                                                 \
				 : "rbx", "rdx", "rsi", "memory", "cc");                           \
		trap_count == 1 && trap_rip == label;                                              \
	})

static void check_shadows(void)
{
	trap_set(VECTOR_DB, note_trap);
	trap_set(VECTOR_IPI, note_trap);
	write_dr6(0xffff0ff0);
	ok(TRAPS_AT_LABEL("pushfq\n"
			  "orq $0x100, (%%rsp)\n"
			  "popfq\n"
			  "cpuid\n",
			  0, 0),
	   "single-stepping stops behind CPUID");
	ok(trap_dr6 & BIT(14), "DR6.BS says so");
	apic_self_ipi(VECTOR_IPI);
	ok(TRAPS_AT_LABEL("sti\n"
			  "cpuid\n",
			  0, 0),
	   "a pending interrupt comes behind STI; CPUID");
	if (!apic_is_x2apic()) {
		skip("an interrupt comes behind MOV SS; WRMSR", "no x2APIC");
		return;
	}
	ok(TRAPS_AT_LABEL("sti\n"
			  "nop\n"
			  "mov %%ss, %%esi\n"
			  "mov %%esi, %%ss\n"
			  "wrmsr\n",
			  VECTOR_IPI, MSR_X2APIC + (APIC_SELF_IPI >> 4)),
	   "an interrupt comes behind MOV SS; WRMSR");
}

static void check_stability(void)
{
	uint32_t max = cpuid(0, 0).eax;
	unsigned unstable = 0;

	for (uint32_t leaf = 0; leaf <= max; leaf++) {
		struct cpuid_regs first = cpuid(leaf, 0);

		for (unsigned i = 0; i < STABILITY_ROUNDS; i++)
			unstable += !is_equal(cpuid(leaf, 0), first);
	}
	is(unstable, 0, "%u answers of each leaf are the same", STABILITY_ROUNDS);
}

void stub_main(void)
{
	check_hypervisor_leaves();
	check_hidden();
	check_ranges();
	check_topology();
	check_leaf7();
	check_xsave();
	check_shadows();
	check_stability();
}
