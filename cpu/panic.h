/* Panic and assertions. Only for a broken invariant of the host: input never leads here. A seam:
 * hosted, the fake turns panic into cmocka's mock_assert. */
#ifndef CPU_PANIC_H
#define CPU_PANIC_H

#include "lib/types.h"

/* Stops the other pCPUs, prints on every sink the message, what the dumpers know, registers, a
 * backtrace and the message again, and ends the machine with status 3. Callable anywhere. */
void panic(const char *fmt, ...) __printf_like(1, 2) __noreturn __cold;

/* Registers a function that adds to the panic report: the current VMCS, the last exits. */
void panic_add_dumper(void (*dump)(void));

/* What each pCPU does last, before it halts or ends the machine: must not fail, nor take a lock. */
void panic_set_leave(void (*leave)(void));

/* How the machine ends after a panic: registered by boot/. Must not return. */
void panic_set_end(void (*end)(void));

struct trap_frame;

/* The same from an exception's frame, whose registers and stack are reported. */
void panic_with_frame(const struct trap_frame *frame, const char *fmt, ...)
	__printf_like(2, 3) __noreturn __cold;

/* Has any pCPU panicked? Then sinks write at once and take no lock. Any context. */
bool panic_is_active(void);

/* From the NMI handler, once panic_is_active: returns only on the pCPU that panics. */
void panic_stop_this_cpu(void);

/* An invariant of the host. Always checked. */
#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (unlikely(!(cond)))                                                             \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

/* The same on hot paths: checked in debug builds only. */
#ifdef CONFIG_DEBUG
#define DEBUG_ASSERT(cond) ASSERT(cond)
#else
#define DEBUG_ASSERT(cond) ((void)sizeof(!(cond)))
#endif

#endif
