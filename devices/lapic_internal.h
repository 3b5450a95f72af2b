/* What the local APIC's files share: lapic.c (priorities, errors, local interrupts), lapic_regs.c
 * (the register file), lapic_timer.c. All of it is the owner's. */
#ifndef DEVICES_LAPIC_INTERNAL_H
#define DEVICES_LAPIC_INTERNAL_H

#include "devices/lapic.h"

#define LAPIC_FIRST_VECTOR 16 /* those below are illegal */

#define SVR_ENABLE BIT(8)

#define LVT_MODE_SHIFT  8 /* delivery mode, 3 bits */
#define LVT_STATUS      BIT(12)
#define LVT_POLARITY    BIT(13)
#define LVT_REMOTE_IRR  BIT(14)
#define LVT_LEVEL       BIT(15)
#define LVT_MASKED      BIT(16)
#define LVT_TIMER_SHIFT 17 /* timer mode, 2 bits */

/* The local vector table's registers. */
#define LAPIC_LVT_COUNT 7
extern const uint16_t lapic_lvt[LAPIC_LVT_COUNT];

#define LAPIC_ICR_HIGH_X2APIC 0x304 /* RDMSR of the 64-bit ICR reads it there */

/* ESR bits. */
#define ESR_SEND_ILLEGAL     BIT(5)
#define ESR_RECEIVE_ILLEGAL  BIT(6)
#define ESR_ILLEGAL_REGISTER BIT(7)

#define X2APIC_LDR(id) (((id) >> 4) << 16 | BIT((id)&15))

static inline bool lapic_is_hw_enabled(const struct lapic *lapic)
{
	return __atomic_load_n(&lapic->base, __ATOMIC_RELAXED) & LAPIC_BASE_ENABLE;
}

/* The ID that software sees now. Any pCPU. */
static inline uint32_t lapic_id(const struct lapic *lapic)
{
	uint32_t id = lapic_get(lapic, LAPIC_ID);

	return lapic_is_x2apic(lapic) ? id : id >> 24;
}

/* In IRR, or posted. Any pCPU. */
static inline bool lapic_is_requested(const struct lapic *lapic, uint8_t vector)
{
	return (lapic_get(lapic, LAPIC_IRR + vector / 32u * 16) & BIT(vector % 32)) ||
	       (__atomic_load_n(&lapic->posted[vector / 64], __ATOMIC_RELAXED) &
		BIT_ULL(vector % 64));
}

static inline void lapic_put(struct lapic *lapic, uint32_t reg, uint32_t value)
{
	__atomic_store_n(&lapic->regs[reg / 4], value, __ATOMIC_RELAXED);
}

/* By the owner, with VCPU_SIGNAL_EVENT. */
static inline void lapic_signal_event(struct lapic *lapic)
{
	lapic->platform->ops->signal_self(lapic->platform->ctx, lapic->vcpu);
}

static inline void lapic_signal_self(struct lapic *lapic, enum vcpu_signal what)
{
	lapic->platform->ops->signal(lapic->platform->ctx, lapic->vcpu, what, 0);
}

/* Takes an edge-triggered fixed interrupt of the vCPU's own (LVT, self-IPI) into IRR, without the
 * detour through `posted`, and signals it. */
void lapic_raise(struct lapic *lapic, uint8_t vector);

/* Moves what others have posted to IRR. */
void lapic_take_posted(struct lapic *lapic);

/* A local interrupt source fires: delivers as its LVT entry, `lvt`, says. */
void lapic_fire(struct lapic *lapic, uint32_t lvt);

/* Records an error; the first since software's last write to ESR fires the error LVT. */
void lapic_error(struct lapic *lapic, uint32_t esr_bits);

/* The ICR has been written: sends what it says to `dest`. */
void lapic_send(struct lapic *lapic, uint32_t icr_low, uint32_t dest);

/* The timer. All forget nothing that was due before they change something. */
void lapic_timer_init(struct lapic *lapic);
void lapic_timer_reset(struct lapic *lapic);
void lapic_timer_set_lvt(struct lapic *lapic, uint32_t lvt);
void lapic_timer_set_initial(struct lapic *lapic, uint32_t count);
void lapic_timer_set_divide(struct lapic *lapic, uint32_t tdcr);
uint32_t lapic_timer_current(const struct lapic *lapic);

#endif
