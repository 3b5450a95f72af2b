/* The end of a broken host: one pCPU stops the others and tells what it knows, without locks. */
#include <stdarg.h>

#include "cpu/apic.h"
#include "cpu/backtrace.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "lib/log.h"
#include "lib/printf.h"

#define DUMPERS_MAX 8
#define MESSAGE_MAX 256
#define NOBODY      UINT32_MAX
/* How often to look whether the others have stopped: some milliseconds; the clock may not be known.
 */
#define STOP_LOOKS  1000000

static uint32_t owner = NOBODY;            /* (a) the pCPU that panics */
static uint32_t depth;                     /* (o) of the owner: panics within its panic */
static uint32_t stopped;                   /* (a) how many others have */
static void (*dumpers[DUMPERS_MAX])(void); /* (a) */
static void (*end_hook)(void);             /* (a) */

void panic_add_dumper(void (*dump)(void))
{
	for (unsigned i = 0; i < DUMPERS_MAX; i++) {
		void (*none)(void) = NULL;

		if (__atomic_compare_exchange_n(&dumpers[i], &none, dump, false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return;
	}
}

void panic_set_end(void (*end)(void))
{
	__atomic_store_n(&end_hook, end, __ATOMIC_RELEASE);
}

bool panic_is_active(void)
{
	return __atomic_load_n(&owner, __ATOMIC_RELAXED) != NOBODY;
}

void panic_stop_this_cpu(void)
{
	if (__atomic_load_n(&owner, __ATOMIC_RELAXED) == this_cpu_id())
		return;
	__atomic_fetch_add(&stopped, 1, __ATOMIC_RELAXED);
	halt_forever();
}

static void stop_others(void)
{
	uint32_t others = percpu_count() - 1;

	if (!others)
		return;
	apic_broadcast_nmi();
	for (unsigned i = 0; i < STOP_LOOKS; i++) {
		if (__atomic_load_n(&stopped, __ATOMIC_RELAXED) >= others)
			return;
		cpu_relax();
	}
	log_error("only %u of %u other pCPUs stopped", stopped, others);
}

static void print_registers(const struct trap_frame *f)
{
	typedef unsigned long long ull;

	log_error("rip %016llx  cs %04llx  rflags %08llx  ss %04llx  rsp %016llx", (ull)f->rip,
		  (ull)f->cs, (ull)f->rflags, (ull)f->ss, (ull)f->rsp);
	log_error("rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", (ull)f->rax, (ull)f->rbx,
		  (ull)f->rcx, (ull)f->rdx);
	log_error("rsi %016llx  rdi %016llx  rbp %016llx", (ull)f->rsi, (ull)f->rdi, (ull)f->rbp);
	log_error("r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx", (ull)f->r8, (ull)f->r9,
		  (ull)f->r10, (ull)f->r11);
	log_error("r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx", (ull)f->r12, (ull)f->r13,
		  (ull)f->r14, (ull)f->r15);
}

static void __noreturn end(void)
{
	void (*hook)(void) = __atomic_load_n(&end_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook();
	halt_forever();
}

/* This pCPU's own report has panicked: each time less is tried. */
static void __noreturn report_nested(const char *message)
{
	switch (depth++) {
	case 0:
		log_error("panic while reporting: %s", message);
		end();
	case 1:
		end();
	default:
		halt_forever();
	}
}

static void __noreturn report(const struct trap_frame *frame, const char *fmt, va_list args)
{
	char message[MESSAGE_MAX];
	uint32_t none = NOBODY;

	irq_disable();
	fmt_vsnprintf(message, sizeof(message), fmt, args);
	if (!__atomic_compare_exchange_n(&owner, &none, this_cpu_id(), false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED)) {
		panic_stop_this_cpu();
		report_nested(message);
	}
	log_panic_mode();
	stop_others();
	log_error("PANIC on pCPU %u: %s", this_cpu_id(), message);
	if (frame)
		print_registers(frame);
	log_error("cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx", (unsigned long long)read_cr0(),
		  (unsigned long long)read_cr2(), (unsigned long long)read_cr3(),
		  (unsigned long long)read_cr4());
	backtrace_print(frame);
	for (unsigned i = 0; i < DUMPERS_MAX && dumpers[i]; i++)
		dumpers[i]();
	end();
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(NULL, fmt, args);
}

void panic_with_frame(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(frame, fmt, args);
}
