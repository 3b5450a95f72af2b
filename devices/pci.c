/* PCI: configuration mechanism 1, type-0 headers, BARs on the VM's bus, INTx. */
#include <linux/pci_regs.h>

#include "devices/pci.h"
#include "lib/errno.h"
#include "lib/string.h"

#define ADDRESS_ENABLE   BIT(31)
#define ADDRESS_WRITABLE 0x80fffffcu
#define COMMAND_WRITABLE                                                                           \
	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |         \
	 PCI_COMMAND_INTX_DISABLE)
#define FIRST_CAPABILITY 0x40u

/* Intel's 440FX, as in QEMU: guests know it, and its driver asks nothing of it. */
static const struct pci_id host_bridge = {
	.vendor = 0x8086, .device = 0x1237, .class_code = 0x060000, .revision = 2};

uint32_t pci_get(const struct pci_function *f, unsigned at, unsigned size)
{
	uint32_t value = 0;

	memcpy(&value, f->config + at, size);
	return value;
}

void pci_put(struct pci_function *f, unsigned at, unsigned size, uint32_t value)
{
	memcpy(f->config + at, &value, size);
}

static unsigned bar_at(unsigned number)
{
	return PCI_BASE_ADDRESS_0 + 4 * number;
}

static void unmap_bars(struct pci_bus *bus, struct pci_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (f->bar[i].is_mapped)
			bus_remove(bus->mmio, f->bar[i].mapped_at);
		f->bar[i].is_mapped = false;
	}
}

static void map_bars(struct pci_bus *bus, struct pci_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &f->bar[i];
		const struct bus_region region = {
			.base = pci_get(f, bar_at(i), 4) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK,
			.len = bar->len,
			.dev = bar->dev,
			.read = bar->read,
			.write = bar->write,
			.name = f->name,
		};

		if (!bar->len)
			continue;
		bar->is_mapped = !bus_add(bus->mmio, &region);
		bar->mapped_at = (uint32_t)region.base;
	}
}

/* Takes all BARs off the bus and puts those back that are decoded, lowest slot first. One that lies
 * on something else is not reached until either of them moves. */
static void remap(struct pci_bus *bus)
{
	for (uint32_t slot = 0; slot < PCI_SLOTS; slot++)
		if (bus->function[slot])
			unmap_bars(bus, bus->function[slot]);
	for (uint32_t slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_function *f = bus->function[slot];

		if (f && pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)
			map_bars(bus, f);
	}
}

void pci_update_intx(struct pci_function *f)
{
	struct pci_bus *bus = f->bus;
	uint32_t line = pci_line_of(f->slot);
	bool is_enabled =
		!(pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) && !pci_is_msix_enabled(f);
	uint32_t others = bus->asserted[line] & ~BIT(f->slot);

	/* 'Interrupt Status': the state of the interrupt, whatever Interrupt Disable says. */
	f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	f->config[PCI_STATUS] |= f->is_asserted ? PCI_STATUS_INTERRUPT : 0;
	bus->asserted[line] = others | (f->is_asserted && is_enabled ? BIT(f->slot) : 0);
	irq_line_set(&bus->line[line], bus->asserted[line]);
}

void pci_set_intx(struct pci_function *f, bool level)
{
	f->is_asserted = level;
	pci_update_intx(f);
}

static bool is_touched(unsigned at, unsigned size, unsigned reg, unsigned len)
{
	return at < reg + len && reg < at + size;
}

static uint32_t config_read(struct pci_function *f, unsigned at, unsigned size)
{
	if (f->hooks && f->hooks->before_read)
		f->hooks->before_read(f, at, size);
	return pci_get(f, at, size);
}

static void config_write(struct pci_function *f, unsigned at, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8) {
		uint8_t mask = f->writable[at + i];

		f->config[at + i] = (f->config[at + i] & (uint8_t)~mask) | ((uint8_t)value & mask);
	}
	if (is_touched(at, size, PCI_COMMAND, 2) ||
	    is_touched(at, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS))
		remap(f->bus);
	if (f->msix.cap && is_touched(at, size, f->msix.cap + PCI_MSIX_FLAGS, 2))
		pci_msix_control_changed(f);
	pci_update_intx(f);
	if (f->hooks && f->hooks->after_write)
		f->hooks->after_write(f, at, size);
}

/* The function and register that CONFIG_ADDRESS names; NULL when there is none. */
static struct pci_function *addressed(const struct pci_bus *bus, unsigned *at)
{
	uint32_t a = bus->address;

