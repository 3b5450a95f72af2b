/* The way of an interrupt message: which local APICs it addresses, and what each of them does with
 * it. */
#include "devices/lapic_internal.h"
#include "lib/errno.h"

#define DFR_FLAT    0xfu
#define DFR_CLUSTER 0x0u

_Static_assert(MAX_VM_VCPUS <= 64, "a set of local APICs is one word");

/* 'Logical Destination Mode', xAPIC: the message's 8 bits against LDR's, by the model in DFR. */
static bool is_logical_match_xapic(const struct lapic *lapic, uint32_t dest)
{
	uint32_t own = lapic_get(lapic, LAPIC_LDR) >> 24;
	uint32_t model = lapic_get(lapic, LAPIC_DFR) >> 28;

	if (dest > 0xff)
		return false;
	if (model == DFR_FLAT)
		return own & dest;
	return model == DFR_CLUSTER && own >> 4 == dest >> 4 && (own & dest & 0xf);
}

/* 'Logical Destination Mode in x2APIC Mode': the cluster must be the same, one of its 16 bits in
 * common. */
static bool is_logical_match_x2apic(const struct lapic *lapic, uint32_t dest)
{
	uint32_t own = lapic_get(lapic, LAPIC_LDR);

	return own >> 16 == dest >> 16 && (own & dest & 0xffff);
}

bool lapic_matches(const struct lapic *lapic, const struct apic_message *msg)
{
	uint64_t base = __atomic_load_n(&lapic->base, __ATOMIC_RELAXED);
	bool is_x2apic = base & LAPIC_BASE_EXTD;

	if (!(base & LAPIC_BASE_ENABLE))
		return false;
	if (msg->dest == APIC_BROADCAST || (msg->dest == 0xff && !is_x2apic))
		return true;
	if (msg->is_logical)
		return is_x2apic ? is_logical_match_x2apic(lapic, msg->dest)
				 : is_logical_match_xapic(lapic, msg->dest);
	if (msg->dest == lapic_get(lapic, LAPIC_ID) >> (is_x2apic ? 0 : 24))
		return true;
	/* As KVM has it: a CPU whose ID does not fit in 8 bits must be reachable by INIT and
	 * STARTUP before it can be in x2APIC mode. */
	return msg->dest > 0xff && msg->dest == lapic->initial_id;
}

/* The vCPUs, as a set, whose local APICs the message addresses. */
static uint64_t addressed(const struct apic_bus *bus, const struct apic_message *msg,
			  const struct lapic *self)
{
	bool is_unicast = msg->shorthand == APIC_TO_DEST && !msg->is_logical && msg->dest < 0xff;
	uint64_t set = 0;

	/* IDs are mostly the vCPUs' numbers. */
	if (is_unicast && msg->dest < bus->count && lapic_matches(bus->lapic[msg->dest], msg))
		return BIT_ULL(msg->dest);
	for (uint32_t i = 0; i < bus->count; i++) {
		const struct lapic *lapic = bus->lapic[i];
		bool is_target = msg->shorthand == APIC_TO_DEST ? lapic_matches(lapic, msg)
								: lapic_is_hw_enabled(lapic);

		if (!is_target || (lapic == self && msg->shorthand == APIC_TO_OTHERS))
			continue;
		set |= BIT_ULL(i);
		if (is_unicast)
			break;
	}
	return set;
}

/* 'Lowest Priority Delivery Mode': one of the set takes it. Which one is the platform's choice
 * where the priorities are equal; here all are taken as equal and it goes round. */
static uint64_t arbitrate(struct apic_bus *bus, uint64_t set)
{
	uint32_t count = 0, turn;
	uint64_t able = 0;

	for (uint64_t rest = set; rest; rest &= rest - 1) {
		if (!lapic_is_enabled(bus->lapic[__builtin_ctzll(rest)]))
			continue;
		able |= rest & -rest;
		count++;
	}
	if (count <= 1)
		return able;
	turn = __atomic_fetch_add(&bus->arbiter, 1, __ATOMIC_RELAXED) % count;
	while (turn--)
		able &= able - 1;
	return able & -able;
}

