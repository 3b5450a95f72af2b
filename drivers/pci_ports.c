/* PCI configuration space by the ports 0xcf8 and 0xcfc. */
#include "cpu/insn.h"
#include "drivers/pci.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  BIT(31)

static void select(uint8_t bus, uint8_t devfn, uint8_t reg)
{
	outl(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bus << 16 | (uint32_t)devfn << 8 | reg);
}

static uint32_t read(void *ctx __unused, uint8_t bus, uint8_t devfn, uint8_t reg)
{
	select(bus, devfn, reg);
	return inl(CONFIG_DATA);
}

static void write(void *ctx __unused, uint8_t bus, uint8_t devfn, uint8_t reg, uint32_t value)
{
	select(bus, devfn, reg);
	outl(CONFIG_DATA, value);
}

const struct pci_access pci_ports = {.read = read, .write = write};
