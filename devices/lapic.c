/* The local APIC's heart: its states, IRR/ISR/TMR and the processor priority, EOI, errors, local
 * interrupts, and the lock-free way in for vectors from other pCPUs. */
#include "devices/lapic_internal.h"
#include "lib/errno.h"
#include "lib/string.h"

/* --- states
 * --------------------------------------------------------------------------------------- */

/* 'Local APIC State After Power-Up or Reset'. The ID and IA32_APIC_BASE are the caller's. */
static void reset_registers(struct lapic *lapic)
{
	bool is_x2apic = lapic_is_x2apic(lapic);

	__atomic_store_n(&lapic->ldr, is_x2apic ? X2APIC_LDR(lapic->initial_id) : 0,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&lapic->dfr, UINT32_MAX, __ATOMIC_RELAXED);
	__atomic_store_n(&lapic->svr, 0xff, __ATOMIC_RELAXED);
	lapic_timer_reset(lapic);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		lapic->lvt[i] = LVT_MASKED;
	if (lapic->vcpu == 0)
		lapic->lvt[LVT_LINT0] = LAPIC_DM_EXTINT << LVT_MODE_SHIFT;
	lapic->esr = lapic->esr_pending = 0;
	lapic->icr = 0;

	lapic_take_posted(lapic);
	memset(lapic->irr, 0, sizeof(lapic->irr));
	memset(lapic->isr, 0, sizeof(lapic->isr));
	memset(lapic->tmr, 0, sizeof(lapic->tmr));
	lapic->irr_max = lapic->isr_max = -1;
	lapic->tpr = lapic->ppr = 0;
	lapic->esr_pending = 0;
}

static void set_state(struct lapic *lapic, uint64_t base, uint32_t id)
{
	__atomic_store_n(&lapic->id, id, __ATOMIC_RELAXED);
	__atomic_store_n(&lapic->base, base, __ATOMIC_RELAXED);
}

void lapic_reset(struct lapic *lapic, bool is_init)
{
	uint64_t bsp = lapic->vcpu == 0 ? LAPIC_BASE_BSP : 0;

	if (!is_init)
		set_state(lapic, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | bsp,
			  lapic->initial_id & 0xff);
	reset_registers(lapic);
}

void lapic_init(struct lapic *lapic, struct apic_bus *bus, struct platform *platform, uint32_t vcpu,
		uint32_t apic_id)
{
	*lapic = (struct lapic){
		.bus = bus, .platform = platform, .vcpu = vcpu, .initial_id = apic_id};
	lapic_timer_init(lapic);
	lapic_reset(lapic, false);
}

/* 'x2APIC State Transitions'. */
static bool is_legal_transition(uint64_t from, uint64_t to)
{
	bool was_enabled = from & LAPIC_BASE_ENABLE, was_x2apic = from & LAPIC_BASE_EXTD;
	bool is_enabled = to & LAPIC_BASE_ENABLE, is_x2apic = to & LAPIC_BASE_EXTD;

	if (is_x2apic)
		return is_enabled && was_enabled;
	return !(was_x2apic && is_enabled);
}

int lapic_base_write(struct lapic *lapic, uint64_t value, unsigned maxphyaddr)
{
	uint64_t old = lapic->base, address = ~(uint64_t)(PAGE_SIZE - 1);
	uint64_t changed = old ^ value;

	if (maxphyaddr < 64)
		address &= BIT_ULL(maxphyaddr) - 1;
	if (value & ~(address | LAPIC_BASE_ENABLE | LAPIC_BASE_EXTD | LAPIC_BASE_BSP))
		return -EPERM;
	if (!is_legal_transition(old, value))
		return -EPERM;

	if (changed & LAPIC_BASE_ENABLE) {
		/* 'When IA32_APIC_BASE[11] is set to 0, prior initialization to the APIC may be
		 * lost': it is, and enabling finds the power-up state. */
		set_state(lapic, value, lapic->initial_id & 0xff);
		reset_registers(lapic);
	} else if (changed & LAPIC_BASE_EXTD) {
		/* From xAPIC to x2APIC all stays but the ID and LDR that software wrote and the
		 * high half of the ICR. */
		lapic->icr &= UINT32_MAX;
		__atomic_store_n(&lapic->ldr, X2APIC_LDR(lapic->initial_id), __ATOMIC_RELAXED);
		set_state(lapic, value, lapic->initial_id);
	} else {
		__atomic_store_n(&lapic->base, value, __ATOMIC_RELAXED);
	}
	return 0;
}

