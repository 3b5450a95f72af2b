/* Proves that a guest gets what a CPU gives where an exit could make the next VM entry fail, or go
 * wrong: an instruction that is the last one of an address space, control registers that are loaded
 * by an exit, TF behind STI, MOV SS and HLT, an IRET out of an NMI that faults. Word: hlt-exit=off
 * (the VM has it). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/entry/modes.h"

#define VECTOR_AC   17
#define UNKNOWN_MSR 0x12345678u
#define CODE_PAGE   0x800000ull /* 2 MiB of RAM, seen once more below 4 GiB and below the hole */
#define TOP_4G      0xffe00000ull
#define HOLE        0x800000000000ull
#define PTE_PRESENT 1ull
#define PTE_LARGE   0x83ull
#define PTE_ADDRESS 0x000ffffffffff000ull
#define RFLAGS_TF   BIT_ULL(8)

#define MSR_DEBUGCTL 0x1d9u
#define DEBUGCTL_BTF BIT_ULL(1)

#define CR0_PE      BIT(0)
#define CR0_ET      BIT(4)
#define CR0_NE      BIT(5)
#define CR0_AM      BIT(18)
#define CR0_CD      BIT(30)
#define CR0_PG      BIT(31)
#define CR4_PAE     BIT(5)
#define CR4_PGE     BIT(7)
#define CR4_OSXSAVE BIT(18)

static uint64_t tss[13] __aligned(16), ring0_stack[512];
static uint64_t gdt[10] __aligned(16) = {
	0,
	0x00af9b000000ffff, /* 0x08: as in crt.S */
	0x00cf93000000ffff,
	0x00cf9b000000ffff,
	0x00cff3000000ffff, /* 0x20: data, CPL 3 */
	0x00affb000000ffff, /* 0x28: code, long mode, CPL 3 */
};

/* --- an instruction at the end of an address space ----------------------------------------------
 */

static const struct {
	const char *name;
	uint8_t size, bytes[3];
} lasts[] = {
	{"CPUID", 2, {0x0f, 0xa2}},        {"RDMSR", 2, {0x0f, 0x32}}, {"WBINVD", 2, {0x0f, 0x09}},
	{"VMCALL", 3, {0x0f, 0x01, 0xc1}}, {"IN AL, DX", 1, {0xec}},   {"OUT DX, AL", 1, {0xee}},
};

static uint64_t fault_rip, faults;

static void come_back(struct trap_frame *frame)
{
	fault_rip = frame->rip;
	faults++;
	frame->rip = (uint64_t)entry_back;
	frame->cs = SEL_CODE64;
}

static void put_last(unsigned i)
{
	memcpy((uint8_t *)CODE_PAGE + SIZE_2M - lasts[i].size, lasts[i].bytes, lasts[i].size);
}

static void check_wrap(void)
{
	/* JMP FAR to where it came from, at 0. */
	struct __attribute__((packed)) {
		uint8_t opcode;
		uint32_t offset;
		uint16_t selector;
	} jump = {0xea, (uint32_t)(uintptr_t)entry_back, SEL_CODE64};
	uint64_t zero = 0;

	__asm__("" : "+r"(zero));
	memcpy((void *)zero, &jump, sizeof(jump));
	paging_map_2m(TOP_4G, CODE_PAGE);
	for (unsigned i = 0; i < ARRAY_SIZE(lasts); i++) {
		put_last(i);
		faults = 0;
		entry_run_32(0x100000000ull - lasts[i].size, 0x10, 0x80);
		is(faults, 0, "%s as the last one below 4 GiB: on at 0", lasts[i].name);
	}
}

static void check_hole(void)
{
	static uint64_t pdpt[512] __aligned(4096), pd[512] __aligned(4096);
	uint64_t *pml4 = (uint64_t *)(read_cr3() & PTE_ADDRESS);

	pd[511] = CODE_PAGE | PTE_LARGE;
	pdpt[511] = (uint64_t)pd | 3;
	pml4[255] = (uint64_t)pdpt | 3;
	for (unsigned i = 0; i < ARRAY_SIZE(lasts); i++) {
		put_last(i);
		fault_rip = 0;
		entry_run_64(HOLE - lasts[i].size);
		is(fault_rip, HOLE, "%s as the last one below the hole: #GP there", lasts[i].name);
	}
}

/* --- control registers --------------------------------------------------------------------------
 */

static uint64_t pdpt[4] __aligned(32);

static void fill_pdpt(void)
{
	uint64_t pml4e = *(uint64_t *)(read_cr3() & PTE_ADDRESS);
	uint64_t pdpte = *(uint64_t *)(pml4e & PTE_ADDRESS);

	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = (pdpte & PTE_ADDRESS) | PTE_PRESENT;
}

