/* The PCI bus in the DSDT. For loader/ only. */
#ifndef LOADER_ACPI_PCI_H
#define LOADER_ACPI_PCI_H

#include "lib/types.h"

/* The AML of \_SB.PCI0. */
extern const uint8_t acpi_pci_aml[];
extern const uint32_t acpi_pci_aml_len;

#endif