bool lapic_is_enabled(const struct lapic *lapic)
{
	return lapic_is_hw_enabled(lapic) &&
	       __atomic_load_n(&lapic->svr, __ATOMIC_RELAXED) & SVR_ENABLE;
}

/* --- priorities
 * ----------------------------------------------------------------------------------- */

/* 'Task and Processor Priorities': the processor-priority class is the greater of the classes of
 * TPR and of the highest vector in service; the sub-class is TPR's when TPR's class is not the
 * lesser. */
static void update_ppr(struct lapic *lapic)
{
	uint8_t in_service = lapic->isr_max < 0 ? 0 : (uint8_t)(lapic->isr_max & 0xf0);

	lapic->ppr = (lapic->tpr & 0xf0) >= in_service ? lapic->tpr : in_service;
}

/* PPR may have gone down. */
static void signal_if_deliverable(struct lapic *lapic)
{
	if (lapic_has_deliverable(lapic))
		lapic_signal_self(lapic, VCPU_SIGNAL_EVENT);
}

void lapic_set_tpr(struct lapic *lapic, uint8_t tpr)
{
	lapic->tpr = tpr;
	update_ppr(lapic);
	signal_if_deliverable(lapic);
}

int lapic_pending_vector(struct lapic *lapic)
{
	/* Relaxed is enough to look: what a signal announced is visible once the signal is, and
	 * lapic_take_posted orders the rest. */
	if (unlikely(__atomic_load_n(&lapic->has_posted, __ATOMIC_RELAXED)))
		lapic_take_posted(lapic);
	return lapic_has_deliverable(lapic) ? lapic->irr_max : -1;
}

void lapic_accept(struct lapic *lapic, uint8_t vector)
{
	bitmap_clear(lapic->irr, vector);
	lapic->irr_max = bitmap_highest(lapic->irr, ARRAY_SIZE(lapic->irr));
	bitmap_set(lapic->isr, vector);
	lapic->isr_max = vector; /* above PPR, so above all in service */
	update_ppr(lapic);
}

void lapic_eoi(struct lapic *lapic)
{
	int vector = lapic->isr_max;

	if (vector < 0)
		return;
	bitmap_clear(lapic->isr, (unsigned)vector);
	lapic->isr_max = bitmap_highest(lapic->isr, ARRAY_SIZE(lapic->isr));
	update_ppr(lapic);
	/* 'If the terminated interrupt was a level-triggered interrupt, the local APIC also sends
	 * an end-of-interrupt message to all I/O APICs.' */
	if (unlikely(bitmap_is_set(lapic->tmr, (unsigned)vector)) && lapic->bus->eoi)
		lapic->bus->eoi(lapic->bus->eoi_ctx, (uint8_t)vector);
	signal_if_deliverable(lapic);
}

bool lapic_is_eoi_silent(const struct lapic *lapic)
{
	int vector = lapic->isr_max;

	if (vector < 0 || lapic->irr_max >= 0 || bitmap_is_set(lapic->tmr, (unsigned)vector))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(lapic->isr); i++)
		if (lapic->isr[i] & ~(i == (unsigned)vector / 64 ? BIT_ULL(vector % 64) : 0))
			return false;
	return true;
}

/* --- the way in
 * ----------------------------------------------------------------------------------- */

/* Ordering. The poster sets the vector's bit, then (release) the word's bit in has_posted, then
 * signals. The owner, told by the signal or by chance, clears has_posted (acquire) and then takes
 * the words.
 *  - If that exchange sees the poster's has_posted bit, it sees the vector's bit too, and takes it.
 *  - Otherwise the poster's has_posted bit comes after it and stands until the owner looks again,
 * which it does before it enters the guest or blocks, because the signal comes later still. The
 * vector may then have been taken already: a summary bit with nothing behind it is harmless. Edge
 * and level have separate words, so that a vector and its trigger mode are one bit, set at once. */
void lapic_post(struct lapic *lapic, uint8_t vector, bool is_level)
{
	uint64_t *map = is_level ? lapic->posted_level : lapic->posted;

	__atomic_fetch_or(&map[vector / 64], BIT_ULL(vector % 64), __ATOMIC_RELAXED);
	__atomic_fetch_or(&lapic->has_posted, BIT(vector / 64), __ATOMIC_RELEASE);
}

