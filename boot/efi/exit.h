/* Leaving boot services. Pure: the firmware is a table of functions. */
#ifndef BOOT_EFI_EXIT_H
#define BOOT_EFI_EXIT_H

#include "boot/efi/map.h"

/* The last memory map: a buffer that is large enough for a map that has grown meanwhile. */
struct efi_exit {
	void *buffer;
	uint64_t buffer_size;
	struct efi_map map; /* of efi_exit_boot_services */
};

/* How large the buffer should be. */
EFI_STATUS efi_exit_buffer_size(EFI_BOOT_SERVICES *bs, uint64_t *size);

/* Reads the memory map as it is now into the buffer. */
EFI_STATUS efi_exit_read_map(EFI_BOOT_SERVICES *bs, struct efi_exit *leave, UINTN *key);

/* Leaves boot services, with the map as it was then. On an error they are there still, but parts
 * may have been shut down. */
EFI_STATUS efi_exit_boot_services(EFI_BOOT_SERVICES *bs, EFI_HANDLE image, struct efi_exit *leave);

#endif
