/* Attacks by instructions that leave the guest, again and again: what others pay for each. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/pci.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/tap.h"

#include <asm/kvm_para.h>
#include <asm/processor-flags.h>
#include <linux/kvm_para.h>

#define RESET_PORT 0xcf9

static void leaves(uint64_t n)
{
	cpuid((uint32_t)(n & 1 ? n & 31 : 0x40000000 + (n & 3)), (uint32_t)(n >> 1));
}

static void msrs(uint64_t n)
{
	uint64_t value;

	(void)n;
	rdmsr_safe((uint32_t)attack_random() & 0xc0001fff, &value);
}

static void msr_writes(uint64_t n)
{
	static const uint32_t written[] = {MSR_PAT,       MSR_MTRR_DEF_TYPE, MSR_EFER,
					   MSR_STAR,      MSR_TSC_AUX,       MSR_MISC_ENABLE,
					   MSR_APIC_BASE, MSR_KERNEL_GS_BASE};
	uint32_t msr = written[n % ARRAY_SIZE(written)];
	uint64_t value;

	rdmsr_safe(msr, &value);
	wrmsr_safe(msr, value);
}

/* The clock's and the steal time's areas are written anew each time. */
static void clock_areas(uint64_t n)
{
	uint64_t area = attack_memory() + (n & 0xfff) * 64;

	wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, area | KVM_MSR_ENABLED);
	wrmsr_safe(MSR_KVM_STEAL_TIME, area | KVM_MSR_ENABLED);
	wrmsr_safe(MSR_KVM_WALL_CLOCK_NEW, area);
}

static void control_registers(uint64_t n)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	(void)n;
	write_cr0(cr0 ^ X86_CR0_WP);
	write_cr0(cr0 | X86_CR0_CD);
	write_cr0(cr0);
	write_cr4(cr4 ^ X86_CR4_PGE);
	write_cr4(cr4 ^ X86_CR4_TSD);
	write_cr4(cr4);
	write_cr3(read_cr3());
}

static void caches(uint64_t n)
{
	(void)n;
	__asm__ volatile("wbinvd; invd" : : : "memory");
}

static void pairings(uint64_t n)
{
	uint64_t first = attack_memory();

	hypercall4(KVM_HC_CLOCK_PAIRING, first + n * 4099 % (stub_ram_size - first), 0, 0, 0);
}

static void xcr(uint64_t n)
{
	xsetbv_safe(0, n & 1 ? 3 : 7);
}

static void xcr_begin(void)
{
	write_cr4(read_cr4() | X86_CR4_OSFXSR | X86_CR4_OSXSAVE);
}

static void unclaimed(uint64_t n)
{
	outl((uint16_t)(0x1000 + (n & 0xfff)), inl((uint16_t)n & 0xfff));
}

static void unclaimed_memory(uint64_t n)
{
	*(volatile uint64_t *)(0xd0000000ull + (n & 0xffff) * 8) = n;
}

static void pci_config(uint64_t n)
{
	pci_read32((uint32_t)n & 31, (uint32_t)n & 0xfc);
}

static void watch_pushes(struct trap_frame *frame)
{
	(void)frame;
	write_dr6(0xffff0ff0);
}

/* A breakpoint on the stack that the #DB's own frame is pushed on: the CPU would deliver for ever.
 */
static void debug_loop_begin(void)
{
	trap_set(VECTOR_DB, watch_pushes);
}

static void debug_loop(uint64_t n)
{
	uint64_t here;

	(void)n;
	write_dr0(((uint64_t)&here & ~7ull) - 64);
	write_dr7(0x000d0402 | 1); /* writes of 8 bytes */
	__asm__ volatile(
		"pushfq; orl $0x100, (%%rsp); popfq; nop; pushfq; andl $~0x100, (%%rsp); popfq"
		:
		:
		: "memory", "cc");
	write_dr7(0x400);
}

/* Says that it is there again, and resets itself: restart, and its image is loaded anew. */
static void reset(uint64_t n)
{
	(void)n;
	outb(RESET_PORT, 6);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void triple(uint64_t n)
{
	static const uint8_t nothing[16];

	(void)n;
	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

const struct attack attacks_by_exits[] = {
	{"cpuid", NULL, leaves, NULL},
	{"rdmsr", NULL, msrs, NULL},
	{"wrmsr", NULL, msr_writes, NULL},
	{"clock-areas", NULL, clock_areas, NULL},
	{"cr", NULL, control_registers, NULL},
	{"wbinvd", NULL, caches, NULL},
	{"hypercall", NULL, pairings, NULL},
	{"xsetbv", xcr_begin, xcr, NULL},
	{"ports", NULL, unclaimed, NULL},
	{"unclaimed-mmio", NULL, unclaimed_memory, NULL},
	{"pci-config", NULL, pci_config, NULL},
	{"debug-loop", debug_loop_begin, debug_loop, NULL},
	{"reset", NULL, reset, NULL},
	{"triple", NULL, triple, NULL},
	{NULL},
};
