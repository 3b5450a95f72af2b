/* Proves that device memory and ports answer every instruction form that kernels use: MOV by
 * register, immediate, absolute address and RIP, read-modify-write, string I/O, 8, 16 and 32 bits;
 * with the results in the right part of the right register. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#include <asm/processor-flags.h>
#include <linux/serial_reg.h>

#define LVT          (APIC_MMIO_BASE + APIC_LVT_ERROR)
#define VERSION      (APIC_MMIO_BASE + APIC_VERSION)
#define ABSENT_PORT  0x5000
#define SCRATCH_PORT (COM1 + UART_SCR)
#define DIRTY        0xa5a5a5a5a5a5a5a5ull

#define LVT_A (APIC_LVT_MASKED | 0x31)
#define LVT_B (APIC_LVT_MASKED | 0x46)

static uint8_t buffer[2 * 4096] __aligned(4096);

static uint32_t lvt(void)
{
	return *(volatile uint32_t *)LVT;
}

static void set_lvt(uint32_t value)
{
	*(volatile uint32_t *)LVT = value;
}

/* Loads from the version register, by different operands; upper halves must become zero. */
static void check_loads(void)
{
	uint64_t want = *(volatile uint32_t *)VERSION, v, v2, v3;

	diag("local APIC version 0x%lx", want);
	__asm__ volatile("movabs 0xfee00030, %%eax" : "=a"(v) : "0"(DIRTY) : "memory");
	is(v, want, "MOV EAX, moffs64");
	v = DIRTY;
	__asm__ volatile("mov (%1), %k0" : "+r"(v) : "r"(VERSION) : "memory");
	is(v, want, "MOV r32, [r64]");
	__asm__ volatile("mov %1, %%r15\n"
			 "mov %2, %%r9\n"
			 "mov -8(%%r9,%%r15,4), %%r12d\n"
			 "mov %%r12, %0\n"
			 : "=r"(v)
			 : "i"((APIC_VERSION + 8) / 4), "r"(APIC_MMIO_BASE)
			 : "r9", "r12", "r15", "memory");
	is(v, want, "MOV r12d, [r9+r15*4-8]");
	__asm__ volatile("push %%rbp\n"
			 "mov %3, %%rbp\n"
			 "mov 0x30(%%rbp), %%esi\n"
			 "mov 0x30(%%rbp), %%edi\n"
			 "mov 0x30(%%rbp), %%ebp\n"
			 "mov %%rbp, %0\n"
			 "pop %%rbp\n"
			 : "=&r"(v), "=&S"(v2), "=&D"(v3)
			 : "r"(APIC_MMIO_BASE)
			 : "memory");
	ok(v == want && v2 == want && v3 == want, "MOV ESI/EDI/EBP, [rbp+0x30]");
	__asm__ volatile("addr32 mov (%k1), %k0" : "=r"(v) : "r"(VERSION | 1ull << 40) : "memory");
	is(v, want, "MOV r32, [r32]: the address is cut to 32 bits");
}

static void check_stores(void)
{
	__asm__ volatile("movl %0, (%1)" : : "i"(LVT_A), "r"(LVT) : "memory");
	is(lvt(), LVT_A, "MOV [r64], imm32");
	__asm__ volatile("movabs %%eax, 0xfee00370" : : "a"(LVT_B) : "memory");
	is(lvt(), LVT_B, "MOV moffs64, EAX");
	__asm__ volatile("mov %0, %%r13d\n"
			 "mov %%r13d, (%1)\n"
			 :
			 : "i"(LVT_A), "r"(LVT)
			 : "r13", "memory");
	is(lvt(), LVT_A, "MOV [r64], r13d");
	__asm__ volatile("cld; stosl" : : "a"(LVT_B), "D"(LVT) : "memory");
	is(lvt(), LVT_B, "STOSD");
}

/* Within a RIP-relative operand's reach, which the local APIC is not; common/stub.ld has it. */
extern uint8_t device_alias[];

static void check_rip_relative(void)
{
	uint64_t v;

	paging_map_2m((uint64_t)device_alias, APIC_MMIO_BASE);
	__asm__ volatile("movl %0, device_alias + 0x370(%%rip)" : : "i"(LVT_A) : "memory");
	is(lvt(), LVT_A, "MOV [rip], imm32: the immediate counts in the address");
	__asm__ volatile("mov device_alias + 0x30(%%rip), %k0" : "=r"(v) : : "memory");
	is(v, *(volatile uint32_t *)VERSION, "MOV r32, [rip]");
}

/* Flags after a compare with device memory. */
static bool is_equal_by_cmp(uint32_t value)
{
	bool is_zero_flag;

	__asm__ volatile("cmpl %2, (%1)" : "=@ccz"(is_zero_flag) : "r"(LVT), "r"(value) : "memory");
	return is_zero_flag;
}

static void check_read_modify_write(void)
{
	uint32_t v = LVT_B;
	bool flag;

	set_lvt(LVT_A);
	__asm__ volatile("orl $0x46, (%0)" : : "r"(LVT) : "memory", "cc");
	is(lvt(), LVT_A | 0x46, "OR [r64], imm");
	__asm__ volatile("andl %1, (%0)" : : "r"(LVT), "r"(~0x46u) : "memory", "cc");
	is(lvt(), LVT_A & ~0x46u, "AND [r64], r32");
	set_lvt(LVT_A);
	__asm__ volatile("xchg %0, (%1)" : "+r"(v) : "r"(LVT) : "memory");
	ok(v == LVT_A && lvt() == LVT_B, "XCHG [r64], r32");
	ok(is_equal_by_cmp(LVT_B) && !is_equal_by_cmp(LVT_A), "CMP [r64], r32 sets ZF");
	__asm__ volatile("testl %2, (%1)"
			 : "=@ccz"(flag)
			 : "r"(LVT), "i"(APIC_LVT_MASKED)
			 : "memory");
	ok(!flag, "TEST [r64], imm32 clears ZF");
}

