/* The shortest interrupt handler: notes the TSC, counts, sends the EOI. */
#ifndef GUEST_STUBS_COMMON_BENCH_IRQ_H
#define GUEST_STUBS_COMMON_BENCH_IRQ_H

#include "guest-stubs/common/stub.h"

/* The TSC at the handler's first instructions, and how often it ran. */
extern volatile uint64_t bench_irq_tsc, bench_irq_count;

/* Puts the handler for the local APIC's current mode at `vector`. */
void bench_irq_init(uint8_t vector);

#endif
