/* The host's I/O APICs ('82093AA I/O Advanced Programmable Interrupt Controller'; polarity and
 * trigger mode from ACPI, 'MPS INTI Flags'). */
#include "drivers/ioapic.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "mm/hostmap.h"
#include "mm/space.h"

/* Offsets in its page, and indices for them. */
#define IOREGSEL    0x00u
#define IOWIN       0x10u
#define IOAPIC_SIZE 0x20u
#define IOAPICVER   0x01u
#define IOREDTBL(n) (0x10u + 2 * (n))

#define REDIR_LOW_ACTIVE BIT(13)
#define REDIR_LEVEL      BIT(15)
#define REDIR_MASKED     BIT(16)
#define REDIR_DEST_SHIFT 24 /* in the high half; physical mode */

#define INTI_POLARITY(flags) ((flags)&3u)
#define INTI_TRIGGER(flags)  ((flags) >> 2 & 3u)
#define INTI_LOW_OR_LEVEL                                                                          \
	3u /* 0: as the bus has it (ISA: edge, active high), 1: the same, said                     \
	    */

static const struct acpi_madt *madt; /* (i) after host_ioapic_init; NULL: no I/O APIC */

static volatile uint32_t *reg_of(const struct acpi_ioapic *ioapic, uint32_t offset)
{
	return (volatile uint32_t *)((uint8_t *)hpa_to_ptr(HPA(ioapic->address)) + offset);
}

static uint32_t ioapic_read(const struct acpi_ioapic *ioapic, uint32_t index)
{
	*reg_of(ioapic, IOREGSEL) = index;
	return *reg_of(ioapic, IOWIN);
}

static void ioapic_write(const struct acpi_ioapic *ioapic, uint32_t index, uint32_t value)
{
	*reg_of(ioapic, IOREGSEL) = index;
	*reg_of(ioapic, IOWIN) = value;
}

static uint32_t input_count(const struct acpi_ioapic *ioapic)
{
	return (ioapic_read(ioapic, IOAPICVER) >> 16 & 0xff) + 1;
}

int host_ioapic_init(const struct acpi_madt *from)
{
	for (uint32_t i = 0; i < from->ioapic_count; i++) {
		const struct acpi_ioapic *ioapic = &from->ioapic[i];

		if (space_map_device(HPA(ioapic->address), IOAPIC_SIZE))
			return -ENOMEM;
		for (uint32_t n = 0; n < input_count(ioapic); n++)
			ioapic_write(ioapic, IOREDTBL(n), REDIR_MASKED);
		log_debug("I/O APIC %u: GSI %u to %u", ioapic->id, ioapic->gsi_base,
			  ioapic->gsi_base + input_count(ioapic) - 1);
	}
	if (!from->ioapic_count)
		return -ENODEV;
	madt = from;
	return 0;
}

int host_ioapic_route_isa(uint8_t irq, uint8_t vector, uint32_t apic_id)
{
	uint32_t gsi = irq, low = vector;

	if (!madt)
		return -ENOENT;
	if (apic_id > 0xff)
		return -ERANGE;
	for (uint32_t i = 0; i < madt->override_count; i++) {
		const struct acpi_override *o = &madt->override[i];

		if (o->source != irq)
			continue;
		gsi = o->gsi;
		if (INTI_POLARITY(o->flags) == INTI_LOW_OR_LEVEL)
			low |= REDIR_LOW_ACTIVE;
		if (INTI_TRIGGER(o->flags) == INTI_LOW_OR_LEVEL)
			low |= REDIR_LEVEL;
	}
	for (uint32_t i = 0; i < madt->ioapic_count; i++) {
		const struct acpi_ioapic *ioapic = &madt->ioapic[i];
		uint32_t n = gsi - ioapic->gsi_base;

		if (gsi < ioapic->gsi_base || n >= input_count(ioapic))
			continue;
		/* The low half, which unmasks, last. */
		ioapic_write(ioapic, IOREDTBL(n) + 1, apic_id << REDIR_DEST_SHIFT);
		ioapic_write(ioapic, IOREDTBL(n), low);
		return 0;
	}
	return -ENOENT;
}
