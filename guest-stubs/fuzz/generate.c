/* Snippets. */
#include "guest-stubs/fuzz/generate.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/fuzz/memory.h"

#include <asm/kvm_para.h>
#include <asm/processor-flags.h>
#include <linux/kvm_para.h>

#define INT3      0xcc
#define END_PORT  0xf4
#define ICR_INIT  (5u << 8)
#define ICR_START (6u << 8)

/* A snippet in the making. */
struct snippet {
	uint8_t *at;
	struct trap_frame *frame;
};

static void put(struct snippet *s, uint64_t bytes, unsigned count)
{
	for (; count--; bytes >>= 8)
		*s->at++ = (uint8_t)bytes;
}

/* ModRM with RDI's memory, or a register, as operand. */
static void put_modrm(struct fuzz_cpu *cpu, struct snippet *s, uint64_t reg)
{
	put(s, (fuzz_once_in(cpu, 4) ? 0xc0 : 0x00) | reg << 3 | 7, 1);
}

static void put_any_modrm(struct fuzz_cpu *cpu, struct snippet *s)
{
	put_modrm(cpu, s, fuzz_below(cpu, 8));
}

static void put_prefixes(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x64, 0x65};

	while (fuzz_once_in(cpu, 3))
		put(s, FUZZ_PICK(cpu, prefixes), 1);
	if (fuzz_once_in(cpu, 3))
		put(s, 0x40 + fuzz_below(cpu, 16), 1);
}

/* For those that have one; for the others it is more code, mostly the end. */
static void put_immediate(struct fuzz_cpu *cpu, struct snippet *s)
{
	if (fuzz_once_in(cpu, 4))
		put(s, fuzz_random(cpu), 8);
}

/* --- the kinds --- */

/* Any opcode of one or two bytes on memory. */
static void memory(struct fuzz_cpu *cpu, struct snippet *s)
{
	s->frame->rdi = fuzz_address(cpu);
	s->frame->rbx = s->frame->rdi;
	put_prefixes(cpu, s);
	if (fuzz_once_in(cpu, 3)) {
		uint64_t second = fuzz_below(cpu, 256);

		put(s, 0x0f | (second == 0x22 ? 0x21 : second) << 8, 2); /* no MOV to CR3 of this */
	} else {
		put(s, fuzz_below(cpu, 256), 1);
	}
	put_any_modrm(cpu, s);
	put_immediate(cpu, s);
	if (fuzz_once_in(cpu, 8))
		fuzz_change_pages(cpu);
}

/* Those that are executed on devices, locked and not; the others would end the VM. */
static void device_memory(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const struct {
		uint16_t opcode;
		uint8_t regs; /* that its ModRM may have, as bits */
	} forms[] = {
		{0x88, 0xff},   {0x89, 0xff},   {0x8a, 0xff},   {0x8b, 0xff},   {0xc6, 0x01},
		{0xc7, 0x01},   {0x00, 0xff},   {0x01, 0xff},   {0x03, 0xff},   {0x08, 0xff},
		{0x09, 0xff},   {0x20, 0xff},   {0x21, 0xff},   {0x28, 0xff},   {0x29, 0xff},
		{0x30, 0xff},   {0x31, 0xff},   {0x33, 0xff},   {0x38, 0xff},   {0x39, 0xff},
		{0x3b, 0xff},   {0x84, 0xff},   {0x85, 0xff},   {0x86, 0xff},   {0x87, 0xff},
		{0x80, 0xff},   {0x81, 0xff},   {0x83, 0xff},   {0xf6, 0x0d},   {0xf7, 0x0d},
		{0xfe, 0x03},   {0xff, 0x03},   {0xb60f, 0xff}, {0xb70f, 0xff}, {0xbe0f, 0xff},
		{0xbf0f, 0xff}, {0xb00f, 0xff}, {0xb10f, 0xff}, {0xc00f, 0xff}, {0xc10f, 0xff},
		{0xab0f, 0xff}, {0xb30f, 0xff}, {0xbb0f, 0xff}, {0xa30f, 0xff}, {0xba0f, 0xf0}};
	unsigned n = (unsigned)fuzz_below(cpu, ARRAY_SIZE(forms)), reg;

	do
		reg = (unsigned)fuzz_below(cpu, 8);
	while (!(forms[n].regs & BIT(reg)) && !fuzz_once_in(cpu, 2000));
	s->frame->rdi = fuzz_device(cpu);
	s->frame->rbx = s->frame->rdi; /* in 16-bit code */
	put_prefixes(cpu, s);
	put(s, forms[n].opcode, forms[n].opcode > 0xff ? 2 : 1);
	put(s, reg << 3 | 7, 1);
	put_immediate(cpu, s);
}

