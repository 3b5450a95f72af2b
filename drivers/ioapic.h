/* The host's I/O APICs: all inputs masked but the ISA interrupts that Carousel itself takes. */
#ifndef DRIVERS_IOAPIC_H
#define DRIVERS_IOAPIC_H

#include "drivers/acpi.h"

/* Maps the MADT's I/O APICs and masks all their inputs. Once, on the boot CPU, after space_init.
 * `madt` is kept by reference. -ENODEV when the MADT has none, -ENOMEM. */
int __must_check host_ioapic_init(const struct acpi_madt *madt);

/* Unmasks ISA interrupt `irq`, as the MADT's overrides wire it, to `vector` on the CPU `apic_id`.
 * -ENOENT when no I/O APIC has the input, -ERANGE for an APIC ID above 255. Boot CPU. */
int __must_check host_ioapic_route_isa(uint8_t irq, uint8_t vector, uint32_t apic_id);

#endif