/* PAE paging by a MOV to CR0 that exits, because it changes CD. */
static struct legacy pae(void)
{
	return (struct legacy){
		.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG | CR0_CD,
		.cr3 = (uint32_t)(uintptr_t)pdpt,
		.cr4 = CR4_PAE,
		.poke = (uint32_t)(uintptr_t)&ring0_stack[0],
		.then_cr4 = CR4_PAE,
	};
}

static void is_refused(struct legacy legacy, bool is_expected, const char *name)
{
	entry_run_legacy(&legacy);
	is((uint64_t)legacy.vector, is_expected ? VECTOR_GP : UINT64_MAX, "%s", name);
}

static void check_pdptes(void)
{
	unsigned maxphyaddr = cpuid(0x80000008, 0).eax & 0xff, wrong = 0;
	struct legacy legacy = pae();

	fill_pdpt();
	entry_run_legacy(&legacy);
	ok(legacy.vector == NO_FAULT && (legacy.seen_cr0 & CR0_PG) && (legacy.seen_cr0 & CR0_CD),
	   "PAE paging by an exit");
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned bit = maxphyaddr; bit < 64; bit++) {
			fill_pdpt();
			pdpt[i] |= BIT_ULL(bit);
			legacy = pae();
			entry_run_legacy(&legacy);
			wrong += legacy.vector != VECTOR_GP;
		}
	}
	is(wrong, 0, "#GP: PDPTEs with bits from %u on, in each place", maxphyaddr);
	fill_pdpt();
	pdpt[2] |= BIT_ULL(5);
	is_refused(pae(), true, "#GP: a PDPTE with bit 5");
	fill_pdpt();
	pdpt[3] = ~1ull;
	is_refused(pae(), false, "what is not present may have any bits");
	/* By CR4: its OSXSAVE makes it exit, its PGE loads the PDPTEs. */
	fill_pdpt();
	legacy = pae();
	legacy.then_cr4 = CR4_PAE | CR4_PGE | CR4_OSXSAVE;
	is_refused(legacy, false, "PDPTEs by CR4");
	fill_pdpt();
	legacy.poke = (uint32_t)(uintptr_t)&pdpt[3] + 4;
	legacy.poked = BIT(51 - 32);
	is_refused(legacy, true, "#GP: a PDPTE with bit 51 by CR4");
}

static uint64_t tss_descriptor(const void *base, uint64_t type)
{
	uint64_t at = (uint64_t)base;

	return 0x67 | (at & 0xffffff) << 16 | (0x80 | type) << 40 | (at >> 24 & 0xff) << 56;
}

static struct legacy long_mode(uint32_t selector, uint32_t cr0)
{
	gdt[SEL_TSS16 / 8] = tss_descriptor(tss, 1);
	gdt[SEL_TSS32 / 8] = tss_descriptor(tss, 9);
	return (struct legacy){
		.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG | cr0,
		.cr3 = (uint32_t)read_cr3(),
		.cr4 = CR4_PAE,
		.efer = EFER_LME,
		.tr = selector,
		.poke = (uint32_t)(uintptr_t)&ring0_stack[0],
		.then_cr4 = CR4_PAE,
	};
}

static void check_tss(void)
{
	is_refused(long_mode(SEL_TSS16, 0), true, "#GP: long mode with a 16-bit TSS");
	is_refused(long_mode(SEL_TSS16, CR0_CD), true, "#GP: the same by an exit");
	is_refused(long_mode(0, CR0_CD), false, "long mode with a 32-bit TSS");
}

static void check_operands(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	faults = 0;
	entry_run_32((uint64_t)entry_mov_cr0, cr0 | CR0_CD | BIT_ULL(40), 0);
	ok(!faults && (read_cr0() & CR0_CD), "MOV to CR0 in compatibility mode takes 32 bits");
	write_cr0(cr0);
	entry_run_32((uint64_t)entry_mov_cr4, (cr4 ^ CR4_OSXSAVE) | BIT_ULL(63), 0);
	ok(!faults && (read_cr4() ^ cr4) == CR4_OSXSAVE, "and MOV to CR4");
	write_cr4(cr4);
	is(faults, 0, "without a fault");
}

/* --- single steps -------------------------------------------------------------------------------
 */

static uint64_t steps[16];
static unsigned step_count;

static void note_step(struct trap_frame *frame)
{
	if (step_count < ARRAY_SIZE(steps))
		steps[step_count++] = frame->rip;
	if (frame->rip == (uint64_t)entry_steps_end)
		frame->rflags &= ~RFLAGS_TF;
}

static bool has_stepped(const uint8_t *to)
{
	for (unsigned i = 0; i < step_count; i++)
		if (steps[i] == (uint64_t)to)
			return true;
	return false;
}

