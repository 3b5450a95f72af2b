/* Proves that a program at CPL 3 which its kernel has given a device's page cannot end the VM, nor
 * write ports: what Carousel does not execute there is #UD, also for code in the device; and when
 * another CPU writes OUTS in place of what touched the device, the CPU's own checks hold. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#include <asm/processor-flags.h>
#include <linux/serial_reg.h>

#define SCRATCH_PORT (COM1 + UART_SCR)
#define HOLE         0xd0001000ull
#define SCRATCH      0x5a
#define ROUNDS       3000u
#define RFLAGS_1     2u

enum { GDT_TSS = 7, GDT_ENTRIES = 9 };
#define CODE_0 0x08
#define DATA_0 0x10
#define DATA_3 0x2b
#define CODE_3 0x33

/* The program: what it begins with. RSP is its own stack, or where a test wants it. */
struct program {
	uint64_t rip, rsp, rsi, rdi, rdx;
};
void program_run(const struct program *program);
extern const char program_back[];
uint64_t program_kernel_rsp;

__asm__(".text\n"
	".globl program_run, program_back\n"
	"program_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, program_kernel_rsp(%rip)\n"
	"	mov %rdi, %rbx\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdi\n"
	"	mov 32(%rbx), %rdx\n"
	"	pushq $0x2b\n"
	"	pushq 8(%rbx)\n"
	"	pushq $2\n"
	"	pushq $0x33\n"
	"	pushq (%rbx)\n"
	"	mov $1, %ecx\n"
	"	iretq\n"
	"program_back:\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static uint64_t gdt[GDT_ENTRIES];
static uint8_t tss[104] __aligned(16), kernel_stack[8192] __aligned(16);
static uint8_t user_stack[4096] __aligned(16), buffer[64];
static uint8_t code[64] __aligned(64);

/* How it ended. */
static struct {
	unsigned vector;
	uint64_t error, rip;
} end;

static void note_end(struct trap_frame *frame)
{
	if ((frame->cs & 3) != 3)
		bail("vector %lu in the kernel, rip 0x%lx, cr2 0x%lx", frame->vector, frame->rip,
		     read_cr2());
	end.vector = (unsigned)frame->vector;
	end.error = frame->error;
	end.rip = frame->rip;
	frame->rip = (uint64_t)program_back;
	frame->cs = CODE_0;
	frame->ss = DATA_0;
	frame->rflags = RFLAGS_1;
	frame->rsp = program_kernel_rsp;
}

/* A GDT with a program's segments and a TSS, whose RSP0 is where exceptions go. */
static void prepare_programs(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
	uint64_t base = (uint64_t)tss, rsp0 = (uint64_t)kernel_stack + sizeof(kernel_stack);

	gdt[CODE_0 / 8] = 0x00af9b000000ffff;
	gdt[DATA_0 / 8] = 0x00cf93000000ffff;
	gdt[DATA_3 / 8] = 0x00cff3000000ffff;
	gdt[CODE_3 / 8] = 0x00affb000000ffff;
	gdt[GDT_TSS] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
		       (base >> 24 & 0xff) << 56;
	gdt[GDT_TSS + 1] = base >> 32;
	memcpy(tss + 4, &rsp0, sizeof(rsp0));
	tss[102] = sizeof(tss); /* no I/O bitmap */
	__asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(GDT_TSS * 8) : "memory");
	for (uint8_t vector = 0; vector < 32; vector++)
		trap_set(vector, note_end);
	paging_allow_user((uint64_t)code);
	paging_allow_user(APIC_MMIO_BASE);
	paging_allow_user(IOAPIC_BASE);
	paging_allow_user(HOLE);
	write_cr4(read_cr4() | X86_CR4_OSFXSR);
}

static void run(const uint8_t *bytes, size_t len, struct program program)
{
	if (bytes) {
		memset(code, 0xf4, sizeof(code)); /* HLT: #GP at CPL 3 */
		memcpy(code, bytes, len);
		program.rip = (uint64_t)code;
	}
	if (!program.rsp)
		program.rsp = (uint64_t)user_stack + sizeof(user_stack);
	end.vector = 0;
	program_run(&program);
}

#define UD_AT_0    VECTOR_UD, 0
#define GP_AT(len) VECTOR_GP, len

