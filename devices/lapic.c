/* The local APIC's heart: its states, IRR/ISR/TMR and the processor priority, EOI, errors, local
 * interrupts, and the lock-free way in for vectors from other pCPUs. */
#include "devices/lapic_internal.h"
#include "lib/errno.h"

#define LAPIC_VERSION_VALUE 0x00060014u /* 7 LVT entries, no directed EOI (bit 24 clear) */

/* IRR, ISR and TMR: 256 bits in eight registers. */
#define VECTOR_REGS 8

/* --- states
 * --------------------------------------------------------------------------------------- */

/* 'Local APIC State After Power-Up or Reset'. The ID and IA32_APIC_BASE are the caller's. */
static void reset_registers(struct lapic *lapic)
{
	lapic_put(lapic, LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_take_posted(lapic); /* to be forgotten */
	lapic_timer_reset(lapic);
	/* All behind the ID, which others may read meanwhile. */
	for (uint32_t reg = LAPIC_VERSION; reg < LAPIC_MMIO_SIZE; reg += 4)
		lapic_put(lapic, reg, 0);
	lapic->irr = lapic->isr = (struct lapic_vectors){.max = -1};
	lapic->changed = LAPIC_CHANGED_ISR | LAPIC_CHANGED_TMR;
	lapic->esr_pending = 0;

	lapic_put(lapic, LAPIC_VERSION, LAPIC_VERSION_VALUE);
	if (lapic_is_x2apic(lapic))
		lapic_put(lapic, LAPIC_LDR, X2APIC_LDR(lapic->initial_id));
	lapic_put(lapic, LAPIC_DFR, UINT32_MAX);
	lapic_put(lapic, LAPIC_SVR, 0xff);
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		lapic_put(lapic, lapic_lvt[i], LVT_MASKED);
	lapic->timer_lvt = LVT_MASKED;
	if (lapic->vcpu == 0)
		lapic_put(lapic, LAPIC_LVT_LINT0, LAPIC_DM_EXTINT << LVT_MODE_SHIFT);
}

/* In xAPIC mode, and while it is disabled, the ID has 8 bits in the register's highest byte. */
static void set_state(struct lapic *lapic, uint64_t base)
{
	uint32_t id = lapic->initial_id;

	lapic_put(lapic, LAPIC_ID, base & LAPIC_BASE_EXTD ? id : id << 24);
	__atomic_store_n(&lapic->base, base, __ATOMIC_RELAXED);
}

void lapic_reset(struct lapic *lapic, bool is_init)
{
	uint64_t bsp = lapic->vcpu == 0 ? LAPIC_BASE_BSP : 0;

	if (!is_init)
		set_state(lapic, LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | bsp);
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

void lapic_share(struct lapic *lapic)
{
	lapic->is_shared = true;
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
		set_state(lapic, value);
		reset_registers(lapic);
	} else if (changed & LAPIC_BASE_EXTD) {
		/* From xAPIC to x2APIC all stays but the ID and LDR that software wrote and the
		 * high half of the ICR. */
		lapic_put(lapic, LAPIC_ICR_HIGH, 0);
		lapic_put(lapic, LAPIC_ICR_HIGH_X2APIC, 0);
		lapic_put(lapic, LAPIC_LDR, X2APIC_LDR(lapic->initial_id));
		set_state(lapic, value);
	} else {
		__atomic_store_n(&lapic->base, value, __ATOMIC_RELAXED);
	}
	return 0;
}

bool lapic_is_enabled(const struct lapic *lapic)
{
	return lapic_is_hw_enabled(lapic) && lapic_get(lapic, LAPIC_SVR) & SVR_ENABLE;
}

/* --- priorities
 * ----------------------------------------------------------------------------------- */

static uint32_t *vector_word(struct lapic *lapic, uint32_t base, unsigned index)
{
	return &lapic->regs[base / 4 + index * 4];
}

static inline int find_highest(struct lapic *lapic, uint32_t base, uint32_t words)
{
	unsigned i;

	if (likely(!words))
		return -1;
	i = 31 - (unsigned)__builtin_clz(words);
	return (int)(i * 32 + 31 - (unsigned)__builtin_clz(*vector_word(lapic, base, i)));
}

static inline void set_vector(struct lapic *lapic, uint32_t base, struct lapic_vectors *known,
			      unsigned vector)
{
	*vector_word(lapic, base, vector / 32) |= BIT(vector % 32);
	known->words |= BIT(vector / 32);
	known->max = MAX(known->max, (int)vector);
}

static inline void clear_vector(struct lapic *lapic, uint32_t base, struct lapic_vectors *known,
				unsigned vector)
{
	uint32_t *word = vector_word(lapic, base, vector / 32);

	*word &= ~(uint32_t)BIT(vector % 32);
	if (!*word)
		known->words &= ~(uint32_t)BIT(vector / 32);
	known->max = find_highest(lapic, base, known->words);
}

/* What the CPU may have changed. */
static void find_vectors(struct lapic *lapic, uint32_t base, struct lapic_vectors *known)
{
	uint32_t words = 0;

	for (unsigned i = 0; i < VECTOR_REGS; i++)
		if (*vector_word(lapic, base, i))
			words |= BIT(i);
	known->words = words;
	known->max = find_highest(lapic, base, words);
}

/* 'Task and Processor Priorities': the processor-priority class is the greater of the classes of
 * TPR and of the highest vector in service; the sub-class is TPR's when TPR's class is not the
 * lesser. */
static inline void update_ppr(struct lapic *lapic)
{
	uint32_t in_service = lapic->isr.max < 0 ? 0 : (uint32_t)(lapic->isr.max & 0xf0);
	uint32_t tpr = lapic_tpr(lapic);

	lapic_put(lapic, LAPIC_PPR, (tpr & 0xf0) >= in_service ? tpr : in_service);
}

/* PPR may have gone down; and what the CPU knows of a shared one may be wrong now. */
static inline void signal_if_deliverable(struct lapic *lapic)
{
	if (unlikely(lapic->is_shared) || lapic_has_deliverable(lapic))
		lapic_signal_event(lapic);
}

void lapic_set_tpr(struct lapic *lapic, uint8_t tpr)
{
	lapic_put(lapic, LAPIC_TPR, tpr);
	if (unlikely(lapic->is_shared))
		find_vectors(lapic, LAPIC_ISR, &lapic->isr);
	update_ppr(lapic);
	signal_if_deliverable(lapic);
}

void lapic_refresh_irr(struct lapic *lapic)
{
	if (__atomic_load_n(&lapic->has_posted, __ATOMIC_RELAXED))
		lapic_take_posted(lapic);
	else
		find_vectors(lapic, LAPIC_IRR, &lapic->irr);
}

uint8_t lapic_highest_irr(struct lapic *lapic)
{
	lapic_refresh_irr(lapic);
	return lapic->irr.max < 0 ? 0 : (uint8_t)lapic->irr.max;
}

uint8_t lapic_highest_isr(struct lapic *lapic)
{
	find_vectors(lapic, LAPIC_ISR, &lapic->isr);
	return lapic->isr.max < 0 ? 0 : (uint8_t)lapic->isr.max;
}

void lapic_level_vectors(const struct lapic *lapic, uint64_t tmr[4])
{
	for (unsigned i = 0; i < 4; i++)
		tmr[i] = lapic_get(lapic, LAPIC_TMR + 0x20 * i) |
			 (uint64_t)lapic_get(lapic, LAPIC_TMR + 0x20 * i + 0x10) << 32;
}

void lapic_accept(struct lapic *lapic, uint8_t vector)
{
	clear_vector(lapic, LAPIC_IRR, &lapic->irr, vector);
	set_vector(lapic, LAPIC_ISR, &lapic->isr, vector);
	update_ppr(lapic);
}

/* 'If the terminated interrupt was a level-triggered interrupt, the local APIC also sends an
 * end-of-interrupt message to all I/O APICs.' */
static inline void tell_ioapic(struct lapic *lapic, unsigned vector)
{
	if (unlikely(*vector_word(lapic, LAPIC_TMR, vector / 32) & BIT(vector % 32)) &&
	    lapic->bus->eoi)
		lapic->bus->eoi(lapic->bus->eoi_ctx, (uint8_t)vector);
}

void lapic_ended(struct lapic *lapic, uint8_t vector)
{
	tell_ioapic(lapic, vector);
}

void lapic_eoi(struct lapic *lapic)
{
	int vector;

	if (unlikely(lapic->is_shared))
		find_vectors(lapic, LAPIC_ISR, &lapic->isr);
	vector = lapic->isr.max;
	if (vector < 0)
		return;
	clear_vector(lapic, LAPIC_ISR, &lapic->isr, (unsigned)vector);
	lapic->changed |= LAPIC_CHANGED_ISR;
	update_ppr(lapic);
	tell_ioapic(lapic, (unsigned)vector);
	signal_if_deliverable(lapic);
}

bool lapic_is_eoi_silent(const struct lapic *lapic)
{
	int vector = lapic->isr.max;
	unsigned word = (unsigned)vector / 32;

	if (vector < 0 || lapic->irr.max >= 0)
		return false;
	/* Nothing else in service, and nothing for an IOAPIC to hear. */
	return lapic->isr.words == BIT(word) &&
	       lapic_get(lapic, LAPIC_ISR + word * 0x10) == BIT((unsigned)vector % 32) &&
	       !(lapic_get(lapic, LAPIC_TMR + word * 0x10) & BIT((unsigned)vector % 32));
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

static void accept_posted(struct lapic *lapic, unsigned index, uint32_t edge, uint32_t level)
{
	uint32_t *tmr = vector_word(lapic, LAPIC_TMR, index);

	if (!(edge | level))
		return;
	*vector_word(lapic, LAPIC_IRR, index) |= edge | level;
	lapic->irr.words |= BIT(index);
	/* 'Upon acceptance of an interrupt into the IRR, the corresponding TMR bit is cleared for
	 * edge-triggered interrupts and set for level-triggered.' */
	if (level & ~*tmr)
		lapic->changed |= LAPIC_CHANGED_TMR;
	*tmr = (*tmr & ~edge) | level;
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
		accept_posted(lapic, 2 * i, (uint32_t)edge, (uint32_t)level);
		accept_posted(lapic, 2 * i + 1, (uint32_t)(edge >> 32), (uint32_t)(level >> 32));
	}
	if (unlikely(lapic->is_shared))
		find_vectors(lapic, LAPIC_IRR, &lapic->irr);
	else
		lapic->irr.max = find_highest(lapic, LAPIC_IRR, lapic->irr.words);
	if (is_illegal)
		lapic_error(lapic, ESR_RECEIVE_ILLEGAL);
}

void lapic_raise(struct lapic *lapic, uint8_t vector)
{
	if (vector < LAPIC_FIRST_VECTOR) {
		lapic_error(lapic, ESR_RECEIVE_ILLEGAL);
		return;
	}
	set_vector(lapic, LAPIC_IRR, &lapic->irr, vector);
	*vector_word(lapic, LAPIC_TMR, vector / 32) &= ~(uint32_t)BIT(vector % 32);
	lapic_signal_event(lapic);
}

/* --- local interrupts and errors
 * ------------------------------------------------------------------ */

const uint16_t lapic_lvt[LAPIC_LVT_COUNT] = {
	LAPIC_LVT_CMCI,  LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_PMC,
	LAPIC_LVT_LINT0, LAPIC_LVT_LINT1, LAPIC_LVT_ERROR,
};

void lapic_fire(struct lapic *lapic, uint32_t lvt)
{
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
					   "vCPU %u: local interrupt with LVT %#x dropped",
					   lapic->vcpu, lvt);
	}
}

void lapic_line(struct lapic *lapic, unsigned lint)
{
	if (!lapic_is_hw_enabled(lapic))
		lapic_signal_self(lapic, lint ? VCPU_SIGNAL_NMI : VCPU_SIGNAL_EVENT);
	else
		lapic_fire(lapic, lapic_get(lapic, lint ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0));
}

bool lapic_is_extint_open(const struct lapic *lapic)
{
	uint32_t lint0 = lapic_get(lapic, LAPIC_LVT_LINT0);

	return !lapic_is_hw_enabled(lapic) ||
	       (!(lint0 & LVT_MASKED) && (lint0 >> LVT_MODE_SHIFT & 7) == LAPIC_DM_EXTINT);
}

/* 'Error Handling': a write to ESR 'also rearms the APIC error interrupt triggering mechanism'. */
void lapic_error(struct lapic *lapic, uint32_t esr_bits)
{
	bool is_armed = !lapic->esr_pending;

	lapic->esr_pending |= esr_bits;
	if (is_armed)
		lapic_fire(lapic, lapic_get(lapic, LAPIC_LVT_ERROR));
}
