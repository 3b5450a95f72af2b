/* Time: kvmclock where CPUID offers it, otherwise the TSC at a rate measured against the PIT. */
#ifndef GUEST_STUBS_COMMON_CLOCK_H
#define GUEST_STUBS_COMMON_CLOCK_H

#include "guest-stubs/common/stub.h"

#define NS_PER_SEC 1000000000ul
#define NS_PER_MS  1000000ul
#define NS_PER_US  1000ul

#define PVCLOCK_TSC_STABLE BIT(0)

/* The two structures of the KVM clock, as Linux's Documentation/virt/kvm/x86/msr.rst has them. */
struct pvclock_time {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad[2];
} __attribute__((packed, aligned(4)));

struct pvclock_wall {
	uint32_t version, sec, nsec;
} __attribute__((packed, aligned(4)));

/* Does leaf 0x40000000 have KVM's signature, and leaf 0x40000001 this feature bit in EAX? */
bool kvm_has(unsigned feature);

/* To be called before the others. */
void clock_init(void);

/* Does kvmclock give the time? */
bool clock_is_kvm(void);

/* The area that kvmclock writes; meaningful if clock_is_kvm(). */
const volatile struct pvclock_time *clock_area(void);

/* Nanoseconds since some moment before clock_init(), monotonic unless the hypervisor is wrong. */
uint64_t clock_ns(void);

/* The TSC's rate, and durations in its ticks. */
uint64_t clock_tsc_hz(void);
uint64_t clock_ns_to_tsc(uint64_t ns);
uint64_t clock_tsc_to_ns(uint64_t ticks);

/* Spins for so long. */
void clock_spin_ns(uint64_t ns);

/* TSC ticks while the PIT counts `pit_ticks` (at most 65535) of its 1193182 Hz on channel 2. */
uint64_t clock_pit_measure(uint16_t pit_ticks);

#endif
