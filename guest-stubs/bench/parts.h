/* The parts of the benchmark: each measures, reports its rows, and returns. bench.c says what they
 * are. clock_init() and measure_init() have been called, interrupts are off. */
#ifndef GUEST_STUBS_BENCH_PARTS_H
#define GUEST_STUBS_BENCH_PARTS_H

#include "guest-stubs/common/stub.h"

#define VECTOR_BENCH 0x80
#define WARM_UP      20

/* How far ahead deadlines are: long enough for the way into HLT, and for 'polled' short enough for
 * a poll limit of KVM's default ceiling, 200 us. */
#define RUNNING_NS (50 * NS_PER_US)
#define BLOCKED_NS (500 * NS_PER_US)
#define POLLED_NS  (100 * NS_PER_US)

void bench_alone(void);
void bench_pair(void);
void bench_pingpong(void);
void bench_busy(void);
void bench_nap(void);
void bench_net(void);
void bench_idle(void);
void bench_quick(void);
void bench_scale(void);

/* alone.c: the local APIC's timer in TSC-deadline mode, at VECTOR_BENCH; false where there is none.
 */
bool deadline_init(void);

/* A row: from a deadline so far ahead to the first instruction of its handler. */
void bench_deadline(const char *metric, uint64_t ns, bool is_halting);

#endif