static uint64_t take_word(uint64_t *word)
{
	if (!__atomic_load_n(word, __ATOMIC_RELAXED))
		return 0;
	return __atomic_exchange_n(word, 0, __ATOMIC_RELAXED);
}

void lapic_take_posted(struct lapic *lapic)
{
	uint32_t words = __atomic_exchange_n(&lapic->has_posted, 0, __ATOMIC_ACQUIRE);
	bool is_illegal = false;

	for (; words; words &= words - 1) {
		unsigned i = (unsigned)__builtin_ctz(words);
		uint64_t edge = take_word(&lapic->posted[i]);
		uint64_t level = take_word(&lapic->posted_level[i]);

		if (!lapic_is_hw_enabled(lapic))
			continue; /* it crossed the disabling on its way */
		if (i == 0 && (edge | level) & (BIT(LAPIC_FIRST_VECTOR) - 1)) {
			is_illegal = true;
			edge &= ~(uint64_t)(BIT(LAPIC_FIRST_VECTOR) - 1);
			level &= ~(uint64_t)(BIT(LAPIC_FIRST_VECTOR) - 1);
		}
		lapic->irr[i] |= edge | level;
		/* 'Upon acceptance of an interrupt into the IRR, the corresponding TMR bit is
		 * cleared for edge-triggered interrupts and set for level-triggered.' */
		lapic->tmr[i] = (lapic->tmr[i] & ~edge) | level;
	}
	lapic->irr_max = bitmap_highest(lapic->irr, ARRAY_SIZE(lapic->irr));
	if (is_illegal)
		lapic_error(lapic, ESR_RECEIVE_ILLEGAL);
}

void lapic_raise(struct lapic *lapic, uint8_t vector)
{
	if (vector < LAPIC_FIRST_VECTOR) {
		lapic_error(lapic, ESR_RECEIVE_ILLEGAL);
		return;
	}
	bitmap_set(lapic->irr, vector);
	bitmap_clear(lapic->tmr, vector);
	lapic->irr_max = MAX(lapic->irr_max, (int)vector);
	lapic_signal_self(lapic, VCPU_SIGNAL_EVENT);
}

/* --- local interrupts and errors
 * ------------------------------------------------------------------ */

void lapic_fire_lvt(struct lapic *lapic, enum lapic_lvt entry)
{
	uint32_t lvt = lapic->lvt[entry];

	if (lvt & LVT_MASKED)
		return;
	switch (lvt >> LVT_MODE_SHIFT & 7) {
	case LAPIC_DM_FIXED:
		lapic_raise(lapic, (uint8_t)lvt);
		break;
	case LAPIC_DM_NMI:
		lapic_signal_self(lapic, VCPU_SIGNAL_NMI);
		break;
	case LAPIC_DM_INIT:
		lapic_signal_self(lapic, VCPU_SIGNAL_INIT);
		break;
	case LAPIC_DM_EXTINT: /* the PIC has the vector: lapic_is_extint_open */
		lapic_signal_self(lapic, VCPU_SIGNAL_EVENT);
		break;
	default:
		lapic->platform->ops->note(lapic->platform->ctx,
					   "vCPU %u: LVT entry %u with delivery mode %u dropped",
					   lapic->vcpu, (unsigned)entry, lvt >> LVT_MODE_SHIFT & 7);
	}
}

void lapic_line(struct lapic *lapic, unsigned lint)
{
	if (!lapic_is_hw_enabled(lapic))
		lapic_signal_self(lapic, lint ? VCPU_SIGNAL_NMI : VCPU_SIGNAL_EVENT);
	else
		lapic_fire_lvt(lapic, lint ? LVT_LINT1 : LVT_LINT0);
}

bool lapic_is_extint_open(const struct lapic *lapic)
{
	uint32_t lint0 = lapic->lvt[LVT_LINT0];

	return !lapic_is_hw_enabled(lapic) ||
	       (!(lint0 & LVT_MASKED) && (lint0 >> LVT_MODE_SHIFT & 7) == LAPIC_DM_EXTINT);
}

/* 'Error Handling': a write to ESR 'also rearms the APIC error interrupt triggering mechanism'. */
void lapic_error(struct lapic *lapic, uint32_t esr_bits)
{
	bool is_armed = !lapic->esr_pending;

	lapic->esr_pending |= esr_bits;
	if (is_armed)
		lapic_fire_lvt(lapic, LVT_ERROR);
}
