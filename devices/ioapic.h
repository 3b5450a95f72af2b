/* The I/O APIC: 24 pins, the 82093AA's registers, and the EOI register of version 0x20. All
 * functions are called with the VM's lock held. */
#ifndef DEVICES_IOAPIC_H
#define DEVICES_IOAPIC_H

#include "devices/lapic.h"

#define IOAPIC_DEFAULT_BASE 0xfec00000u
#define IOAPIC_MMIO_SIZE    0x1000u
#define IOAPIC_PINS         24u

struct ioapic {
	struct apic_bus *bus;        /* (i) */
	uint8_t select;              /* IOREGSEL */
	uint8_t id;                  /* 4 bits */
	uint32_t asserted;           /* by pin: the line's level */
	uint64_t redir[IOAPIC_PINS]; /* the redirection table */
};

/* The power-up state: ID 0, all pins masked, no line asserted. */
void ioapic_init(struct ioapic *ioapic, struct apic_bus *bus);

/* MMIO, with the signatures of struct bus_region: `offset` from the base. IOREGSEL may be accessed
 * in any size, the other registers as 32 bits at their place; other reads give 0, other writes
 * vanish. */
uint64_t ioapic_read(void *dev, uint64_t offset, unsigned size);
void ioapic_write(void *dev, uint64_t offset, unsigned size, uint64_t value);

/* The line at `pin` is asserted or not: as on the wire between a device and a pin whose entry has
 * the polarity that the firmware's tables tell, so the entry's polarity bit only says how to name
 * the two voltages. A pin that does not exist is ignored. */
void ioapic_set_pin(struct ioapic *ioapic, uint32_t pin, bool is_asserted);

/* Has the pin's last edge reached a local APIC that has not delivered it to its CPU yet? */
bool ioapic_is_edge_waiting(const struct ioapic *ioapic, uint32_t pin);

/* Can a pin still send a message that ends any halt (lapic_mode_ends_any_halt)? */
bool ioapic_can_end_any_halt(const struct ioapic *ioapic);

/* A local APIC has seen the EOI of a level-triggered vector: what apic_bus->eoi leads to. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

#endif
