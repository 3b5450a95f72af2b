/* What firmware tells by ACPI and SMBIOS. */
#ifndef BOOT_FIRMWARE_H
#define BOOT_FIRMWARE_H

#include "boot/boot.h"

/* Fills boot->madt and boot->fadt, and says what is missing. On the boot tables, which reach all of
 * the first 4 GiB: nothing points at the tables afterwards. */
void firmware_read_acpi(struct boot *boot);

/* Logs the machine's and the firmware's names, where SMBIOS has them. On the boot tables. */
void firmware_tell_machine(const struct boot *boot);

#endif
