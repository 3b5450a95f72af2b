/* The end of a broken host: one pCPU stops the others and tells what it knows, without locks. */
#include <stdarg.h>

#include "cpu/apic.h"
#include "cpu/backtrace.h"
#include "cpu/insn.h"
#include "cpu/nmi.h"
#include "cpu/panic.h"
#include "cpu/panic_dump.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "lib/log.h"
#include "lib/printf.h"

#define DUMPERS_MAX  8
#define MESSAGE_MAX  256
#define NOBODY       UINT32_MAX
#define OTHERS_SHOWN 8u
/* How often to look whether the others have stopped: some milliseconds; the clock may not be known.
 */
#define STOP_LOOKS   1000000

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

/* Where the others were: for those that somebody will read. */
static void print_others(void)
{
	for (uint32_t id = 0; id < MIN(percpu_count(), OTHERS_SHOWN); id++) {
		uint64_t at = nmi_stopped_at(id);
		char what[32];

		if (id == this_cpu_id())
			continue;
		fmt_snprintf(what, sizeof(what), "pCPU %u was at", id);
		if (at == UINT64_MAX)
			log_error("  pCPU %u does not say where it was", id);
		else if (!at)
			log_error("  pCPU %u was in its guest", id);
		else
			backtrace_print_place(what, at);
	}
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
	print_others();
	for (unsigned i = 0; i < DUMPERS_MAX && dumpers[i]; i++)
		dumpers[i]();
	panic_dump(frame);
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
