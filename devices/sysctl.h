/* The board's system control ports: 0x92 (fast A20 and reset), 0xcf9 (reset control), 0x80 (POST
 * code) and 0xed (the other port that software writes to pass time). As in the PIIX and ICH data
 * sheets. */
#ifndef DEVICES_SYSCTL_H
#define DEVICES_SYSCTL_H

#include "devices/bus.h"
#include "devices/platform.h"

struct pci_bus;

struct sysctl {
	struct platform *platform; /* (i) */
	uint8_t port92;
	uint8_t reset_control;
	struct pci_bus *pci; /* (i) whose CONFIG_ADDRESS is at 0xcf8; NULL: there is none */
	uint8_t post;        /* (a) the last POST code: for reports */
	uint8_t delay;       /* (a) port 0xed */
};

void sysctl_init(struct sysctl *sysctl, struct platform *platform);

/* Ports 0x80, 0x92, 0xed, and 0xcf8-0xcfb: the reset control register answers byte accesses at
 * 0xcf9 alone; a double word at 0xcf8 is PCI's CONFIG_ADDRESS and must not be split into it. As
 * bus_add. */
int __must_check sysctl_attach(struct sysctl *sysctl, struct bus *ports);

/* Ports 0x92 and 0xcf9. */
uint8_t sysctl_read(struct sysctl *sysctl, uint16_t port);
void sysctl_write(struct sysctl *sysctl, uint16_t port, uint8_t value);

#endif
