/* The ACPI tables that a guest finds from 0xe0000 on: RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET,
 * DSDT. Pure; for loader/ only. */
#ifndef LOADER_ACPI_H
#define LOADER_ACPI_H

#include "loader/load.h"

/* Writes all tables. 0; -EFAULT when there is no RAM, -ENOSPC when they do not fit in
 * GUEST_ACPI_SIZE. */
int __must_check acpi_build(const struct guest_shape *shape, const struct gmem *gmem);

#endif
