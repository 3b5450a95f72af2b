/* The I/O APIC (82093AA I/O Advanced Programmable Interrupt Controller), and the EOI register of
 * its successors. */
#include "devices/ioapic.h"

/* Directly addressed. */
#define IOREGSEL 0x00u
#define IOWIN    0x10u
#define IOEOI    0x40u

/* Through IOREGSEL. */
#define IOAPICID    0x00u
#define IOAPICVER   0x01u
#define IOAPICARB   0x02u
#define IOREDTBL    0x10u
#define IOREDTBLEND (IOREDTBL + 2 * IOAPIC_PINS)

#define VERSION_VALUE (0x20u | (IOAPIC_PINS - 1) << 16)

/* A redirection entry. */
#define REDIR_MODE_SHIFT 8
#define REDIR_LOGICAL    BIT_ULL(11)
#define REDIR_PENDING    BIT_ULL(12) /* delivery status */
#define REDIR_POLARITY   BIT_ULL(13)
#define REDIR_REMOTE_IRR BIT_ULL(14)
#define REDIR_LEVEL      BIT_ULL(15)
#define REDIR_MASKED     BIT_ULL(16)
#define REDIR_DEST_SHIFT 56 /* 8 bits */
#define REDIR_EXT_SHIFT  49 /* 7 bits: destination bits 14-8 (KVM_FEATURE_MSI_EXT_DEST_ID) */
#define REDIR_WRITABLE                                                                             \
	(0x7ffull | REDIR_LOGICAL | REDIR_POLARITY | REDIR_LEVEL | REDIR_MASKED |                  \
	 0x7full << REDIR_EXT_SHIFT | 0xffull << REDIR_DEST_SHIFT)

void ioapic_init(struct ioapic *ioapic, struct apic_bus *bus)
{
	*ioapic = (struct ioapic){.bus = bus};
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->redir[pin] = REDIR_MASKED;
}

/* --- delivery
 * ------------------------------------------------------------------------------------- */

static unsigned redir_mode(uint64_t entry)
{
	return entry >> REDIR_MODE_SHIFT & 7;
}

/* Only fixed and lowest-priority interrupts have an EOI. The others 'must be programmed to edge',
 * and an NMI 'is treated as an edge triggered interrupt even if it is programmed as a level
 * triggered interrupt'. */
static bool is_level(uint64_t entry)
{
	return entry & REDIR_LEVEL && redir_mode(entry) <= LAPIC_DM_LOWEST;
}

bool ioapic_can_end_any_halt(const struct ioapic *ioapic)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		if (!(ioapic->redir[pin] & REDIR_MASKED) &&
		    lapic_mode_ends_any_halt(redir_mode(ioapic->redir[pin])))
			return true;
	return false;
}

static struct apic_message message_of(uint64_t entry)
{
	uint32_t dest = (uint32_t)(entry >> REDIR_DEST_SHIFT) |
			(uint32_t)(entry >> REDIR_EXT_SHIFT & 0x7f) << 8;

	return (struct apic_message){
		.dest = dest == 0xff ? APIC_BROADCAST : dest,
		.vector = (uint8_t)entry,
		.mode = (uint8_t)redir_mode(entry),
		.is_logical = entry & REDIR_LOGICAL,
		.is_level = is_level(entry),
		.is_assert = true,
	};
}

/* Sends the pin's message; false when no local APIC took it. */
static bool send(struct ioapic *ioapic, uint64_t entry)
{
	struct apic_message msg = message_of(entry);

	return apic_bus_deliver(ioapic->bus, &msg, NULL) > 0;
}

bool ioapic_is_edge_waiting(const struct ioapic *ioapic, uint32_t pin)
{
	uint64_t entry = pin < IOAPIC_PINS ? ioapic->redir[pin] : REDIR_MASKED;
	struct apic_message msg = message_of(entry);

	if (entry & (REDIR_MASKED | REDIR_LEVEL) || msg.mode > LAPIC_DM_LOWEST)
		return false;
	return apic_bus_is_requested(ioapic->bus, &msg);
}

/* Sends a level-triggered pin's message if it is due: the line is asserted, and no local APIC has
 * it in hand (remote IRR). When none takes it, the delivery status says 'send pending' until the
 * next look. */
