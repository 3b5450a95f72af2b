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
static void (*leave_hook)(void);           /* (a) */
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

void panic_set_leave(void (*leave)(void))
{
	__atomic_store_n(&leave_hook, leave, __ATOMIC_RELEASE);
}

void panic_set_end(void (*end)(void))
{
	__atomic_store_n(&end_hook, end, __ATOMIC_RELEASE);
}

static void leave(void)
{
	void (*hook)(void) = __atomic_load_n(&leave_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook();
}

bool panic_is_active(void)
{
	return __atomic_load_n(&owner, __ATOMIC_RELAXED) != NOBODY;
}

void panic_stop_this_cpu(void)
{
	if (__atomic_load_n(&owner, __ATOMIC_RELAXED) == this_cpu_id())
		return;
	leave();
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
	const struct {
		const char *name;
		uint64_t value;
	} reg[] = {
		{"rip", f->rip}, {"rsp", f->rsp}, {"rflags", f->rflags}, {"rax", f->rax},
		{"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx},       {"rsi", f->rsi},
		{"rdi", f->rdi}, {"rbp", f->rbp}, {"r8", f->r8},         {"r9", f->r9},
		{"r10", f->r10}, {"r11", f->r11}, {"r12", f->r12},       {"r13", f->r13},
		{"r14", f->r14}, {"r15", f->r15},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(reg); i += 3)
		log_error("%-6s %016llx  %-6s %016llx  %-6s %016llx", reg[i].name,
			  (unsigned long long)reg[i].value, reg[i + 1].name,
			  (unsigned long long)reg[i + 1].value, reg[i + 2].name,
			  (unsigned long long)reg[i + 2].value);
	log_error("cs %04llx  ss %04llx", (unsigned long long)f->cs, (unsigned long long)f->ss);
}

static void __noreturn end(void)
{
	void (*hook)(void) = __atomic_load_n(&end_hook, __ATOMIC_ACQUIRE);

	leave();
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
	for (unsigned i = 0; i < DUMPERS_MAX && dumpers[i]; i++)
		dumpers[i]();
	if (frame)
		print_registers(frame);
	log_error("cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx", (unsigned long long)read_cr0(),
		  (unsigned long long)read_cr2(), (unsigned long long)read_cr3(),
		  (unsigned long long)read_cr4());
	backtrace_print(frame);
	/* Again: a screen has scrolled by now. */
	log_error("PANIC on pCPU %u: %s", this_cpu_id(), message);
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
