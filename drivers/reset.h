/* How the machine ends. */
#ifndef DRIVERS_RESET_H
#define DRIVERS_RESET_H

#include "drivers/acpi.h"

enum machine_end {
	MACHINE_POWEROFF, /* ACPI S5 */
	MACHINE_RESET, /* ACPI's register, port 0xcf9, the 8042, a triple fault: what works first */
	MACHINE_HALT,
	MACHINE_BOCHS,      /* Bochs: its magic break, then its shutdown port */
	MACHINE_DEBUG_EXIT, /* QEMU: the status to isa-debug-exit */
};

/* What ACPI knows of power-off and reset, NULL: nothing; maps what needs mapping. `fadt` is kept by
 * reference. On the boot CPU, after space_init. */
void machine_end_init(const struct acpi_fadt *fadt);

/* Ends the machine; halts this pCPU when it does not end. The log must have been flushed.
 * Interrupts are switched off; the other pCPUs must be out of VMX operation before a reset. */
void machine_end(enum machine_end how, uint8_t status) __noreturn;

#endif
