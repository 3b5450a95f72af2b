/* Proves the rarer instruction forms on device memory (MOVZX and MOVSX, bit tests, arithmetic,
 * CMPXCHG, strings, an FS override), and that string I/O which faults gives the guest its own #PF
 * or #GP, with what was done before kept. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#include <linux/serial_reg.h>

#define LVT          (APIC_MMIO_BASE + APIC_LVT_ERROR)
#define VERSION      (APIC_MMIO_BASE + APIC_VERSION)
#define SCRATCH_PORT (COM1 + UART_SCR)
#define MSR_FS_BASE  0xc0000100u
#define UNMAPPED     0x100000000ull
#define NONCANONICAL 0x800000000000ull

#define LVT_A (APIC_LVT_MASKED | 0xb1)
#define LVT_B (APIC_LVT_MASKED | 0x46)

static uint32_t lvt(void)
{
	return *(volatile uint32_t *)LVT;
}

static void set_lvt(uint32_t value)
{
	*(volatile uint32_t *)LVT = value;
}

static void check_extensions(void)
{
	uint64_t v;

	set_lvt(LVT_A);
	__asm__ volatile("movzbl (%1), %k0" : "=r"(v) : "r"(LVT) : "memory");
	is(v, 0xb1, "MOVZX r32, byte [r64]");
	__asm__ volatile("movzwq (%1), %0" : "=r"(v) : "r"(LVT) : "memory");
	is(v, 0xb1, "MOVZX r64, word [r64]");
	__asm__ volatile("movsbq (%1), %0" : "=r"(v) : "r"(LVT) : "memory");
	is(v, ~0x4eull, "MOVSX r64, byte [r64]");
	__asm__ volatile("movsbw (%1), %w0"
			 : "=r"(v)
			 : "r"(LVT), "0"(0x123456789abcdef0)
			 : "memory");
	is(v, 0x123456789abcffb1, "MOVSX r16, byte [r64] leaves the rest");
	__asm__ volatile("movslq (%1), %0" : "=r"(v) : "r"(LVT) : "memory");
	is(v, LVT_A, "MOVSXD r64, dword [r64]");
}

/* By a register, a bit may lie outside the operand. */
static void check_bits(void)
{
	bool was_set;

	set_lvt(LVT_A);
	__asm__ volatile("btl $16, (%1)" : "=@ccc"(was_set) : "r"(LVT) : "memory");
	ok(was_set, "BT [r64], imm8");
	__asm__ volatile("btrl $7, (%1)" : "=@ccc"(was_set) : "r"(LVT) : "memory");
	ok(was_set && lvt() == (LVT_A & ~0x80u), "BTR [r64], imm8");
	__asm__ volatile("lock btsl %2, (%1)" : "=@ccc"(was_set) : "r"(LVT), "r"(7) : "memory");
	ok(!was_set && lvt() == LVT_A, "LOCK BTS [r64], r32");
	__asm__ volatile("btcl %2, (%1)"
			 : "=@ccc"(was_set)
			 : "r"(LVT + 16), "r"(-128 + 6)
			 : "memory");
	ok(!was_set && lvt() == (LVT_A | 0x40), "BTC [r64], r32: a bit 16 bytes before");
}

