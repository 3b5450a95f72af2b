/* PCI configuration space, as far as the console needs it: where serial ports on cards are. Pure,
 * but for pci_ports. */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "drivers/uart16550.h"
#include "lib/types.h"

/* How a function's configuration space is reached: 32 bits at `reg`, a multiple of 4 below 256. */
struct pci_access {
	uint32_t (*read)(void *ctx, uint8_t bus, uint8_t devfn, uint8_t reg);
	void (*write)(void *ctx, uint8_t bus, uint8_t devfn, uint8_t reg, uint32_t value);
	void *ctx;
};

/* By the ports 0xcf8 and 0xcfc ('Configuration Mechanism #1'). */
extern const struct pci_access pci_ports;

#define PCI_UART_SIZE 8u

struct pci_uart {
	uint8_t bus, device, function;
	struct uart_place place;
};

/* The `index`th serial port by class code that has a FIFO (programming interface: 16550 and later),
 * at the first register of its first base address; its decoding is switched on. False: there are no
 * more. Expects the clock of a PC's UART, 1.8432 MHz. */
bool __must_check pci_find_uart(const struct pci_access *pci, unsigned index,
				struct pci_uart *uart);

#endif
