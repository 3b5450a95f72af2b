/* Serial ports on PCI cards, by class code. Every bus is looked at: the bridges' numbers are
 * firmware's. */
#include <linux/pci_regs.h>

#include "drivers/pci.h"

#define BUSES     256u
#define DEVICES   32u
#define FUNCTIONS 8u

/* 'Class Codes': base class 07 simple communication controllers, sub-class 00 serial; 02 to 06 are
 * 16550 to 16950. */
#define CLASS_SERIAL  0x0700u
#define PROG_IF_16550 2u
#define PROG_IF_16950 6u
#define NO_DEVICE     0xffffu

static uint8_t devfn_of(unsigned device, unsigned function)
{
	return (uint8_t)(device << 3 | function);
}

/* BAR 0. A port above 16 bits is none of a PC's; memory above 4 GiB has its upper half in BAR 1. */
static bool read_place(const struct pci_access *pci, uint8_t bus, uint8_t devfn,
		       struct uart_place *place)
{
	uint32_t bar = pci->read(pci->ctx, bus, devfn, PCI_BASE_ADDRESS_0);

	*place = (struct uart_place){0};
	if (bar & PCI_BASE_ADDRESS_SPACE_IO) {
		uint32_t port = bar & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;

		if (port > UINT16_MAX - (PCI_UART_SIZE - 1))
			return false;
		place->port = (uint16_t)port;
		return port;
	}
	place->memory = bar & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	if ((bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		place->memory |= (uint64_t)pci->read(pci->ctx, bus, devfn, PCI_BASE_ADDRESS_1)
				 << 32;
	return place->memory && place->memory < 1ull << 47;
}

static void switch_on(const struct pci_access *pci, uint8_t bus, uint8_t devfn, bool is_memory)
{
	/* The status bits, above, are cleared by writing ones. */
	uint32_t command = pci->read(pci->ctx, bus, devfn, PCI_COMMAND) & 0xffff;

	pci->write(pci->ctx, bus, devfn, PCI_COMMAND,
		   command | (is_memory ? PCI_COMMAND_MEMORY : PCI_COMMAND_IO));
}

static bool is_uart(const struct pci_access *pci, uint8_t bus, uint8_t devfn)
{
	uint32_t class = pci->read(pci->ctx, bus, devfn, PCI_CLASS_REVISION);
	uint32_t prog_if = class >> 8 & 0xff;

	return class >> 16 == CLASS_SERIAL && prog_if >= PROG_IF_16550 && prog_if <= PROG_IF_16950;
}

/* How many functions a device has at the most; 0: it is not there. */
static unsigned function_count(const struct pci_access *pci, uint8_t bus, unsigned device)
{
	uint8_t devfn = devfn_of(device, 0);
	uint32_t header;

	if ((pci->read(pci->ctx, bus, devfn, PCI_VENDOR_ID) & 0xffff) == NO_DEVICE)
		return 0;
	header = pci->read(pci->ctx, bus, devfn, PCI_CACHE_LINE_SIZE) >> 16;
	return header & 0x80 ? FUNCTIONS : 1;
}

bool pci_find_uart(const struct pci_access *pci, unsigned index, struct pci_uart *uart)
{
	for (unsigned slot = 0; slot < BUSES * DEVICES; slot++) {
		uint8_t bus = (uint8_t)(slot / DEVICES);
		unsigned device = slot % DEVICES, count = function_count(pci, bus, device);

		for (unsigned function = 0; function < count; function++) {
			uint8_t devfn = devfn_of(device, function);

			if (!is_uart(pci, bus, devfn) ||
			    !read_place(pci, bus, devfn, &uart->place) || index--)
				continue;
			switch_on(pci, bus, devfn, uart->place.memory);
			uart->bus = bus;
			uart->device = (uint8_t)device;
			uart->function = (uint8_t)function;
			return true;
		}
	}
	return false;
}
