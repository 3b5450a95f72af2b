/* A PCI bus between local APICs and wires, for the tests of PCI and virtio. */
#ifndef UNIT_PCI_RIG_H
#define UNIT_PCI_RIG_H

#include "lapic_rig.h"
#include "device_rig.h"

#include <linux/pci_regs.h>

#include "devices/pci.h"

static struct {
	struct bus ports, mmio;
	struct pci_bus pci;
	struct wire wire[PCI_LINES];
} pci_rig;

static inline void pci_rig_init(void)
{
	rig_init(1000000000);
	bus_init(&pci_rig.ports);
	bus_init(&pci_rig.mmio);
	pci_init(&pci_rig.pci, &rig.fake.platform, &pci_rig.mmio, &rig.bus);
	for (uint32_t i = 0; i < PCI_LINES; i++)
		pci_set_line(&pci_rig.pci, i, wire_line(&pci_rig.wire[i], 10 + i),
			     (uint8_t)(10 + i));
	assert_int_equal(pci_attach(&pci_rig.pci, &pci_rig.ports), 0);
}

static inline uint32_t config_in(uint32_t slot, uint32_t at, unsigned size)
{
	pci_write_address(&pci_rig.pci, BIT(31) | slot << 11 | (at & 0xfc));
	return (uint32_t)port_in(&pci_rig.ports, (uint16_t)(0xcfc + (at & 3)), size);
}

static inline void config_out(uint32_t slot, uint32_t at, unsigned size, uint32_t value)
{
	pci_write_address(&pci_rig.pci, BIT(31) | slot << 11 | (at & 0xfc));
	port_out(&pci_rig.ports, (uint16_t)(0xcfc + (at & 3)), size, value);
}

static inline uint64_t mem_in(uint64_t at, unsigned size)
{
	uint64_t value;

	assert_true(bus_read(&pci_rig.mmio, at, size, &value));
	return value;
}

static inline void mem_out(uint64_t at, unsigned size, uint64_t value)
{
	assert_true(bus_write(&pci_rig.mmio, at, size, value));
}

static inline bool is_mapped(uint64_t at)
{
	return bus_find(&pci_rig.mmio, at, 1);
}

/* The first capability with this ID behind `after` (0: the first of all); 0 when there is none. */
static inline uint32_t find_capability(uint32_t slot, uint8_t id, uint32_t after)
{
	uint32_t at = config_in(slot, after ? after + 1 : PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; at && i < 48; i++) {
		if (config_in(slot, at, 1) == id)
			return at;
		at = config_in(slot, at + 1, 1);
	}
	return 0;
}

#endif