static void check_arithmetic(void)
{
	uint32_t old = LVT_B;
	bool is_equal;

	set_lvt(LVT_A);
	__asm__ volatile("xorl $0x77, (%0)" : : "r"(LVT) : "memory", "cc");
	is(lvt(), LVT_A ^ 0x77, "XOR [r64], imm8");
	__asm__ volatile("addl %1, (%0)" : : "r"(LVT), "r"(3) : "memory", "cc");
	is(lvt(), (LVT_A ^ 0x77) + 3, "ADD [r64], r32");
	__asm__ volatile("subl $3, (%0); incl (%0); decl (%0)" : : "r"(LVT) : "memory", "cc");
	is(lvt(), LVT_A ^ 0x77, "SUB, INC, DEC [r64]");
	set_lvt(LVT_A);
	__asm__ volatile("lock cmpxchgl %3, (%2)"
			 : "=@ccz"(is_equal), "+a"(old)
			 : "r"(LVT), "r"(LVT_B)
			 : "memory");
	ok(!is_equal && old == LVT_A && lvt() == LVT_A, "CMPXCHG that differs loads EAX");
	__asm__ volatile("lock cmpxchgl %3, (%2)"
			 : "=@ccz"(is_equal), "+a"(old)
			 : "r"(LVT), "r"(LVT_B)
			 : "memory");
	ok(is_equal && lvt() == LVT_B, "CMPXCHG that is equal stores");
	old = LVT_B;
	__asm__ volatile("addl (%1), %0" : "+r"(old) : "r"(LVT) : "memory", "cc");
	is(old, 2 * LVT_B, "ADD r32, [r64]");
}

static void check_strings(void)
{
	uint32_t version = *(volatile uint32_t *)VERSION, got = 0, from = LVT_A;
	uint64_t rsi = VERSION, rdi = (uintptr_t)&got, count = 4, v;

	__asm__ volatile("cld; rep movsb" : "+S"(rsi), "+D"(rdi), "+c"(count) : : "memory");
	ok(got == version && !count && rsi == VERSION + 4, "REP MOVSB out of a device");
	rsi = (uintptr_t)&from, rdi = LVT, count = 1;
	__asm__ volatile("rep movsl" : "+S"(rsi), "+D"(rdi), "+c"(count) : : "memory");
	ok(lvt() == LVT_A && !count && rdi == LVT + 4, "REP MOVSD into a device");
	rdi = LVT, count = 1;
	__asm__ volatile("rep stosl" : "+D"(rdi), "+c"(count) : "a"(LVT_B) : "memory");
	is(lvt(), LVT_B, "REP STOSD");
	rsi = VERSION;
	__asm__ volatile("std; lodsl; cld" : "+S"(rsi), "=a"(v) : : "memory");
	ok(v == version && rsi == VERSION - 4, "LODSD downwards");
	rdi = LVT;
	__asm__ volatile("scasl" : "+D"(rdi), "=@ccz"(v) : "a"(LVT_B) : "memory");
	ok((bool)v && rdi == LVT + 4, "SCASD");
}

static void check_override(void)
{
	uint32_t version = *(volatile uint32_t *)VERSION, got;

	wrmsr(MSR_FS_BASE, APIC_MMIO_BASE);
	__asm__ volatile("movl %%fs:0x30, %0" : "=r"(got) : : "memory");
	is(got, version, "MOV r32, fs:[disp32]");
	wrmsr(MSR_FS_BASE, 0);
}

/* Two bytes go where nothing is, the third has no page. */
static void check_faults(void)
{
	uint64_t rdi = UNMAPPED - 2, rsi = NONCANONICAL, count = 4;

	last_fault.vector = NO_FAULT;
	__asm__ volatile("cld\n"
			 "1: rep insb\n"
			 "2:\n" EXPECT_FAULT
			 : "+D"(rdi), "+c"(count)
			 : "d"(SCRATCH_PORT)
			 : "memory");
	is((uint64_t)last_fault.vector, VECTOR_PF, "REP INSB into an absent page: #PF");
	ok(last_fault.cr2 == UNMAPPED && last_fault.error == 2, "its CR2 and error code");
	ok(count == 2 && rdi == UNMAPPED, "two bytes were done");
	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: outsb\n"
			 "2:\n" EXPECT_FAULT
			 : "+S"(rsi)
			 : "d"(SCRATCH_PORT)
			 : "memory");
	ok(last_fault.vector == VECTOR_GP && !last_fault.error && rsi == NONCANONICAL,
	   "OUTSB from an address that is not canonical: #GP");
}

void stub_main(void)
{
	apic_enable(false);
	check_extensions();
	check_bits();
	check_arithmetic();
	check_strings();
	check_override();
	check_faults();
}
