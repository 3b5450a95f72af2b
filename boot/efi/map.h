/* The firmware's memory map, as GetMemoryMap gives it. Pure. */
#ifndef BOOT_EFI_MAP_H
#define BOOT_EFI_MAP_H

#include <efi/efi.h>

#include "lib/types.h"

struct efi_map {
	const uint8_t *data;
	uint64_t size;
	uint64_t descriptor_size; /* may be more than the structure that we know */
	uint32_t descriptor_version;
};

uint32_t efi_map_count(const struct efi_map *map);
EFI_MEMORY_DESCRIPTOR efi_map_get(const struct efi_map *map, uint32_t i);

/* What such memory is once boot services are left, as MB2_MEMORY_*, or 2: reserved. */
uint32_t efi_map_type(const EFI_MEMORY_DESCRIPTOR *descriptor);

/* Is every byte of [start, end) available once boot services are left? */
bool efi_map_is_available(const struct efi_map *map, uint64_t start, uint64_t end);

#endif