static void strings(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint8_t opcodes[] = {0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6,
					  0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

	if (!fuzz_once_in(cpu, 4))
		put(s, 0xf2 + fuzz_below(cpu, 2), 1);
	if (fuzz_once_in(cpu, 4))
		put(s, 0x67, 1);
	if (fuzz_once_in(cpu, 3))
		put(s, 0x66, 1);
	if (fuzz_once_in(cpu, 3))
		put(s, 0x48, 1);
	put(s, FUZZ_PICK(cpu, opcodes), 1);
	s->frame->rdi = fuzz_once_in(cpu, 2) ? fuzz_device(cpu) : fuzz_address(cpu);
	s->frame->rsi = fuzz_once_in(cpu, 2) ? fuzz_device(cpu) : fuzz_address(cpu);
	s->frame->rcx = fuzz_below(cpu, 300);
	if (fuzz_once_in(cpu, 16)) {
		s->frame->rcx = fuzz_value(cpu);
		s->frame->rflags &=
			~(uint64_t)X86_EFLAGS_DF; /* not down over all that is its own */
	}
}

/* Any port but those that end the VM: they come seldom. */
static uint64_t any_port(struct fuzz_cpu *cpu)
{
	static const uint16_t used[] = {
		0x20,  0x21,  0xa0,  0xa1,  0x40,  0x43,  0x61,  0x70,  0x71,  0x60,   0x510,
		0x511, 0x514, 0x518, 0x4d0, 0x4d1, 0x600, 0x602, 0x604, 0x608, 0xcf8,  0xcfc,
		0xcfe, 0x3f8, 0x3f9, 0x3fb, 0x3fd, 0x2f8, 0x2fa, 0xe9,  0x80,  0xffff, 0x8900};
	static const uint16_t ends[] = {END_PORT, END_PORT + 3, 0x604, 0xcf9, 0x64, 0x92, 0xb2};
	uint64_t port = fuzz_once_in(cpu, 3) ? fuzz_random(cpu) & 0xffff
					     : FUZZ_PICK(cpu, used) + fuzz_below(cpu, 2);

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (port <= ends[i] && port + 4 > ends[i])
			return fuzz_once_in(cpu, 2000) ? port : 0x80;
	return port;
}

static void ports(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint8_t opcodes[] = {0xec, 0xed, 0xee, 0xef, 0xe4, 0xe5, 0xe6, 0xe7};
	uint8_t opcode = FUZZ_PICK(cpu, opcodes);
	uint64_t port = any_port(cpu);

	if (fuzz_once_in(cpu, 3))
		put(s, 0x66, 1);
	put(s, opcode, 1);
	if (opcode < 0xe8)
		put(s, port < 0x100 ? port : 0x80, 1);
	s->frame->rdx = port | (fuzz_random(cpu) & ~0xffffull);
	if (fuzz_once_in(cpu, 4))
		strings(cpu, s);
	if (s->frame->rcx > 1000 && port == 0x3f8)
		s->frame->rcx = 10;
}

static uint64_t any_msr(struct fuzz_cpu *cpu)
{
	static const uint32_t used[] = {MSR_TSC,
					MSR_APIC_BASE,
					MSR_MTRRCAP,
					0x3a,
					0x3b,
					0x48,
					0x49,
					0x8b,
					0x9b,
					0x10a,
					0x122,
					0x140,
					MSR_SYSENTER_CS,
					MSR_SYSENTER_ESP,
					MSR_SYSENTER_EIP,
					MSR_MCG_CAP,
					MSR_MCG_STATUS,
					0x17b,
					MSR_MISC_ENABLE,
					0x1a0,
					0x1d9,
					0x200,
					0x20f,
					0x250,
					0x26f,
					MSR_PAT,
					MSR_MTRR_DEF_TYPE,
					0x345,
					0x38f,
					0x400,
					0x403,
					0x480,
					0x48f,
					MSR_TSC_DEADLINE,
					0xd90,
					0xda0,
					MSR_EFER,
					MSR_STAR,
					MSR_LSTAR,
					MSR_CSTAR,
					MSR_FMASK,
					MSR_FS_BASE,
					MSR_GS_BASE,
					MSR_KERNEL_GS_BASE,
					MSR_TSC_AUX,
					0xc0000104,
					0x40000000,
					0xc0010015,
					0xc0010117,
					MSR_KVM_WALL_CLOCK,
					MSR_KVM_SYSTEM_TIME,
					MSR_KVM_WALL_CLOCK_NEW,
					MSR_KVM_SYSTEM_TIME_NEW,
					MSR_KVM_ASYNC_PF_EN,
					MSR_KVM_STEAL_TIME,
					MSR_KVM_PV_EOI_EN,
					MSR_KVM_POLL_CONTROL,
					MSR_KVM_ASYNC_PF_INT};

	switch (fuzz_below(cpu, 4)) {
	case 0:
		return MSR_X2APIC + fuzz_below(cpu, 0x100);
	case 1:
		return (fuzz_random(cpu) & 0x1fff) | (fuzz_once_in(cpu, 2) ? 0xc0000000 : 0);
	default:
		return FUZZ_PICK(cpu, used);
	}
}

/* Never an INIT to oneself alone: nobody would come back. */
static uint64_t any_icr(struct fuzz_cpu *cpu)
{
	uint64_t low = fuzz_random(cpu) & 0xcdfff;
	uint64_t to =
		fuzz_once_in(cpu, 8) ? fuzz_value(cpu) & UINT32_MAX : fuzz_below(cpu, FUZZ_CPUS);

	if ((low & 0x700) == ICR_INIT || (low & 0x700) == ICR_START) {
		to = (cpu->index + 1) % fuzz_count();
		low = (low & 0x700) | (uint64_t)APIC_ICR_ASSERT | FUZZ_TRAMPOLINE >> 12;
		if (to == cpu->index)
			low = 0x40;
	}
	return to << 32 | low;
}

static void msrs(struct fuzz_cpu *cpu, struct snippet *s)
{
	uint64_t msr = any_msr(cpu), value = fuzz_value(cpu);

	/* The clocks' areas are to be in the memory that is played with. */
	if ((msr & ~0xffull) == MSR_KVM_WALL_CLOCK_NEW || msr == MSR_KVM_WALL_CLOCK ||
	    msr == MSR_KVM_SYSTEM_TIME)
		value = fuzz_address(cpu) | fuzz_below(cpu, 2);
	if (msr == MSR_X2APIC + (APIC_ICR_LOW >> 4)) {
		value = any_icr(cpu);
		fuzz_put_trampoline();
	}
	put(s, fuzz_once_in(cpu, 3) ? 0x320f : 0x300f, 2);
	s->frame->rcx = msr;
	s->frame->rax = value & UINT32_MAX;
	s->frame->rdx = value >> 32;
}

static void control_registers(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint8_t numbers[] = {0, 0, 0, 4, 4, 4, 3, 8, 2};
	uint64_t n = FUZZ_PICK(cpu, numbers), value = fuzz_value(cpu);
	uint64_t flip = 1ull << fuzz_below(cpu, 32) |
			(fuzz_once_in(cpu, 3) ? 1ull << fuzz_below(cpu, 24) : 0);

	if (n == 0)
		value = cpu->cr0 ^ flip;
	else if (n == 4)
		value = cpu->cr4 ^ flip;
	else if (n == 3)
		value = cpu->cr3 | (fuzz_once_in(cpu, 50) ? flip : fuzz_random(cpu) & 0x18);
	put(s, fuzz_once_in(cpu, 4) ? 0x200f : 0x220f, 2);
	put(s, 0xc0 | n << 3, 1);
	s->frame->rax = value;
}

static void debug_registers(struct fuzz_cpu *cpu, struct snippet *s)
{
	put(s, fuzz_once_in(cpu, 4) ? 0x210f : 0x230f, 2);
	put(s, 0xc0 | fuzz_below(cpu, 8) << 3, 1);
	s->frame->rax = fuzz_once_in(cpu, 2) ? fuzz_address(cpu) : fuzz_value(cpu) & 0xffff27ff;
}

/* 0F 00, 0F 01 and all that belong to systems and to the two kinds of virtualisation. */
static void system_instructions(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint8_t seconds[] = {0x00, 0x01, 0x01, 0x01, 0x02, 0x03, 0x05, 0x06,
					  0x07, 0x08, 0x09, 0x31, 0x33, 0x34, 0x35, 0x37,
					  0x78, 0x79, 0xa2, 0xaa, 0xae, 0xc7, 0x0b, 0xff,
					  0xa0, 0xa1, 0xa8, 0xa9, 0xb2, 0xb4, 0xb5};
	uint64_t second = FUZZ_PICK(cpu, seconds), reg = fuzz_below(cpu, 8);
	bool is_memory = fuzz_once_in(cpu, 2);

	put_prefixes(cpu, s);
	put(s, 0x0f, 1);
	if (fuzz_once_in(cpu, 8)) {
		put(s, 0x8038 + (fuzz_below(cpu, 3) << 8), 2); /* INVEPT, INVVPID, INVPCID */
		put_any_modrm(cpu, s);
		return;
	}
	/* LGDT and LIDT: with tables of nothing there is no way back. */
	if (second == 0x01 && is_memory && (reg & 6) == 2 && !fuzz_once_in(cpu, 100))
		reg = 7;
	put(s, second, 1);
	put(s, is_memory ? reg << 3 | 7 : 0xc0 | reg << 3 | fuzz_below(cpu, 8), 1);
	s->frame->rcx = fuzz_below(cpu, 3);
	s->frame->rdx = fuzz_once_in(cpu, 2) ? 0 : fuzz_value(cpu);
	if (fuzz_once_in(cpu, 2))
		s->frame->rax = fuzz_below(cpu, 0x20) | (fuzz_random(cpu) & 0xc0000000);
}

static void hypercalls(struct fuzz_cpu *cpu, struct snippet *s)
{
	put(s, fuzz_once_in(cpu, 4) ? 0xd9010f : 0xc1010f, 3);
	s->frame->rax = fuzz_once_in(cpu, 4) ? fuzz_value(cpu) : fuzz_below(cpu, 14);
	s->frame->rbx = fuzz_once_in(cpu, 4)   ? fuzz_device(cpu)
			: fuzz_once_in(cpu, 2) ? fuzz_address(cpu)
					       : fuzz_value(cpu);
	s->frame->rcx = fuzz_below(cpu, FUZZ_CPUS + 1);
	s->frame->rdx = fuzz_below(cpu, 2) ? 0 : fuzz_value(cpu);
	s->frame->rsi = any_icr(cpu) & UINT32_MAX;
}

/* A pointer to far code, or a selector, of any descriptor; gates by INT. */
static void far(struct fuzz_cpu *cpu, struct snippet *s)
{
	uint8_t pointer[10];
	uint64_t code = (uint64_t)fuzz_code(cpu) + 64,
		 selector = fuzz_below(cpu, FUZZ_GDT_SIZE) << 3 | fuzz_below(cpu, 8);

	fuzz_change_descriptors(cpu);
	switch (fuzz_below(cpu, 5)) {
	case 0:
		put(s, 0xcd | (FUZZ_WEIRD_GATE + fuzz_below(cpu, 18)) << 8, 2);
		return;
	case 1: /* MOV to DS, ES, SS, FS, GS */
		put(s, 0x8e | (0xc0 | fuzz_below(cpu, 6) << 3) << 8, 2);
		s->frame->rax = selector;
		return;
	case 2: /* LLDT, LTR, VERR, VERW */
		put(s, 0x000f | (0xd0 | fuzz_below(cpu, 4) << 3) << 16, 3);
		s->frame->rax = selector;
		return;
	default:
		break;
	}
	memcpy(pointer, &code, 8);
	memcpy(pointer + (fuzz_once_in(cpu, 2) ? 4 : 8), &selector, 2);
	memcpy(fuzz_code(cpu) + 128, pointer, sizeof(pointer));
	s->frame->rdi = (uint64_t)fuzz_code(cpu) + 128;
	if (fuzz_once_in(cpu, 2))
		put(s, 0x48, 1);
	put(s, 0xff | (fuzz_once_in(cpu, 2) ? 0x1f : 0x2f) << 8, 2); /* CALL, JMP */
}

/* IRET and RETF with whatever the stack has. */
static void returns(struct fuzz_cpu *cpu, struct snippet *s)
{
	uint64_t *stack = (uint64_t *)(fuzz_stack(cpu) - 64);

	stack[0] = (uint64_t)fuzz_code(cpu) + 64;
	stack[1] = fuzz_below(cpu, FUZZ_GDT_SIZE) << 3 | fuzz_below(cpu, 8);
	stack[2] = fuzz_random(cpu) & (fuzz_once_in(cpu, 8) ? ~0ull : 0x3fffff);
	stack[3] = fuzz_once_in(cpu, 2) ? fuzz_stack(cpu) : fuzz_address(cpu);
	stack[4] = fuzz_below(cpu, FUZZ_GDT_SIZE) << 3 | fuzz_below(cpu, 8);
	s->frame->rsp = (uint64_t)stack;
	if (!fuzz_once_in(cpu, 4))
		put(s, 0x48, 1);
	put(s, fuzz_once_in(cpu, 4) ? 0xcb : 0xcf, 1);
}

/* Interrupts on, and a halt; with them off only where others can send an NMI. */
static void halts(struct fuzz_cpu *cpu, struct snippet *s)
{
	put(s, fuzz_once_in(cpu, 16) && fuzz_count() > 1 ? 0xf4fa : 0xf4fb, 2);
}

/* What has its own exception, trap or meaning of one byte. */
static void small(struct fuzz_cpu *cpu, struct snippet *s)
{
	static const uint16_t bytes[] = {0xccccu, 0xf1,   0xce,   0x9b,   0x9c,   0x9d,
					 0xfa,    0xfb,   0xf4f3, 0x90f3, 0xd6,   0xc3,
					 0xc9,    0xd7,   0x40cd, 0x03cd, 0x01cd, 0x02cd,
					 0x0ecd,  0x12cd, 0xffcd, 0xfccd};

	put(s, FUZZ_PICK(cpu, bytes), 2);
}

typedef void generate_fn(struct fuzz_cpu *cpu, struct snippet *s);

/* Those that leave the address of a device in RDI: nothing else stands behind them. */
static generate_fn *const device_kinds[] = {device_memory, device_memory, strings};
static generate_fn *const kinds[] = {
	memory,
	memory,
	ports,
	ports,
	msrs,
	msrs,
	msrs,
	control_registers,
	control_registers,
	debug_registers,
	system_instructions,
	system_instructions,
	hypercalls,
	far,
	returns,
	halts,
	small,
};

/* What may stand behind another: it does not change what that has in RAX, RCX or RDX. */
static generate_fn *const second_kinds[] = {memory, halts, small, returns};

/* STI, MOV SS and POP SS hold events back for one instruction. */
static void put_shadow(struct fuzz_cpu *cpu, struct snippet *s)
{
	switch (fuzz_below(cpu, 6)) {
	case 0:
		put(s, 0xfb, 1);
		break;
	case 1:
		s->frame->rbp = FUZZ_DATA;
		put(s, 0xd58e, 2);
		break;
	case 2:
		put(s, 0xd58efb, 3);
		s->frame->rbp = FUZZ_DATA;
		break;
	default:
		break;
	}
}

static uint64_t any_flags(struct fuzz_cpu *cpu)
{
	uint64_t flags = X86_EFLAGS_FIXED | (fuzz_random(cpu) & 0x8d5);

	flags |= fuzz_once_in(cpu, 2) ? X86_EFLAGS_IF : 0;
	flags |= fuzz_once_in(cpu, 8) ? X86_EFLAGS_TF : 0;
	flags |= fuzz_once_in(cpu, 8) ? X86_EFLAGS_DF : 0;
	flags |= fuzz_once_in(cpu, 8) ? X86_EFLAGS_RF : 0;
	flags |= fuzz_once_in(cpu, 8) ? X86_EFLAGS_AC : 0;
	flags |= fuzz_once_in(cpu, 16) ? X86_EFLAGS_NT : 0;
	flags |= fuzz_once_in(cpu, 4) ? 3ull << 12 : 0;
	return flags;
}

void fuzz_any_frame(struct fuzz_cpu *cpu, struct trap_frame *frame)
{
	static const uint16_t code[] = {FUZZ_CODE64, FUZZ_CODE64, FUZZ_CODE64,
					FUZZ_CODE64, FUZZ_CODE64, FUZZ_USER64,
					FUZZ_USER32, FUZZ_CODE32, FUZZ_CODE16};
	uint64_t *gpr = (uint64_t *)frame;

	for (unsigned i = 0; i < 15; i++)
		gpr[i] = fuzz_once_in(cpu, 2) ? fuzz_value(cpu) : fuzz_address(cpu);
	frame->rip = (uint64_t)fuzz_code(cpu);
	frame->cs = FUZZ_PICK(cpu, code);
	if (frame->cs == FUZZ_CODE16) /* its base is there */
		frame->rip = 0;
	frame->ss = frame->cs & 3 ? FUZZ_USERDATA : FUZZ_DATA;
	frame->rflags = any_flags(cpu);
	frame->rsp = fuzz_once_in(cpu, 16) ? fuzz_address(cpu) : fuzz_stack(cpu) - 128;
}

void fuzz_generate(struct fuzz_cpu *cpu, struct trap_frame *frame)
{
	struct snippet s = {fuzz_code(cpu), frame};

	memset(s.at, INT3, FUZZ_CODE_SIZE);
	fuzz_any_frame(cpu, frame);
	if (fuzz_once_in(cpu, 4))
		put_shadow(cpu, &s);
	if (fuzz_once_in(cpu, 4)) {
		FUZZ_PICK(cpu, device_kinds)(cpu, &s);
		return;
	}
	FUZZ_PICK(cpu, kinds)(cpu, &s);
	if (fuzz_once_in(cpu, 4))
		FUZZ_PICK(cpu, second_kinds)(cpu, &s);
}
