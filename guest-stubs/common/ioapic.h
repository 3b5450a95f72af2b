/* The I/O APIC: index and window. */
#ifndef GUEST_STUBS_COMMON_IOAPIC_H
#define GUEST_STUBS_COMMON_IOAPIC_H

#include "guest-stubs/common/stub.h"

#define IOAPIC_BASE       0xfec00000ull
#define IOAPIC_SELECT     0x00
#define IOAPIC_WINDOW     0x10
#define IOAPIC_ID         0
#define IOAPIC_VERSION    1
#define IOAPIC_ENTRY(pin) (0x10 + 2 * (pin))
#define IOAPIC_MASKED     BIT(16)

static inline uint32_t ioapic_read(uint8_t index)
{
	*(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_SELECT) = index;
	return *(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_WINDOW);
}

static inline void ioapic_write(uint8_t index, uint32_t value)
{
	*(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_SELECT) = index;
	*(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_WINDOW) = value;
}

/* An edge-triggered fixed interrupt to one CPU. The low half is written last: it has the mask. */
static inline void ioapic_route(uint8_t pin, uint8_t vector, uint32_t apic_id)
{
	ioapic_write((uint8_t)(IOAPIC_ENTRY(pin) + 1), apic_id << 24);
	ioapic_write((uint8_t)IOAPIC_ENTRY(pin), vector);
}

static inline void ioapic_mask(uint8_t pin)
{
	ioapic_write((uint8_t)IOAPIC_ENTRY(pin), IOAPIC_MASKED);
}

#endif
