/* What the boot has found out and set up, for whoever runs afterwards. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "boot/mb2.h"
#include "drivers/acpi.h"
#include "lib/tsc.h"
#include "loader/config.h"
#include "mm/memmap.h"

/* All written by the boot CPU before the others run carousel's code, and (i) from then on. */
struct boot {
	struct mb2 mb2;
	struct boot_module module[MB2_MODULES_MAX]; /* mb2's, as the loader wants them */
	struct config config;
	struct memmap ram;  /* all RAM, what is reserved included */
	struct memmap free; /* what the page allocator was given */
	bool has_madt, has_fadt;
	struct acpi_madt madt;
	struct acpi_fadt fadt;
	struct tsc_rate tsc;
};

/* Writes `end: status N: why`, flushes the console and ends the machine as end= says. 0: all is
 * well, 2: bad input or machine, 3: the hypervisor failed. Any pCPU; all must be out of VMX
 * operation. */
void boot_end(uint8_t status, const char *why) __noreturn;

/* What runs once the machine is ours: on the boot CPU with interrupts on and every pCPU online. */
void carousel_main(const struct boot *boot) __noreturn;

/* What every other pCPU runs as soon as it is online, interrupts off; the boot CPU may still be
 * starting others. */
void boot_ap_main(void) __noreturn;

#endif
