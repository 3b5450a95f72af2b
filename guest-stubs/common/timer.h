/* A timer that wakes the CPU: the local APIC's, in TSC-deadline mode where CPUID offers it,
 * one-shot otherwise. Stubs that test the other modes program them by themselves. */
#ifndef GUEST_STUBS_COMMON_TIMER_H
#define GUEST_STUBS_COMMON_TIMER_H

#include "guest-stubs/common/stub.h"

#define VECTOR_TIMER 0xe0

/* Interrupts taken so far, and the TSC in the last one's handler. */
extern volatile uint64_t timer_ticks, timer_tick_tsc;

/* Calls clock_init() and apic_enable(), in x2APIC mode where CPUID offers it. */
void timer_init(void);

/* Is the deadline kept to the TSC tick (TSC-deadline mode), or as well as the APIC timer's rate
 * could be measured? */
bool timer_is_exact(void);

/* One interrupt when the TSC reaches `deadline`. */
void timer_arm(uint64_t deadline);

/* Halts until the TSC reaches `deadline`; gives the TSC that the handler saw. */
uint64_t timer_halt_until(uint64_t deadline);

/* The same by nanoseconds from now. */
void timer_halt_ns(uint64_t ns);

#endif
