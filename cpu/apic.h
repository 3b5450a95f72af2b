/* The host's local APIC, in x2APIC mode where the CPU has it, and IPIs. */
#ifndef CPU_APIC_H
#define CPU_APIC_H

#include "lib/types.h"

/* Vectors of the host's own interrupts. */
enum host_vector {
	VECTOR_UART = 0x40,
	VECTOR_TIMER = 0xe0,
	VECTOR_KICK = 0xe1, /* look at your requests; the interrupt itself is the message */
	VECTOR_CALL = 0xe2, /* run the function posted by ipi_call */
	VECTOR_STOP = 0xe3, /* the machine ends: leave VMX operation and halt */
	VECTOR_SPURIOUS = 0xff,
};

/* The page of APIC registers, to be mapped uncached before apic_init; 0 when nothing needs mapping,
 * because the CPU has x2APIC mode or no APIC at all. */
uint64_t apic_mmio_base(void);

bool apic_is_x2apic(void); /* after apic_init */

/* Enables this pCPU's local APIC. On each pCPU once, interrupts off. -ENODEV when there is none. */
int __must_check apic_init(void);

uint32_t apic_id(void); /* this pCPU's, as the hardware says */
void apic_eoi(void);

/* Stores made before are visible to the target when the IPI arrives. Any pCPU, interrupts any. */
void apic_send_ipi(uint32_t apic_id, uint8_t vector);
void apic_send_nmi(uint32_t apic_id);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, uint8_t page);
/* All other CPUs, known or not (used where there is no MADT). */
void apic_broadcast_init(void);
void apic_broadcast_startup(uint8_t page);
/* NMI to all other CPUs: the panic path. */
void apic_broadcast_nmi(void);

/* Does the timer compare with the TSC, or count? After apic_init. */
bool apic_has_tsc_deadline(void);

/* How the timer counts when the CPU has no TSC-deadline mode; before the first apic_timer_arm. */
void apic_timer_calibrate(uint64_t tsc_hz);

/* This pCPU's timer raises VECTOR_TIMER at TSC time `deadline` or as soon after as it can;
 * DEADLINE_NEVER disarms. Interrupts off. Rewrites the hardware only when the time differs from
 * what it is armed for. */
void apic_timer_arm(uint64_t deadline);

/* From the next apic_timer_arm on, or the timer's next interrupt, this pCPU's timer is armed for
 * `latest` where it would be for later or not at all. Interrupts off. */
void apic_timer_set_latest(uint64_t latest);

/* What was armed on this pCPU no longer is: its VECTOR_TIMER has come. Called by trap_handle_irq,
 * before the handler. */
void apic_timer_note_expired(void);

/* For who waits for what an IPI brings about: sets *since to the TSC the first time, when it is 0;
 * true when 10 ms have gone by since then, or since it was true last. Then the interrupt is to be
 * sent again: one may have been lost, and one too many does no harm. Any context. */
bool ipi_is_overdue(uint64_t *since);

/* Runs fn(arg) on pCPU `cpu`, in its interrupt handler with interrupts off, and waits until it is
 * done; directly when `cpu` is this one. Interrupts on, no lock held. */
void ipi_call(uint32_t cpu, void (*fn)(void *arg), void *arg);

#endif