static const struct {
	const char *name;
	uint8_t bytes[8], len;
	bool is_stack; /* RSP is in the device, too */
	uint8_t vector, at;
} rows[] = {
	{"MOV r32, [device]", {0x8b, 0x06}, 2, false, GP_AT(2)},
	{"LOCK INC of a misaligned word", {0xf0, 0xff, 0x46, 0x03}, 4, false, GP_AT(4)},
	{"REP MOVSB out of a device", {0xf3, 0xa4}, 2, false, GP_AT(2)},
	{"FLD", {0xd9, 0x06}, 2, false, UD_AT_0},
	{"MOVDQU xmm, [device]", {0xf3, 0x0f, 0x6f, 0x06}, 4, false, UD_AT_0},
	{"MOVDQU [device], xmm", {0xf3, 0x0f, 0x7f, 0x06}, 4, false, UD_AT_0},
	{"PUSH [device]", {0xff, 0x36}, 2, false, UD_AT_0},
	{"LOCK CMPXCHG8B", {0xf0, 0x0f, 0xc7, 0x0e}, 4, false, UD_AT_0},
	{"MOV ds, [device]", {0x8e, 0x1e}, 2, false, UD_AT_0},
	{"JMP [device]", {0xff, 0x26}, 2, false, UD_AT_0},
	{"PUSH with its stack in a device", {0x50}, 1, true, UD_AT_0},
	{"POP with its stack in a device", {0x58}, 1, true, UD_AT_0},
	{"CALL with its stack in a device", {0xe8, 0, 0, 0, 0}, 5, true, UD_AT_0},
	{"RET with its stack in a device", {0xc3}, 1, true, UD_AT_0},
	{"IRETQ with its stack in a device", {0x48, 0xcf}, 2, true, UD_AT_0},
	{"OUTSB of a device's byte, without the right", {0x6e}, 1, false, GP_AT(0)},
	{"REP INSB to a device, without the right", {0xf3, 0x6c}, 2, false, GP_AT(0)},
	{"VMCALL", {0x0f, 0x01, 0xc1}, 3, false, GP_AT(3)},
	{"VMMCALL", {0x0f, 0x01, 0xd9}, 3, false, GP_AT(3)},
	{"UD2", {0x0f, 0x0b}, 2, false, UD_AT_0},
};

static void check_device(const char *what, uint64_t device)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		run(rows[i].bytes, rows[i].len,
		    (struct program){.rsi = device,
				     .rdi = (uint64_t)buffer,
				     .rdx = SCRATCH_PORT,
				     .rsp = rows[i].is_stack ? device : 0});
		ok(end.vector == rows[i].vector && end.error == 0 &&
			   end.rip == (uint64_t)code + rows[i].at,
		   "%s: %s: vector %u at +%ld", what, rows[i].name, end.vector,
		   (long)(end.rip - (uint64_t)code));
	}
	run(NULL, 0, (struct program){.rip = device});
	ok(end.vector == VECTOR_UD && end.rip == device, "%s: a jump there: vector %u at 0x%lx",
	   what, end.vector, end.rip);
}

static bool is_swapping;

/* MOV [RSI], AL becomes OUTSB and a NOP, and back, for as long as the other CPU runs. */
static void swap_bytes(uint64_t at)
{
	while (__atomic_load_n(&is_swapping, __ATOMIC_RELAXED)) {
		__atomic_store_n((uint16_t *)at, 0x906e, __ATOMIC_RELAXED);
		for (unsigned i = 0; i < 20; i++)
			cpu_relax();
		__atomic_store_n((uint16_t *)at, 0x0688, __ATOMIC_RELAXED);
		for (unsigned i = 0; i < 20; i++)
			cpu_relax();
	}
}

static void check_swapped_bytes(void)
{
	static const uint8_t mov[] = {0x88, 0x06};
	unsigned refused = 0, done = 0;

	if (smp_count() < 2) {
		skip("bytes that another CPU changes", "one CPU");
		return;
	}
	outb(SCRATCH_PORT, SCRATCH);
	is_swapping = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (i == 0) {
			run(mov, sizeof(mov), (struct program){.rsi = HOLE});
			smp_run(1, swap_bytes, (uint64_t)code);
		}
		run(NULL, 0,
		    (struct program){.rip = (uint64_t)code, .rsi = HOLE, .rdx = SCRATCH_PORT});
		refused += end.vector == VECTOR_GP && end.rip == (uint64_t)code;
		done += end.vector == VECTOR_GP && end.rip == (uint64_t)code + 2;
	}
	__atomic_store_n(&is_swapping, false, __ATOMIC_RELAXED);
	smp_wait(1);
	diag("%u times #GP for OUTSB, %u times past MOV", refused, done);
	ok(refused + done == ROUNDS && refused && done, "each time it was the one or the other");
	is(inb(SCRATCH_PORT), SCRATCH, "no port was written");
}

void stub_main(void)
{
	unsigned cpus = (unsigned)cmdline_u64("cpus", 1);

	plan(3 * (ARRAY_SIZE(rows) + 1) + (cpus > 1 ? 2 : 1));
	clock_init();
	apic_enable(false);
	if (cpus > 1)
		smp_start(cpus);
	prepare_programs();
	check_device("local APIC", APIC_MMIO_BASE + APIC_TMCCT);
	check_device("IOAPIC", IOAPIC_BASE + IOAPIC_WINDOW);
	check_device("no device", HOLE);
	check_swapped_bytes();
	done();
}