	*at = a & 0xfc;
	/* Bus 0, function 0. */
	if (!(a & ADDRESS_ENABLE) || (a >> 16 & 0xff) || (a >> 8 & 7))
		return NULL;
	return bus->function[a >> 11 & 0x1f];
}

/* 'Software ... reads of non-existent devices return all 1s'. */
static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
	unsigned at;
	struct pci_function *f = addressed(dev, &at);

	return f ? config_read(f, at + (unsigned)offset, size) : bus_unclaimed(size);
}

static void data_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned at;
	struct pci_function *f = addressed(dev, &at);

	if (f)
		config_write(f, at + (unsigned)offset, size, (uint32_t)value);
}

uint32_t pci_read_address(const struct pci_bus *bus)
{
	return bus->address;
}

void pci_write_address(struct pci_bus *bus, uint32_t value)
{
	bus->address = value & ADDRESS_WRITABLE;
}

void pci_init(struct pci_bus *bus, struct platform *platform, struct bus *mmio,
	      struct apic_bus *apics)
{
	memset(bus, 0, sizeof(*bus));
	bus->platform = platform;
	bus->mmio = mmio;
	bus->apics = apics;
	pci_function_init(&bus->bridge, "PCI host bridge", &host_bridge);
	bus->bridge.bus = bus;
	bus->function[0] = &bus->bridge;
}

void pci_set_line(struct pci_bus *bus, uint32_t number, struct irq_line line, uint8_t irq)
{
	bus->line[number] = line;
	bus->irq[number] = irq;
}

int pci_attach(struct pci_bus *bus, struct bus *ports)
{
	const struct bus_region data = {
		.base = PCI_DATA_PORT,
		.len = 4,
		.dev = bus,
		.read = data_read,
		.write = data_write,
		.name = "PCI configuration",
	};

	return bus_add(ports, &data);
}

void pci_function_init(struct pci_function *f, const char *name, const struct pci_id *id)
{
	memset(f, 0, sizeof(*f));
	f->name = name;
	f->cap_end = FIRST_CAPABILITY;
	pci_put(f, PCI_VENDOR_ID, 2, id->vendor);
	pci_put(f, PCI_DEVICE_ID, 2, id->device);
	pci_put(f, PCI_CLASS_REVISION, 4, id->class_code << 8 | id->revision);
	pci_put(f, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor);
	pci_put(f, PCI_SUBSYSTEM_ID, 2, id->subsystem);
	pci_put(f, PCI_INTERRUPT_PIN, 1, id->has_intx ? 1 : 0);
	memcpy(f->writable + PCI_COMMAND, &(uint16_t){COMMAND_WRITABLE}, 2);
	f->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	f->writable[PCI_LATENCY_TIMER] = 0xff;
	f->writable[PCI_INTERRUPT_LINE] = id->has_intx ? 0xff : 0;
}

void pci_set_bar(struct pci_function *f, unsigned number, const struct pci_bar *bar)
{
	uint32_t mask = ~(bar->len - 1);

	f->bar[number] = *bar;
	memcpy(f->writable + bar_at(number), &mask, sizeof(mask));
}

unsigned pci_add_capability(struct pci_function *f, uint8_t id, const void *body, unsigned len)
{
	unsigned at = f->cap_end;

	memcpy(f->config + at, body, len);
	f->config[at + PCI_CAP_LIST_ID] = id;
	f->config[at + PCI_CAP_LIST_NEXT] = 0;
	f->config[f->last_cap ? f->last_cap + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST] =
		(uint8_t)at;
	f->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	f->last_cap = (uint8_t)at;
	f->cap_end = (uint8_t)ALIGN_UP(at + len, 4u);
	return at;
}

/* The next piece of the window, aligned to its own size as BARs are. */
static int assign_bars(struct pci_bus *bus, struct pci_function *f)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint32_t len = f->bar[i].len, offset = bus->window_used;

		if (!len)
			continue;
		offset = ALIGN_UP(offset, len);
		if (offset > PCI_WINDOW_SIZE - len)
			return -ENOSPC;
		pci_put(f, bar_at(i), 4, PCI_WINDOW_BASE + offset);
		bus->window_used = offset + len;
	}
	return 0;
}

int pci_add(struct pci_bus *bus, struct pci_function *f, uint32_t slot)
{
	int error;

	if (bus->function[slot])
		return -EEXIST;
	f->bus = bus;
	f->slot = slot;
	error = assign_bars(bus, f);
	if (error)
		return error;
	if (f->config[PCI_INTERRUPT_PIN])
		pci_put(f, PCI_INTERRUPT_LINE, 1, bus->irq[pci_line_of(slot)]);
	pci_put(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	bus->function[slot] = f;
	remap(bus);
	return 0;
}
