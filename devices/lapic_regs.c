/* The local APIC's register file, as xAPIC memory and as x2APIC MSRs. */
#include "devices/lapic_internal.h"
#include "lib/errno.h"

#define X2APIC_MSR_BASE 0x800u
#define X2APIC_EOI      (X2APIC_MSR_BASE + (LAPIC_EOI >> 4))
#define X2APIC_ICR      (X2APIC_MSR_BASE + (LAPIC_ICR_LOW >> 4))

/* A fixed interrupt to itself is worth a short way; level and trigger mode mean nothing there. */
#define ICR_KIND          (3u << 18 | 7u << 8) /* shorthand, delivery mode */
#define ICR_LOGICAL       (1u << 11)
#define ICR_FIXED_TO_SELF (APIC_TO_SELF << 18 | LAPIC_DM_FIXED << 8)

/* Who may do what: in xAPIC mode, in x2APIC mode. */
enum { R = BIT(0), W = BIT(1), XR = BIT(2), XW = BIT(3), RW = R | W, XRW = XR | XW };

#define LVT_PLAIN (0xffu | LVT_MASKED)
#define LVT_MODES (LVT_PLAIN | 7u << LVT_MODE_SHIFT)
#define LVT_LINT  (LVT_MODES | LVT_POLARITY | LVT_LEVEL)

/* A row for each register: its accesses, the bits that software may write, and those that only the
 * APIC changes: what is written to them is ignored. x2APIC mode answers any other bit with #GP. */
static const struct reg_rule {
	uint8_t access;
	uint32_t bits, read_only;
} rules[0x40] = {
	[LAPIC_ID >> 4] = {RW | XR, 0xff000000, 0},
	[LAPIC_VERSION >> 4] = {R | XR, 0, 0},
	[LAPIC_TPR >> 4] = {RW | XRW, 0xff, 0},
	[LAPIC_APR >> 4] = {R, 0, 0},
	[LAPIC_PPR >> 4] = {R | XR, 0, 0},
	[LAPIC_EOI >> 4] = {RW | XW, 0, 0},
	[LAPIC_RRD >> 4] = {R, 0, 0},
	[LAPIC_LDR >> 4] = {RW | XR, 0xff000000, 0},
	[LAPIC_DFR >> 4] = {RW, 0xf0000000, 0},
	[LAPIC_SVR >> 4] = {RW | XRW, 0x3ff, 0},
	[LAPIC_ISR >> 4 ...(LAPIC_ISR >> 4) + 7] = {R | XR, 0, 0},
	[LAPIC_TMR >> 4 ...(LAPIC_TMR >> 4) + 7] = {R | XR, 0, 0},
	[LAPIC_IRR >> 4 ...(LAPIC_IRR >> 4) + 7] = {R | XR, 0, 0},
	[LAPIC_ESR >> 4] = {RW | XRW, 0, 0},
	[LAPIC_LVT_CMCI >> 4] = {RW | XRW, LVT_MODES, LVT_STATUS},
	/* In x2APIC mode 'delivery status' is gone; Intel's CPUs ignore writes to it. */
	[LAPIC_ICR_LOW >> 4] = {RW | XRW, 0x000ccfff, BIT(12)},
	[LAPIC_ICR_HIGH >> 4] = {RW, 0xff000000, 0},
	[LAPIC_LVT_TIMER >> 4] = {RW | XRW, LVT_PLAIN | 3u << LVT_TIMER_SHIFT, LVT_STATUS},
	[LAPIC_LVT_THERMAL >> 4] = {RW | XRW, LVT_MODES, LVT_STATUS},
	[LAPIC_LVT_PMC >> 4] = {RW | XRW, LVT_MODES, LVT_STATUS},
	[LAPIC_LVT_LINT0 >> 4] = {RW | XRW, LVT_LINT, LVT_STATUS | LVT_REMOTE_IRR},
	[LAPIC_LVT_LINT1 >> 4] = {RW | XRW, LVT_LINT, LVT_STATUS | LVT_REMOTE_IRR},
	[LAPIC_LVT_ERROR >> 4] = {RW | XRW, LVT_PLAIN, LVT_STATUS},
	[LAPIC_TMICT >> 4] = {RW | XRW, UINT32_MAX, 0},
	[LAPIC_TMCCT >> 4] = {R | XR, 0, 0},
	[LAPIC_TDCR >> 4] = {RW | XRW, 0xb, 0},
	[LAPIC_SELF_IPI >> 4] = {XW, 0xff, 0},
};

static uint32_t reg_read(struct lapic *lapic, uint32_t reg)
{
	switch (reg) {
	case LAPIC_TMR ... LAPIC_TMR + 0x70:
	case LAPIC_IRR ... LAPIC_IRR + 0x70:
		lapic_take_posted(lapic);
		break;
	case LAPIC_TMCCT:
		return lapic_timer_current(lapic);
	}
	return lapic_get(lapic, reg); /* APR, RRD and EOI: nothing to see */
}

