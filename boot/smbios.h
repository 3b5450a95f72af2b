/* What firmware says of the machine by SMBIOS ('System Management BIOS (SMBIOS) Reference
 * Specification'), for the log. The tables count as untrusted bytes. Pure. */
#ifndef BOOT_SMBIOS_H
#define BOOT_SMBIOS_H

#include "lib/types.h"

#define SMBIOS_TEXT_MAX 160

/* Where the structures are. */
struct smbios_place {
	uint64_t hpa;
	uint32_t len;
};

/* Finds an entry point in the PC's area for it, `area` of `size` bytes: at a multiple of 16. */
bool smbios_find(const uint8_t *area, uint32_t size, struct smbios_place *place);

/* Maker and product, and the firmware's maker, version and date, as one text. False: the structures
 * say nothing of either. */
bool smbios_describe(const uint8_t *structures, uint32_t len, char *text, size_t size);

#endif