static void check_ioapic(void)
{
	uint32_t version = ioapic_read(IOAPIC_VERSION), pins = (version >> 16 & 0xff) + 1;
	uint8_t last = (uint8_t)(pins - 1);

	diag("I/O APIC version 0x%x, %u pins", version & 0xff, pins);
	ok(pins >= 24, "the I/O APIC has 24 pins");
	ioapic_write((uint8_t)IOAPIC_ENTRY(last), IOAPIC_MASKED | 0x77);
	ioapic_write((uint8_t)(IOAPIC_ENTRY(last) + 1), 0x0f000000);
	is(ioapic_read((uint8_t)IOAPIC_ENTRY(last)), IOAPIC_MASKED | 0x77, "an entry's low half");
	is(ioapic_read((uint8_t)(IOAPIC_ENTRY(last) + 1)), 0x0f000000, "its high half");
	is(*(volatile uint8_t *)(IOAPIC_BASE + IOAPIC_SELECT), IOAPIC_ENTRY(last) + 1u,
	   "the index reads back, by a byte");
	ioapic_mask(last);
}

/* A port read changes as much of RAX as the instruction's width says. */
static void check_port_widths(void)
{
	uint64_t v;

	outb(SCRATCH_PORT, 0x5a);
	__asm__ volatile("inb %%dx, %%al" : "=a"(v) : "0"(DIRTY), "d"(SCRATCH_PORT) : "memory");
	is(v, (DIRTY & ~0xffull) | 0x5a, "IN AL, DX leaves the rest of RAX");
	__asm__ volatile("inw %%dx, %%ax" : "=a"(v) : "0"(DIRTY), "d"(ABSENT_PORT) : "memory");
	is(v, DIRTY | 0xffff, "IN AX, DX leaves the rest of RAX");
	__asm__ volatile("inl %%dx, %%eax" : "=a"(v) : "0"(DIRTY), "d"(ABSENT_PORT) : "memory");
	is(v, 0xffffffff, "IN EAX, DX clears the upper half");
	__asm__ volatile("outb %%al, $0x21\n"
			 "mov $0, %%al\n"
			 "inb $0x21, %%al\n"
			 : "=a"(v)
			 : "0"(0xf7)
			 : "memory");
	is(v, 0xf7, "OUT imm8, AL and IN AL, imm8");
	outb(0x21, 0xff);
}

static void check_string_out(void)
{
	static const char text[] = "# REP OUTSB\n";
	const char *from = text;
	size_t count = sizeof(text) - 1;

	/* The text fits the transmitter's FIFO when that is empty. */
	while (!(inb(COM1 + UART_LSR) & UART_LSR_TEMT))
		cpu_relax();
	__asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(COM1) : "memory");
	ok(!count && from == text + sizeof(text) - 1, "REP OUTSB moves RSI, empties RCX");
	memset(buffer, 0, sizeof(buffer));
	for (unsigned i = 0; i < 40; i++)
		buffer[4096 - 20 + i] = (uint8_t)(i + 1);
	from = (const char *)buffer + 4096 - 20;
	count = 40;
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(SCRATCH_PORT) : "memory");
	is(inb(SCRATCH_PORT), 40, "REP OUTSB across a page: the last byte arrived");
}

static void check_string_in(void)
{
	uint8_t *to = buffer + 4096 - 20;
	size_t count = 40;
	bool is_filled = true;

	memset(buffer, 0, sizeof(buffer));
	outb(SCRATCH_PORT, 0x3c);
	__asm__ volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(SCRATCH_PORT) : "memory");
	for (unsigned i = 0; i < 40; i++)
		is_filled = is_filled && buffer[4096 - 20 + i] == 0x3c;
	ok(is_filled && !buffer[4096 - 21] && !buffer[4096 + 20], "REP INSB across a page");
	ok(!count && to == buffer + 4096 + 20, "it moves RDI, empties RCX");

	memset(buffer, 0, sizeof(buffer));
	to = buffer + 12;
	count = 3;
	__asm__ volatile("std; rep insl; cld"
			 : "+D"(to), "+c"(count)
			 : "d"(ABSENT_PORT)
			 : "memory");
	ok(to == buffer && !buffer[3] && buffer[4] == 0xff && buffer[15] == 0xff && !buffer[16],
	   "REP INSD downwards");
	to = buffer + 64;
	__asm__ volatile("cld; insw" : "+D"(to) : "d"(ABSENT_PORT) : "memory");
	ok(to == buffer + 66 && buffer[65] == 0xff && !buffer[66], "INSW");
	count = 0;
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(SCRATCH_PORT) : "memory");
	ok(to == buffer + 66 && !buffer[66], "REP INSB with RCX=0 does nothing");
}

void stub_main(void)
{
	apic_enable(false);
	check_loads();
	check_stores();
	check_read_modify_write();
	check_rip_relative();
	check_ioapic();
	check_port_widths();
	check_string_out();
	check_string_in();
}