static void set_lvt(struct lapic *lapic, uint32_t entry, uint32_t value)
{
	/* 'Local APIC State After It Has Been Software Disabled': 'the mask bits for all the LVT
	 * entries are set. Attempts to reset these bits will be ignored.' */
	if (!(lapic_get(lapic, LAPIC_SVR) & SVR_ENABLE))
		value |= LVT_MASKED;
	lapic_put(lapic, entry, value);
	if (entry == LAPIC_LVT_TIMER)
		lapic_timer_set_lvt(lapic, value);
	/* LINT0 is a level: what the 8259s have asserted meanwhile comes when it is let through. */
	if (entry == LAPIC_LVT_LINT0 && lapic_is_extint_open(lapic))
		lapic_signal_self(lapic, VCPU_SIGNAL_EVENT);
}

static void set_svr(struct lapic *lapic, uint32_t value)
{
	lapic_put(lapic, LAPIC_SVR, value);
	if (!(value & SVR_ENABLE))
		for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
			set_lvt(lapic, lapic_lvt[i], lapic_get(lapic, lapic_lvt[i]));
}

/* The IPI that comes most often, fixed and to one other vCPU whose ID is its number, without the
 * message. False: it is not such a one. */
static bool send_to_one(const struct lapic *lapic, uint32_t icr_low, uint32_t dest)
{
	const struct apic_bus *bus = lapic->bus;
	uint8_t vector = (uint8_t)icr_low;
	struct lapic *target;

	if ((icr_low & (ICR_KIND | ICR_LOGICAL)) || vector < LAPIC_FIRST_VECTOR ||
	    dest >= bus->count)
		return false;
	target = bus->lapic[dest];
	if (target == lapic || lapic_id(target) != dest || !lapic_is_enabled(target))
		return false;
	lapic_post(target, vector, false);
	bus->platform->ops->signal(bus->platform->ctx, dest, VCPU_SIGNAL_EVENT, 0);
	return true;
}

static __attribute__((noinline)) void send_message(struct lapic *lapic, uint32_t icr_low,
						   uint32_t dest)
{
	struct apic_message msg = {
		.dest = dest,
		.vector = (uint8_t)icr_low,
		.mode = icr_low >> 8 & 7,
		.is_logical = icr_low & BIT(11),
		.is_assert = icr_low & BIT(14),
		.shorthand = icr_low >> 18 & 3,
	};

	/* 'Trigger mode: selects the trigger mode when using the INIT level de-assert delivery
	 * mode. It is ignored for all other delivery modes.' */
	msg.is_level = msg.mode == LAPIC_DM_INIT && icr_low & BIT(15);
	if (msg.mode <= LAPIC_DM_LOWEST && msg.vector < LAPIC_FIRST_VECTOR) {
		lapic_error(lapic,
			    ESR_SEND_ILLEGAL |
				    (msg.shorthand == APIC_TO_SELF ? ESR_RECEIVE_ILLEGAL : 0));
		return;
	}
	apic_bus_deliver(lapic->bus, &msg, lapic);
}

void lapic_send(struct lapic *lapic, uint32_t icr_low, uint32_t dest)
{
	if (!send_to_one(lapic, icr_low, dest))
		send_message(lapic, icr_low, dest);
}

static void self_ipi(struct lapic *lapic, uint8_t vector)
{
	if (unlikely(vector < LAPIC_FIRST_VECTOR))
		lapic_error(lapic, ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	else if (likely(lapic_get(lapic, LAPIC_SVR) & SVR_ENABLE))
		lapic_raise(lapic, vector);
}

/* An xAPIC destination has 8 bits, and all of them set mean all APICs. */
static uint32_t xapic_dest(const struct lapic *lapic)
{
	uint32_t dest = lapic_get(lapic, LAPIC_ICR_HIGH) >> 24;

	return dest == 0xff ? APIC_BROADCAST : dest;
}

/* `value` has only bits that the register's rule allows. */
static void reg_write(struct lapic *lapic, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_ID:
	case LAPIC_LDR:
		lapic_put(lapic, reg, value);
		break;
	case LAPIC_TPR:
		lapic_set_tpr(lapic, (uint8_t)value);
		break;
	case LAPIC_EOI:
		lapic_eoi(lapic);
		break;
	case LAPIC_DFR: /* the other bits read as ones */
		lapic_put(lapic, LAPIC_DFR, value | 0x0fffffff);
		break;
	case LAPIC_SVR:
		set_svr(lapic, value);
		break;
	case LAPIC_ESR: /* shows what has been logged since the last write, and logs anew */
		lapic_take_posted(lapic);
		lapic_put(lapic, LAPIC_ESR, lapic->esr_pending);
		lapic->esr_pending = 0;
		break;
	case LAPIC_ICR_LOW:
		lapic_put(lapic, LAPIC_ICR_LOW, value);
		lapic_send(lapic, value, xapic_dest(lapic));
		break;
	case LAPIC_ICR_HIGH:
		lapic_put(lapic, LAPIC_ICR_HIGH, value);
		break;
	case LAPIC_LVT_CMCI:
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		set_lvt(lapic, reg, value);
		break;
	case LAPIC_TMICT:
		lapic_timer_set_initial(lapic, value);
		break;
	case LAPIC_TDCR:
		lapic_timer_set_divide(lapic, value);
		break;
	case LAPIC_SELF_IPI:
		self_ipi(lapic, (uint8_t)value);
		break;
	}
}

