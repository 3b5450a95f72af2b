/* What the readers of the ACPI tables share. Not for others than drivers/acpi*.c. */
#ifndef DRIVERS_ACPI_INTERNAL_H
#define DRIVERS_ACPI_INTERNAL_H

#include "drivers/acpi.h"

#define REMEDY "update the firmware"

/* The table at `hpa` when all of it can be trusted to be there and unharmed, else NULL. */
const struct acpi_header *acpi_check_table(const struct acpi_memory *memory, uint64_t hpa);

#endif
