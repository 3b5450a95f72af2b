/* Something for a debugger to hold on to: functions to break at, memory to watch, two CPUs. It
 * proves that a debugger leaves no trace: no TF in flags that are pushed, its own INT3 and debug
 * registers as on a CPU that nobody looks into. Words: wait (until the debugger writes `released`).
 */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"

#define VECTOR_BP  3
#define VECTOR_IPI 0x50
#define RFLAGS_TF  BIT(8)
#define RFLAGS_RF  BIT_ULL(16)
#define PATTERN    0x123456789abcull
#define DR7_L0     1ull

static volatile uint64_t watched, released, rounds, total;
static volatile uint64_t int3s, int3_rip, hits, ipis, ipi_flags;
static volatile bool is_over;

static __attribute__((noipa)) uint64_t add(uint64_t a, uint64_t b)
{
	return a + b;
}

/* For the other CPU. */
static __attribute__((noinline)) void go_round(uint64_t unused)
{
	(void)unused;
	while (!is_over) {
		rounds++;
		__builtin_ia32_pause();
	}
}

/* PUSHF at the label, for steps. */
uint64_t push_flags(void);
__asm__("push_flags:\n"
	"	pushfq\n"
	"	pop %rax\n"
	"	xchg %rax, %rsi\n"
	"	xor %eax, %eax\n"
	"	push %rbx\n"
	"	cpuid\n"
	"	pop %rbx\n"
	"	mov %rsi, %rax\n"
	"	ret\n");

/* A window for the interrupt that waits, for steps. */
void open_window(void);
__asm__("open_window:\n"
	"	sti\n"
	"	nop\n"
	"	nop\n"
	"	cli\n"
	"	ret\n");

/* Where the stub has a breakpoint of its own. */
void own_breakpoint(void);
__asm__("own_breakpoint:\n"
	"	nop\n"
	"	ret\n");

static void note_ipi(struct trap_frame *frame)
{
	ipis++;
	ipi_flags = frame->rflags;
	apic_eoi();
}

static void note_int3(struct trap_frame *frame)
{
	int3s++;
	int3_rip = frame->rip;
}

static void note_hit(struct trap_frame *frame)
{
	hits++;
	frame->rflags |= RFLAGS_RF;
}

static void check_window(void)
{
	trap_set(VECTOR_IPI, note_ipi);
	apic_self_ipi(VECTOR_IPI);
	open_window();
	is(ipis, 1, "an interrupt comes through the window");
	is(ipi_flags & RFLAGS_TF, 0, "and saves no TF");
}

static void check_int3(void)
{
	uint64_t behind;

	__asm__ volatile("lea 1f(%%rip), %0\n"
			 "int3\n"
			 "1:\n"
			 : "=r"(behind)
			 :
			 : "memory");
	is(int3s, 1, "its own INT3 is its own");
	is(int3_rip, behind, "and a trap");
}

static __attribute__((noipa)) void use_debug_registers(void)
{
	write_dr0((uint64_t)own_breakpoint);
	write_dr3(PATTERN);
	is(read_dr0(), (uint64_t)own_breakpoint, "DR0 reads as it was written");
	is(read_dr3(), PATTERN, "and so does DR3");
}

/* The debugger has gone. */
static void check_own_breakpoint(void)
{
	is(read_dr3(), PATTERN, "DR3 is still as it was written");
	write_dr7(DR7_L0);
	own_breakpoint();
	write_dr7(0);
	is(hits, 1, "its own breakpoint hits");
}

void stub_main(void)
{
	uint64_t flags;

	plan(11);
	released = !cmdline_is("wait", "");
	timer_init();
	trap_set(VECTOR_BP, note_int3);
	trap_set(VECTOR_DB, note_hit);
	smp_start(2);
	smp_run(1, go_round, 0);
	for (uint64_t i = 1; i <= 4; i++)
		total = add(total, i);
	is(total, 10, "the sum is right");
	watched = 1;
	watched = 42;
	flags = push_flags();
	is(flags & RFLAGS_TF, 0, "PUSHF shows no TF");
	check_window();
	check_int3();
	use_debug_registers();
	while (!released)
		__builtin_ia32_pause();
	check_own_breakpoint();
	timer_halt_ns(1000000);
	is_over = true;
	smp_wait(1);
	ok(rounds > 1, "the other CPU went round");
}
