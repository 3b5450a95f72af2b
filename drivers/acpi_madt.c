/* The MADT's CPUs and interrupt controllers, read out into a plain structure. */
#include "drivers/acpi_internal.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"

/* 'Multiple APIC Description Table (MADT)': interrupt controller structures follow. */
struct madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
} __packed;

#define MADT_PCAT_COMPAT    BIT(0)
#define MADT_ENABLED        BIT(0)
#define MADT_ONLINE_CAPABLE BIT(1)

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_NMI_SOURCE = 3,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

/* The structures, each behind the two bytes type and length. */
union madt_entry {
	struct {
		uint8_t uid, apic_id;
		uint32_t flags;
	} __packed lapic;
	struct {
		uint8_t id, reserved;
		uint32_t address, gsi_base;
	} __packed ioapic;
	struct {
		uint8_t bus, source;
		uint32_t gsi;
		uint16_t flags;
	} __packed override;
	struct {
		uint16_t flags;
		uint32_t gsi;
	} __packed nmi_source;
	struct {
		uint8_t uid;
		uint16_t flags;
		uint8_t lint;
	} __packed lapic_nmi;
	struct {
		uint16_t reserved;
		uint64_t address;
	} __packed lapic_address;
	struct {
		uint16_t reserved;
		uint32_t apic_id, flags, uid;
	} __packed x2apic;
	struct {
		uint16_t flags;
		uint32_t uid;
		uint8_t lint;
		uint8_t reserved[3];
	} __packed x2apic_nmi;
};

/* What an entry of each type holds; 0 for the types that do not matter here. */
static const uint8_t madt_entry_size[] = {
	[MADT_LAPIC] = sizeof(((union madt_entry *)0)->lapic),
	[MADT_IOAPIC] = sizeof(((union madt_entry *)0)->ioapic),
	[MADT_OVERRIDE] = sizeof(((union madt_entry *)0)->override),
	[MADT_NMI_SOURCE] = sizeof(((union madt_entry *)0)->nmi_source),
	[MADT_LAPIC_NMI] = sizeof(((union madt_entry *)0)->lapic_nmi),
	[MADT_LAPIC_ADDRESS] = sizeof(((union madt_entry *)0)->lapic_address),
	[MADT_X2APIC] = sizeof(((union madt_entry *)0)->x2apic),
	[MADT_X2APIC_NMI] = sizeof(((union madt_entry *)0)->x2apic_nmi),
};

static void madt_add_cpu(struct acpi_madt *madt, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	bool is_enabled = flags & MADT_ENABLED;

	if (!(flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE)))
		return;
	/* Firmware may list a CPU both as local APIC and as x2APIC. */
	for (uint32_t i = 0; i < madt->cpu_count; i++)
		if (madt->cpu[i].apic_id == apic_id) {
			madt->cpu[i].is_enabled |= is_enabled;
			return;
		}
	if (madt->cpu_count == MAX_PCPUS)
		madt->cpus_left_out++;
	else
		madt->cpu[madt->cpu_count++] = (struct acpi_cpu){apic_id, uid, is_enabled};
}

static bool madt_add_lapic_nmi(struct acpi_madt *madt, uint32_t uid, uint16_t flags, uint8_t lint)
{
	if (lint > 1 || madt->lapic_nmi_count == ACPI_NMIS_MAX)
		return false;
	madt->lapic_nmi[madt->lapic_nmi_count++] = (struct acpi_lapic_nmi){uid, flags, lint};
	return true;
}

/* False: malformed, or more of its type than there is room for. */
static bool madt_add_entry(struct acpi_madt *madt, enum madt_type type, const union madt_entry *e)
{
	switch (type) {
	case MADT_LAPIC:
		/* 0xff is the broadcast address, and how firmware marks an empty place. */
		if (e->lapic.apic_id != UINT8_MAX)
			madt_add_cpu(madt, e->lapic.apic_id, e->lapic.uid, e->lapic.flags);
		return true;
	case MADT_X2APIC:
		if (e->x2apic.apic_id != UINT32_MAX)
			madt_add_cpu(madt, e->x2apic.apic_id, e->x2apic.uid, e->x2apic.flags);
		return true;
	case MADT_IOAPIC:
		if (!e->ioapic.address || madt->ioapic_count == ACPI_IOAPICS_MAX)
			return false;
		madt->ioapic[madt->ioapic_count++] =
			(struct acpi_ioapic){e->ioapic.id, e->ioapic.address, e->ioapic.gsi_base};
		return true;
	case MADT_OVERRIDE:
		/* Bus 0 is ISA, with 16 interrupts. */
		if (e->override.bus || e->override.source > 15 ||
		    madt->override_count == ACPI_OVERRIDES_MAX)
			return false;
		madt->override[madt->override_count++] = (struct acpi_override){
			e->override.source, e->override.gsi, e->override.flags};
		return true;
	case MADT_NMI_SOURCE:
		if (madt->nmi_source_count == ACPI_NMIS_MAX)
			return false;
		madt->nmi_source[madt->nmi_source_count++] =
			(struct acpi_nmi_source){e->nmi_source.gsi, e->nmi_source.flags};
		return true;
	case MADT_LAPIC_NMI:
		return madt_add_lapic_nmi(
			madt, e->lapic_nmi.uid == UINT8_MAX ? ACPI_UID_ALL : e->lapic_nmi.uid,
			e->lapic_nmi.flags, e->lapic_nmi.lint);
	case MADT_X2APIC_NMI:
		return madt_add_lapic_nmi(madt, e->x2apic_nmi.uid, e->x2apic_nmi.flags,
					  e->x2apic_nmi.lint);
	case MADT_LAPIC_ADDRESS:
		madt->lapic_address = e->lapic_address.address;
		return true;
	default:
		return true;
	}
}

int acpi_read_madt(const struct acpi *acpi, struct acpi_madt *madt)
{
	const struct acpi_header *table = acpi_table(acpi, "APIC", 0);
	const uint8_t *bytes = (const uint8_t *)table;
	struct log_limit limit = {0};
	struct madt head;

	memset(madt, 0, sizeof(*madt));
	if (!table || table->length < sizeof(head))
		return -ENOENT;
	memcpy(&head, table, sizeof(head));
	madt->lapic_address = head.lapic_address;
	madt->has_8259 = head.flags & MADT_PCAT_COMPAT;
	for (uint32_t at = sizeof(head), size; at < table->length; at += size) {
		uint32_t left = table->length - at, need;
		union madt_entry entry = {0};

		size = left >= 2 ? bytes[at + 1] : 0;
		if (size < 2 || size > left) {
			log_warn("ACPI: the MADT's entry at byte %u leaves the table; the rest is "
				 "ignored: " REMEDY,
				 at);
			break;
		}
		need = bytes[at] < ARRAY_SIZE(madt_entry_size) ? madt_entry_size[bytes[at]] : 0;
		memcpy(&entry, bytes + at + 2, MIN(need, size - 2));
		if (need > size - 2 || !madt_add_entry(madt, bytes[at], &entry))
			log_limited(&limit,
				    "ACPI: the MADT's entry of type %u at byte %u is malformed or "
				    "one too many and is ignored: " REMEDY,
				    bytes[at], at);
	}
	if (madt->cpus_left_out)
		log_warn("ACPI: %u CPUs are left out: Carousel is built for %u (MAX_PCPUS)",
			 madt->cpus_left_out, MAX_PCPUS);
	return 0;
}
