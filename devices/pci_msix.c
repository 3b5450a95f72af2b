/* MSI-X: the table and the pending bits in a BAR, and how a vector becomes a message. 'PCI Local
 * Bus Specification', 'MSI-X Capability and Table Structure'. */
#include <linux/pci_regs.h>

#include "devices/pci.h"
#include "lib/string.h"

#define TABLE_BAR_SIZE  4096u
#define PBA_OFFSET      2048u
/* KVM_FEATURE_MSI_EXT_DEST_ID's bits of the address. */
#define MSI_EXT_DEST_ID 0xfe0u

_Static_assert(PCI_VECTORS_MAX *PCI_MSIX_ENTRY_SIZE <= PBA_OFFSET, "the table fits");

static uint32_t control(const struct pci_function *f)
{
	return f->msix.cap ? pci_get(f, f->msix.cap + PCI_MSIX_FLAGS, 2) : 0;
}

bool pci_is_msix_enabled(const struct pci_function *f)
{
	return control(f) & PCI_MSIX_FLAGS_ENABLE;
}

static bool is_masked(const struct pci_function *f, unsigned vector)
{
	return (control(f) & PCI_MSIX_FLAGS_MASKALL) ||
	       (f->msix.entry[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static int message_of(const struct pci_function *f, unsigned vector, struct apic_message *msg)
{
	const struct pci_msix_entry *entry = &f->msix.entry[vector];
	uint64_t address = entry->address;

	if (f->bus->apics->is_ext_dest_id_off)
		address &= ~(uint64_t)MSI_EXT_DEST_ID;
	return apic_msi_message(address, entry->data, msg);
}

static void deliver(struct pci_function *f, unsigned vector)
{
	struct apic_message msg;

	if (message_of(f, vector, &msg)) {
		const struct platform *platform = f->bus->platform;

		platform->ops->note(
			platform->ctx,
			"%s: MSI-X vector %u has address 0x%llx, where no local APIC is", f->name,
			vector, (unsigned long long)f->msix.entry[vector].address);
		return;
	}
	apic_bus_deliver(f->bus->apics, &msg, NULL);
}

void pci_msix_raise(struct pci_function *f, unsigned vector)
{
	if (vector >= f->msix.count || !pci_is_msix_enabled(f))
		return;
	if (is_masked(f, vector))
		f->msix.pending |= BIT_ULL(vector);
	else
		deliver(f, vector);
}

static bool can_end_any_halt(const struct pci_function *f)
{
	struct apic_message msg;

	if (!pci_is_msix_enabled(f))
		return false;
	for (unsigned vector = 0; vector < f->msix.count; vector++)
		if (!is_masked(f, vector) && !message_of(f, vector, &msg) &&
		    lapic_mode_ends_any_halt(msg.mode))
			return true;
	return false;
}

bool pci_can_end_any_halt(const struct pci_bus *bus)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (bus->function[slot] && can_end_any_halt(bus->function[slot]))
			return true;
	return false;
}

/* 'When software unmasks ... any associated interrupt message pending must be sent'. */
static void send_pending(struct pci_function *f)
{
	if (!pci_is_msix_enabled(f))
		return;
	for (unsigned vector = 0; vector < f->msix.count; vector++) {
		if (!(f->msix.pending & BIT_ULL(vector)) || is_masked(f, vector))
			continue;
		f->msix.pending &= ~BIT_ULL(vector);
		deliver(f, vector);
	}
}

void pci_msix_control_changed(struct pci_function *f)
{
	send_pending(f);
}

static uint32_t read_dword(const struct pci_msix *msix, uint32_t offset)
{
	uint32_t vector = offset / PCI_MSIX_ENTRY_SIZE;
	const struct pci_msix_entry *entry;

	if (offset >= PBA_OFFSET)
		return offset < PBA_OFFSET + sizeof(msix->pending)
			       ? (uint32_t)(msix->pending >> 8 * (offset - PBA_OFFSET))
			       : 0;
	if (vector >= msix->count)
		return 0;
	entry = &msix->entry[vector];
	switch (offset % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return (uint32_t)entry->address;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return (uint32_t)(entry->address >> 32);
	case PCI_MSIX_ENTRY_DATA:
		return entry->data;
	default:
		return entry->control;
	}
}

static void write_dword(struct pci_msix *msix, uint32_t offset, uint32_t value)
{
	uint32_t vector = offset / PCI_MSIX_ENTRY_SIZE;
	struct pci_msix_entry *entry;

	if (vector >= msix->count)
		return;
	entry = &msix->entry[vector];
	switch (offset % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		/* 'For proper DWORD alignment, software must always write zeroes to these two
		 * bits'. */
		entry->address = (entry->address & ~0xffffffffull) | (value & ~3u);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		entry->address = (entry->address & 0xffffffffull) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		entry->data = value;
		break;
	default:
		entry->control = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
}

/* 'Software must use only full aligned DWORD or QWORD accesses'; a narrower read gets its part, a
 * narrower write vanishes. */
static uint64_t table_read(void *dev, uint64_t offset, unsigned size)
{
	const struct pci_function *f = dev;
	uint32_t at = ALIGN_DOWN((uint32_t)offset, 4u);
	uint64_t value = read_dword(&f->msix, at);

	value |= (uint64_t)(at + 4 < TABLE_BAR_SIZE ? read_dword(&f->msix, at + 4) : 0) << 32;
	return value >> 8 * (offset & 3) & bus_unclaimed(size);
}

static void table_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_function *f = dev;

	if (size < 4 || offset % size)
		return;
	write_dword(&f->msix, (uint32_t)offset, (uint32_t)value);
	if (size == 8)
		write_dword(&f->msix, (uint32_t)offset + 4, (uint32_t)(value >> 32));
	send_pending(f);
}

void pci_add_msix(struct pci_function *f, unsigned bar, unsigned count)
{
	const struct pci_bar table = {
		.len = TABLE_BAR_SIZE, .dev = f, .read = table_read, .write = table_write};
	uint8_t body[PCI_CAP_MSIX_SIZEOF] = {0};
	uint32_t flags = count - 1, table_at = bar, pba_at = PBA_OFFSET | bar;

	memcpy(body + PCI_MSIX_FLAGS, &flags, 2);
	memcpy(body + PCI_MSIX_TABLE, &table_at, 4);
	memcpy(body + PCI_MSIX_PBA, &pba_at, 4);
	f->msix.count = (uint16_t)count;
	/* 'The state of this bit after reset is 1 (entry is masked)'. */
	for (unsigned i = 0; i < count; i++)
		f->msix.entry[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	f->msix.cap = (uint8_t)pci_add_capability(f, PCI_CAP_ID_MSIX, body, sizeof(body));
	f->writable[f->msix.cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	pci_set_bar(f, bar, &table);
}

bool pci_bar_read(struct pci_function *f, unsigned bar, uint32_t offset, unsigned size,
		  uint64_t *value)
{
	if (bar >= PCI_BARS || offset % size || offset >= f->bar[bar].len)
		return false;
	*value = f->bar[bar].read(f->bar[bar].dev, offset, size);
	return true;
}

bool pci_bar_write(struct pci_function *f, unsigned bar, uint32_t offset, unsigned size,
		   uint64_t value)
{
	if (bar >= PCI_BARS || offset % size || offset >= f->bar[bar].len)
		return false;
	f->bar[bar].write(f->bar[bar].dev, offset, size, value);
	return true;
}