/* Gives the message to one local APIC; false when it does not take it. */
static bool take(struct lapic *lapic, const struct apic_message *msg, const struct lapic *self)
{
	const struct platform *platform = lapic->platform;
	enum vcpu_signal what = VCPU_SIGNAL_EVENT;

	switch (msg->mode) {
	case LAPIC_DM_NMI:
		what = VCPU_SIGNAL_NMI;
		break;
	case LAPIC_DM_INIT:
		what = VCPU_SIGNAL_INIT;
		break;
	case LAPIC_DM_STARTUP:
		what = VCPU_SIGNAL_STARTUP;
		break;
	default:
		/* 'Local APIC State After It Has Been Software Disabled': INIT, NMI, SMI and SIPI
		 * are responded to as ever, and nothing else. */
		if (!lapic_is_enabled(lapic))
			return false;
		if (lapic == self && !msg->is_level) {
			lapic_raise(lapic, msg->vector);
			return true;
		}
		lapic_post(lapic, msg->vector, msg->is_level);
	}
	platform->ops->signal(platform->ctx, lapic->vcpu, what, msg->vector);
	return true;
}

static bool is_carried(uint8_t mode)
{
	return mode != LAPIC_DM_SMI && mode != LAPIC_DM_RESERVED && mode != LAPIC_DM_EXTINT;
}

unsigned apic_bus_deliver(struct apic_bus *bus, const struct apic_message *msg, struct lapic *self)
{
	unsigned taken = 0;
	uint64_t set;

	if (unlikely(!is_carried(msg->mode))) {
		bus->platform->ops->note(bus->platform->ctx,
					 "interrupt message with delivery mode %u dropped",
					 (unsigned)msg->mode);
		return 0;
	}
	if (msg->is_level && !msg->is_assert)
		return 0;
	if (msg->shorthand == APIC_TO_SELF)
		return self && take(self, msg, self);
	set = addressed(bus, msg, self);
	if (msg->mode == LAPIC_DM_LOWEST)
		set = arbitrate(bus, set);
	for (; set; set &= set - 1)
		taken += take(bus->lapic[__builtin_ctzll(set)], msg, self);
	return taken;
}

unsigned apic_bus_deliver_set(struct apic_bus *bus, const struct apic_message *msg, uint64_t first,
			      const uint64_t ids[2], struct lapic *self)
{
	unsigned taken = 0;

	for (uint32_t i = 0; i < bus->count; i++) {
		struct lapic *lapic = bus->lapic[i];
		uint64_t id = lapic_id(lapic);

		if (id >= first && id - first < 128 && bitmap_is_set(ids, (unsigned)(id - first)) &&
		    lapic_is_hw_enabled(lapic))
			taken += take(lapic, msg, self);
	}
	return taken;
}

bool apic_bus_is_requested(const struct apic_bus *bus, const struct apic_message *msg)
{
	for (uint64_t set = addressed(bus, msg, NULL); set; set &= set - 1) {
		const struct lapic *lapic = bus->lapic[__builtin_ctzll(set)];

		if (lapic_is_enabled(lapic) && lapic_is_requested(lapic, msg->vector))
			return true;
	}
	return false;
}

int apic_bus_find(const struct apic_bus *bus, uint64_t id)
{
	/* IDs are mostly the vCPUs' numbers. */
	if (id < bus->count && lapic_id(bus->lapic[id]) == id)
		return (int)id;
	for (uint32_t i = 0; i < bus->count; i++)
		if (lapic_id(bus->lapic[i]) == id)
			return (int)i;
	return -1;
}

/* 'Message Signalled Interrupts', with KVM_FEATURE_MSI_EXT_DEST_ID's bits 11-5 as destination bits
 * 14-8. */
int apic_msi_message(uint64_t address, uint32_t data, struct apic_message *msg)
{
	uint32_t dest = (uint32_t)((address >> 12 & 0xff) | (address >> 5 & 0x7f) << 8);
	bool is_redirected = address & BIT(3);

	if (address >> 20 != 0xfee)
		return -EINVAL;
	*msg = (struct apic_message){
		.dest = dest == 0xff ? APIC_BROADCAST : dest,
		.vector = (uint8_t)data,
		.mode = data >> 8 & 7,
		.is_logical = address & BIT(2),
		.is_level = data & BIT(15),
		.is_assert = data & BIT(14),
	};
	/* The redirection hint: one of those addressed. */
	if (is_redirected && msg->mode == LAPIC_DM_FIXED)
		msg->mode = LAPIC_DM_LOWEST;
	return 0;
}
