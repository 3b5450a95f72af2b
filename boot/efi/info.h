/* Writes the Multiboot2 information structure ('Multiboot2 specification', 'Boot information
 * format'), tag by tag. Pure. */
#ifndef BOOT_EFI_INFO_H
#define BOOT_EFI_INFO_H

#include "boot/efi/map.h"
#include "boot/mb2.h"

struct info {
	uint8_t *bytes; /* at a multiple of 8 */
	uint32_t size, used;
	bool is_full; /* something did not fit: the structure is of no use */
};

/* No tag takes more than its text, tables or map, and this. */
#define INFO_TAG_MAX            UINT64_C(64)
/* A memory map of so many bytes takes at most as many in each of its two forms. */
#define INFO_MAPS_MAX(map_size) (2 * (map_size) + 2 * INFO_TAG_MAX)

void info_begin(struct info *info, void *bytes, uint32_t size);

void info_text(struct info *info, uint32_t type,
	       const char *text); /* MB2_TAG_CMDLINE, _LOADER_NAME */
void info_module(struct info *info, uint32_t start, uint32_t end, const char *text);
void info_framebuffer(struct info *info, const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode);

/* The root pointer; it says itself how long it is, and whether it is of the old or the new kind. */
void info_rsdp(struct info *info, const void *rsdp);

void info_smbios(struct info *info, uint8_t major, uint8_t minor, const void *tables, uint32_t len);

/* The map in both forms: Multiboot's own, neighbours of a kind joined, and EFI's as it is. */
void info_maps(struct info *info, const struct efi_map *map);

/* Ends the structure. False when something did not fit. */
bool __must_check info_end(struct info *info);

#endif
