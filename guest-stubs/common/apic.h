/* The local APIC in xAPIC and x2APIC mode. Register names are the SDM's; numbers are xAPIC offsets
 * in both modes. */
#ifndef GUEST_STUBS_COMMON_APIC_H
#define GUEST_STUBS_COMMON_APIC_H

#include "guest-stubs/common/stub.h"

#define APIC_MMIO_BASE 0xfee00000ull

enum apic_reg {
	APIC_ID = 0x020,
	APIC_VERSION = 0x030,
	APIC_TPR = 0x080,
	APIC_PPR = 0x0a0,
	APIC_EOI = 0x0b0,
	APIC_LDR = 0x0d0,
	APIC_DFR = 0x0e0,
	APIC_SVR = 0x0f0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TMICT = 0x380,
	APIC_TMCCT = 0x390,
	APIC_TDCR = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

#define APIC_SVR_ENABLE       BIT(8)
#define APIC_LVT_MASKED       BIT(16)
#define APIC_LVT_ONE_SHOT     (0u << 17)
#define APIC_LVT_PERIODIC     (1u << 17)
#define APIC_LVT_TSC_DEADLINE (2u << 17)
#define APIC_DM_FIXED         (0u << 8)
#define APIC_DM_NMI           (4u << 8)
#define APIC_DM_INIT          (5u << 8)
#define APIC_DM_STARTUP       (6u << 8)
#define APIC_DM_EXTINT        (7u << 8)
#define APIC_ICR_LOGICAL      BIT(11)
#define APIC_ICR_PENDING      BIT(12)
#define APIC_ICR_ASSERT       BIT(14)
#define APIC_ICR_SELF         (1u << 18)
#define APIC_TDCR_1           0xbu

#define VECTOR_SPURIOUS 0xff

bool apic_has_x2apic(void);
bool apic_has_tsc_deadline(void);

/* Enables the local APIC in x2APIC or xAPIC mode, from whatever mode it is in (back to xAPIC leads
 * through 'disabled'), TPR 0, spurious vector 0xff, all LVT entries masked. */
void apic_enable(bool is_x2apic);
bool apic_is_x2apic(void);

uint32_t apic_read(enum apic_reg reg);
void apic_write(enum apic_reg reg, uint32_t value);
void apic_eoi(void);

/* The APIC ID, in the form that ICR destinations have in the current mode. */
uint32_t apic_id(void);

/* Writes the ICR, and in xAPIC mode waits until it was sent. */
void apic_icr(uint32_t dest, uint32_t low);

/* A fixed interrupt to this CPU, by the self shorthand. */
void apic_self_ipi(uint8_t vector);

/* Is the vector's bit set in ISR, TMR or IRR? */
bool apic_bit(enum apic_reg first, uint8_t vector);

/* Rate of the APIC timer's count with divisor 1. The first call measures it, needs clock_init(),
 * and leaves the timer masked. */
uint64_t apic_timer_hz(void);

#endif