static void serve_level(struct ioapic *ioapic, uint32_t pin)
{
	uint64_t *entry = &ioapic->redir[pin];

	*entry &= ~REDIR_PENDING;
	if (!is_level(*entry) || *entry & (REDIR_MASKED | REDIR_REMOTE_IRR) ||
	    !(ioapic->asserted & BIT(pin)))
		return;
	*entry |= send(ioapic, *entry) ? REDIR_REMOTE_IRR : REDIR_PENDING;
}

void ioapic_set_pin(struct ioapic *ioapic, uint32_t pin, bool is_asserted)
{
	bool was_asserted;
	uint64_t entry;

	if (pin >= IOAPIC_PINS)
		return;
	entry = ioapic->redir[pin];
	was_asserted = ioapic->asserted & BIT(pin);
	ioapic->asserted = is_asserted ? ioapic->asserted | BIT(pin) : ioapic->asserted & ~BIT(pin);
	if (is_level(entry))
		serve_level(ioapic, pin);
	/* 'Edge-sensitive interrupts signaled on a masked interrupt pin are ignored (i.e., not
	 * delivered or held pending).' */
	else if (is_asserted && !was_asserted && !(entry & REDIR_MASKED))
		send(ioapic, entry);
}

/* 'Remote IRR: this bit is set to 1 when local APIC(s) accept the level interrupt sent by the
 * IOAPIC. The Remote IRR bit is set to 0 when an EOI message with a matching interrupt vector is
 * received.' */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *entry = &ioapic->redir[pin];

		if (!(*entry & REDIR_REMOTE_IRR) || (uint8_t)*entry != vector)
			continue;
		*entry &= ~REDIR_REMOTE_IRR;
		serve_level(ioapic, pin);
	}
}

/* --- registers
 * ------------------------------------------------------------------------------------ */

static uint32_t indirect_read(const struct ioapic *ioapic)
{
	uint32_t index = ioapic->select;

	switch (index) {
	case IOAPICID:
	case IOAPICARB: /* 'is loaded when the IOAPICID register is written' */
		return (uint32_t)ioapic->id << 24;
	case IOAPICVER:
		return VERSION_VALUE;
	case IOREDTBL ... IOREDTBLEND - 1:
		return (uint32_t)(ioapic->redir[(index - IOREDTBL) / 2] >> (index % 2 * 32));
	default:
		return 0;
	}
}

static void redir_write(struct ioapic *ioapic, uint32_t pin, bool is_high, uint32_t value)
{
	uint64_t *entry = &ioapic->redir[pin];
	uint64_t written = REDIR_WRITABLE & (is_high ? ~(uint64_t)UINT32_MAX : UINT32_MAX);
	uint64_t bits = is_high ? (uint64_t)value << 32 : value;

	if (ioapic->bus->is_ext_dest_id_off)
		written &= ~(0x7full << REDIR_EXT_SHIFT);
	*entry = (*entry & ~written) | (bits & written);
	/* Guests that know no EOI register end an interrupt by making the entry edge-triggered for
	 * a moment: remote IRR has no meaning then. */
	if (!is_level(*entry))
		*entry &= ~REDIR_REMOTE_IRR;
	serve_level(ioapic, pin);
}

static void indirect_write(struct ioapic *ioapic, uint32_t value)
{
	uint32_t index = ioapic->select;

	if (index == IOAPICID)
		ioapic->id = value >> 24 & 0xf;
	else if (index >= IOREDTBL && index < IOREDTBLEND)
		redir_write(ioapic, (index - IOREDTBL) / 2, index % 2, value);
}

uint64_t ioapic_read(void *dev, uint64_t offset, unsigned size)
{
	const struct ioapic *ioapic = dev;

	if (offset == IOREGSEL)
		return ioapic->select;
	if (offset == IOWIN && size >= 4)
		return indirect_read(ioapic);
	return 0; /* the EOI register is write-only */
}

void ioapic_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	struct ioapic *ioapic = dev;

	if (offset == IOREGSEL)
		ioapic->select = (uint8_t)value;
	else if (offset == IOWIN && size >= 4)
		indirect_write(ioapic, (uint32_t)value);
	else if (offset == IOEOI && size >= 4)
		ioapic_eoi(ioapic, (uint8_t)value);
}