/* --- xAPIC
 * ---------------------------------------------------------------------------------------- */

static bool is_xapic(const struct lapic *lapic)
{
	return (lapic->base & (LAPIC_BASE_ENABLE | LAPIC_BASE_EXTD)) == LAPIC_BASE_ENABLE;
}

/* The rule of the xAPIC register at `offset`, or NULL where there is none. */
static const struct reg_rule *xapic_rule(uint32_t offset)
{
	const struct reg_rule *rule = &rules[offset >> 4 & 0x3f];

	if (offset & 0xf || offset >> 4 >= ARRAY_SIZE(rules) || !(rule->access & RW))
		return NULL;
	return rule;
}

uint32_t lapic_mmio_read(struct lapic *lapic, uint32_t offset)
{
	if (!is_xapic(lapic))
		return UINT32_MAX;
	if (!xapic_rule(offset)) {
		lapic_error(lapic, ESR_ILLEGAL_REGISTER);
		return 0;
	}
	return reg_read(lapic, offset);
}

void lapic_mmio_write(struct lapic *lapic, uint32_t offset, uint32_t value)
{
	const struct reg_rule *rule = xapic_rule(offset);

	if (!is_xapic(lapic))
		return;
	if (!rule)
		lapic_error(lapic, ESR_ILLEGAL_REGISTER);
	else if (rule->access & W)
		reg_write(lapic, offset, value & rule->bits);
}

void lapic_written(struct lapic *lapic, uint32_t offset)
{
	/* x2APIC mode has one such write: SELF IPI with a vector that is illegal. */
	if (lapic_is_x2apic(lapic) && offset == LAPIC_SELF_IPI)
		self_ipi(lapic, (uint8_t)lapic_get(lapic, LAPIC_SELF_IPI));
	else
		lapic_mmio_write(lapic, offset, lapic_get(lapic, offset));
}

/* --- x2APIC
 * --------------------------------------------------------------------------------------- */

/* The rule of an x2APIC MSR that has the access, or NULL. */
static const struct reg_rule *x2apic_rule(const struct lapic *lapic, uint32_t msr, unsigned access)
{
	uint32_t index = msr - X2APIC_MSR_BASE;

	if (!lapic_is_x2apic(lapic) || index >= ARRAY_SIZE(rules) ||
	    !(rules[index].access & access))
		return NULL;
	return &rules[index];
}

int lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value)
{
	if (!x2apic_rule(lapic, msr, XR))
		return -EPERM;
	if (msr == X2APIC_ICR)
		*value = (uint64_t)lapic_get(lapic, LAPIC_ICR_HIGH_X2APIC) << 32 |
			 lapic_get(lapic, LAPIC_ICR_LOW);
	else
		*value = reg_read(lapic, (msr - X2APIC_MSR_BASE) << 4);
	return 0;
}

/* The ICR is one register of 64 bits. */
static int x2apic_icr_write(struct lapic *lapic, uint64_t value)
{
	const struct reg_rule *rule = &rules[LAPIC_ICR_LOW >> 4];
	uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 32);

	if (unlikely(low & ~(rule->bits | rule->read_only)))
		return -EPERM;
	low &= rule->bits;
	lapic_put(lapic, LAPIC_ICR_LOW, low);
	lapic_put(lapic, LAPIC_ICR_HIGH_X2APIC, high);
	lapic_put(lapic, LAPIC_ICR_HIGH, high);
	if ((low & ICR_KIND) == ICR_FIXED_TO_SELF)
		self_ipi(lapic, (uint8_t)low);
	else
		lapic_send(lapic, low, high);
	return 0;
}

int lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value)
{
	const struct reg_rule *rule;

	/* The two that come with each interrupt, first. */
	if (likely(lapic_is_x2apic(lapic))) {
		if (msr == X2APIC_EOI && likely(!value)) {
			lapic_eoi(lapic);
			return 0;
		}
		if (msr == X2APIC_ICR)
			return x2apic_icr_write(lapic, value);
	}
	rule = x2apic_rule(lapic, msr, XW);
	if (!rule || value & ~(uint64_t)(rule->bits | rule->read_only))
		return -EPERM;
	reg_write(lapic, (msr - X2APIC_MSR_BASE) << 4, (uint32_t)value & rule->bits);
	return 0;
}
