/* Leaving boot services: 'UEFI specification', 'EFI_BOOT_SERVICES.ExitBootServices'. */
#include "boot/efi/exit.h"

/* Each attempt may find a map that a driver has changed since it was read. */
#define ATTEMPTS 8

/* Between here and the end the loader itself allocates a few pieces, and drivers may, too. */
#define SPARE_DESCRIPTORS 64u

EFI_STATUS efi_exit_buffer_size(EFI_BOOT_SERVICES *bs, uint64_t *size)
{
	UINTN map_size = 0, key, descriptor_size = 0;
	UINT32 version;
	EFI_STATUS status = bs->GetMemoryMap(&map_size, NULL, &key, &descriptor_size, &version);

	if (status != EFI_BUFFER_TOO_SMALL)
		return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
	*size = map_size + SPARE_DESCRIPTORS * descriptor_size;
	return EFI_SUCCESS;
}

EFI_STATUS efi_exit_read_map(EFI_BOOT_SERVICES *bs, struct efi_exit *leave, UINTN *key)
{
	UINTN size = leave->buffer_size, descriptor_size = 0;
	UINT32 version = 0;
	EFI_STATUS status = bs->GetMemoryMap(&size, leave->buffer, key, &descriptor_size, &version);

	if (EFI_ERROR(status))
		return status;
	if (size > leave->buffer_size || descriptor_size < sizeof(EFI_MEMORY_DESCRIPTOR))
		return EFI_DEVICE_ERROR;
	leave->map = (struct efi_map){.data = leave->buffer,
				      .size = size,
				      .descriptor_size = descriptor_size,
				      .descriptor_version = version};
	return EFI_SUCCESS;
}

EFI_STATUS efi_exit_boot_services(EFI_BOOT_SERVICES *bs, EFI_HANDLE image, struct efi_exit *leave)
{
	EFI_STATUS status = EFI_ABORTED;
	UINTN key;

	/* 'If MapKey is not current, ExitBootServices returns EFI_INVALID_PARAMETER': then only
	 * GetMemoryMap may be called before the next attempt. */
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		status = efi_exit_read_map(bs, leave, &key);
		if (EFI_ERROR(status))
			return status;
		status = bs->ExitBootServices(image, key);
		if (status != EFI_INVALID_PARAMETER)
			return status;
	}
	return status;
}
