/* PCI configuration space by mechanism 1: bus 0, function 0. Register names: linux/pci_regs.h. */
#ifndef GUEST_STUBS_COMMON_PCI_H
#define GUEST_STUBS_COMMON_PCI_H

#include <linux/pci_regs.h>

#include "guest-stubs/common/insn.h"

#define PCI_SLOTS          32u
#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA    0xcfc
#define PCI_CONFIG_ENABLE  BIT(31)

static inline uint16_t pci_select(uint32_t slot, uint32_t at)
{
	outl(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | slot << 11 | (at & 0xfc));
	return (uint16_t)(PCI_CONFIG_DATA + (at & 3));
}

static inline uint8_t pci_read8(uint32_t slot, uint32_t at)
{
	return inb(pci_select(slot, at));
}

static inline uint16_t pci_read16(uint32_t slot, uint32_t at)
{
	return inw(pci_select(slot, at));
}

static inline uint32_t pci_read32(uint32_t slot, uint32_t at)
{
	return inl(pci_select(slot, at));
}

static inline void pci_write16(uint32_t slot, uint32_t at, uint16_t value)
{
	outw(pci_select(slot, at), value);
}

static inline void pci_write32(uint32_t slot, uint32_t at, uint32_t value)
{
	outl(pci_select(slot, at), value);
}

/* The address in a memory BAR. */
static inline uint64_t pci_bar(uint32_t slot, uint32_t bar)
{
	return pci_read32(slot, PCI_BASE_ADDRESS_0 + 4 * bar) & ~0xfu;
}

/* The first capability with this ID behind `after` (0: of all); 0 when there is none. */
static inline uint32_t pci_capability(uint32_t slot, uint8_t id, uint32_t after)
{
	uint32_t at = pci_read8(slot, after ? after + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST);

	while (at && pci_read8(slot, at) != id)
		at = pci_read8(slot, at + PCI_CAP_LIST_NEXT);
	return at;
}

#endif
