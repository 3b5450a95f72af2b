/* The firmware's memory map: 'UEFI specification', 'EFI_BOOT_SERVICES.GetMemoryMap', 'Memory Type
 * Usage after ExitBootServices'. */
#include "boot/efi/map.h"
#include "boot/mb2.h"
#include "lib/checked.h"
#include "lib/string.h"

uint32_t efi_map_count(const struct efi_map *map)
{
	if (map->descriptor_size < sizeof(EFI_MEMORY_DESCRIPTOR))
		return 0;
	return (uint32_t)(map->size / map->descriptor_size);
}

EFI_MEMORY_DESCRIPTOR efi_map_get(const struct efi_map *map, uint32_t i)
{
	EFI_MEMORY_DESCRIPTOR descriptor;

	memcpy(&descriptor, map->data + i * map->descriptor_size, sizeof(descriptor));
	return descriptor;
}

uint32_t efi_map_type(const EFI_MEMORY_DESCRIPTOR *descriptor)
{
	switch (descriptor->Type) {
	case EfiLoaderCode:
	case EfiLoaderData:
	case EfiBootServicesCode:
	case EfiBootServicesData:
	case EfiConventionalMemory:
		/* The firmware goes on using what is marked so. */
		return descriptor->Attribute & EFI_MEMORY_RUNTIME ? MB2_MEMORY_RESERVED
								  : MB2_MEMORY_AVAILABLE;
	case EfiUnusableMemory:
		return MB2_MEMORY_BAD;
	case EfiACPIReclaimMemory:
		return MB2_MEMORY_ACPI;
	case EfiACPIMemoryNVS:
		return MB2_MEMORY_NVS;
	default:
		return MB2_MEMORY_RESERVED;
	}
}

/* The end of the available piece that holds `address`, or `address` itself. */
static uint64_t available_end(const struct efi_map *map, uint64_t address)
{
	for (uint32_t i = 0; i < efi_map_count(map); i++) {
		EFI_MEMORY_DESCRIPTOR d = efi_map_get(map, i);
		uint64_t len;

		if (efi_map_type(&d) == MB2_MEMORY_AVAILABLE &&
		    checked_mul(d.NumberOfPages, PAGE_SIZE, &len) &&
		    range_is_inside(address, 1, d.PhysicalStart, len))
			return d.PhysicalStart + len;
	}
	return address;
}

bool efi_map_is_available(const struct efi_map *map, uint64_t start, uint64_t end)
{
	while (start < end) {
		uint64_t to = available_end(map, start);

		if (to <= start)
			return false;
		start = to;
	}
	return true;
}