/* With TF, behind MOV SS. */
#define SHADOWED(insn)                                                                             \
	"mov %%ss, %%eax; pushfq; orl $0x100, (%%rsp); popfq; mov %%eax, %%ss\n"                   \
	"1: " insn "\n"                                                                            \
	"2: pushfq; andl $~0x100, (%%rsp); popfq\n" EXPECT_FAULT

static int fault_in_shadow(unsigned way)
{
	last_fault.vector = NO_FAULT;
	if (way == 0)
		__asm__ volatile(SHADOWED("rdmsr") : : "c"(UNKNOWN_MSR) : "rax", "rdx", "memory");
	else if (way == 1)
		__asm__ volatile(SHADOWED("ud2") : : : "rax", "memory");
	else
		__asm__ volatile(SHADOWED(".byte 0xf1") : : : "rax", "memory");
	return last_fault.vector;
}

static void check_faults(void)
{
	trap_set(VECTOR_GP, NULL);
	for (uint64_t btf = 0; btf <= DEBUGCTL_BTF; btf += DEBUGCTL_BTF) {
		const char *with = btf ? "with BTF" : "without BTF";

		wrmsr(MSR_DEBUGCTL, btf);
		is((uint64_t)fault_in_shadow(0), VECTOR_GP, "#GP behind MOV SS, %s", with);
		is((uint64_t)fault_in_shadow(1), VECTOR_UD, "#UD behind MOV SS, %s", with);
		is((uint64_t)fault_in_shadow(2), UINT64_MAX, "INT1 behind MOV SS, %s", with);
	}
	wrmsr(MSR_DEBUGCTL, 0);
}

static void check_steps(void)
{
	trap_set(VECTOR_DB, note_step);
	/* Where the CPU halts by itself, an emulator may forget the trap. */
	entry_step(!cmdline_is("hlt-exit", "off"));
	ok(has_stepped(entry_after_sti), "a step over STI");
	ok(has_stepped(entry_after_shadow), "one over what exits behind it");
	ok(!has_stepped(entry_after_ss), "none over MOV SS");
	ok(has_stepped(entry_after_cpuid), "one over what exits behind that");
	ok(has_stepped(entry_steps_end), "and over HLT with IF=0");
}

/* --- NMIs ---------------------------------------------------------------------------------------
 */

static uint64_t nmis, alignment_checks, nmis_in_handler;

static void send_nmi(void)
{
	apic_icr(apic_id(), APIC_DM_NMI | APIC_ICR_ASSERT);
}

static void note_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmis++;
}

/* The IRET has faulted: the NMI is not over, and another one waits. */
static void note_alignment(struct trap_frame *frame)
{
	alignment_checks++;
	trap_set(VECTOR_NMI, note_nmi);
	send_nmi();
	for (unsigned i = 0; i < 1000; i++)
		cpu_relax();
	nmis_in_handler = nmis;
	frame->rip = (uint64_t)entry_back;
	frame->cs = SEL_CODE64;
	frame->ss = 0x10;
	frame->rflags = 2;
}

static void check_nmi_blocking(void)
{
	gdt[SEL_TSS64 / 8] = tss_descriptor(tss, 9);
	gdt[SEL_TSS64 / 8 + 1] = 0;
	*(uint64_t *)(void *)((uint8_t *)tss + 4) =
		(uint64_t)(ring0_stack + ARRAY_SIZE(ring0_stack));
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS64));
	for (uint64_t va = 0; va < (uint64_t)image_end; va += SIZE_2M)
		paging_allow_user(va);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)(SEL_CODE32 | 3) << 48);
	write_cr0(read_cr0() | CR0_AM);
	trap_set(VECTOR_AC, note_alignment);
	trap_set_raw(VECTOR_NMI, entry_nmi);
	entry_fault_in_iret(send_nmi);
	is(alignment_checks, 1, "an IRET out of an NMI's handler faults");
	is(nmis_in_handler, 0, "NMIs stay blocked");
	is(nmis, 1, "until the next IRET");
}

static void load_gdt(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
	uint64_t gp = (uint64_t)legacy_gp;

	__asm__ volatile("lgdt %0" : : "m"(pointer));
	legacy_idt[VECTOR_GP] =
		(gp & 0xffff) | SEL_CODE32 << 16 | 0x8e00ull << 32 | (gp & 0xffff0000) << 32;
}

void stub_main(void)
{
	plan(2 * ARRAY_SIZE(lasts) + 6 + 3 + 3 + 5 + 6 + 3);
	load_gdt();
	apic_enable(false);
	trap_set(VECTOR_GP, come_back);
	check_wrap();
	check_hole();
	check_pdptes();
	check_tss();
	check_operands();
	check_steps();
	check_faults();
	check_nmi_blocking();
}
