/* Files of the volume that carousel.efi was started from. */
#include "boot/efi/console.h"
#include "boot/efi/loader.h"
#include "lib/checked.h"
#include "lib/string.h"

/* Read in pieces, so that the progress line moves; and some firmware does not like large ones. */
#define PIECE MIB(4)

static EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;
static EFI_GUID file_system_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;

bool file_open_volume(struct loader *loader)
{
	EFI_FILE_IO_INTERFACE *volume;
	EFI_STATUS status = loader->bs->HandleProtocol(loader->image, &loaded_image_guid,
						       (void **)&loader->self);

	if (!EFI_ERROR(status))
		status = loader->bs->HandleProtocol(loader->self->DeviceHandle, &file_system_guid,
						    (void **)&volume);
	if (!EFI_ERROR(status))
		status = volume->OpenVolume(volume, &loader->root);
	if (EFI_ERROR(status))
		error("the volume that " LOADER_NAME " was started from cannot be read (%s)",
		      status_text(status));
	return !EFI_ERROR(status);
}

/* From the root of the volume, as the firmware wants it. False when it is too long. */
static bool full_path(const char *path, CHAR16 *wide, size_t size)
{
	const char *parts[2] = {*path == '\\' ? "" : LOADER_FOLDER, path};
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		for (const char *p = parts[i]; *p; p++) {
			if (n == size - 1)
				return false;
			wide[n++] = (uint8_t)*p;
		}
	wide[n] = 0;
	return true;
}

/* 'EFI_FILE_PROTOCOL.SetPosition': all ones is the end of the file, and a folder has none. */
static EFI_STATUS find_size(EFI_FILE_HANDLE handle, uint64_t *size)
{
	EFI_STATUS status = handle->SetPosition(handle, UINT64_MAX);

	if (!EFI_ERROR(status))
		status = handle->GetPosition(handle, size);
	if (!EFI_ERROR(status))
		status = handle->SetPosition(handle, 0);
	return status;
}

static EFI_STATUS read_all(EFI_FILE_HANDLE handle, const char *path, struct file *file)
{
	uint64_t at = 0;

	while (at < file->size) {
		UINTN n = MIN(PIECE, file->size - at);
		EFI_STATUS status = handle->Read(handle, &n, file->data + at);

		if (EFI_ERROR(status))
			return status;
		if (!n)
			return EFI_END_OF_FILE;
		at += n;
		if (at < file->size)
			console_print("%s: %llu of %llu KiB\r", path, (unsigned long long)at >> 10,
				      (unsigned long long)file->size >> 10);
	}
	console_print("%s: %llu KiB                    \n", path,
		      (unsigned long long)(file->size + 1023) >> 10);
	return EFI_SUCCESS;
}

static bool load_open(struct loader *loader, EFI_FILE_HANDLE handle, const char *path,
		      uint64_t size_max, uint64_t spare, struct file *file)
{
	EFI_STATUS status = find_size(handle, &file->size);

	if (status == EFI_UNSUPPORTED) {
		error_at(file->from, "%s is a folder", path);
		return false;
	}
	if (!EFI_ERROR(status) && file->size > size_max) {
		error_at(file->from, "%s is too large: %llu KiB", path,
			 (unsigned long long)file->size >> 10);
		return false;
	}
	if (!EFI_ERROR(status)) {
		file->data = memory_take(loader, EfiLoaderData, file->size + spare);
		if (!file->data) {
			error_at(file->from,
				 "there is not enough memory below 4 GiB for %s (%llu KiB)", path,
				 (unsigned long long)file->size >> 10);
			return false;
		}
		status = read_all(handle, path, file);
	}
	if (EFI_ERROR(status))
		error_at(file->from, "%s cannot be read (%s)", path, status_text(status));
	return !EFI_ERROR(status);
}

bool file_load(struct loader *loader, const struct efi_config_file *from, uint64_t size_max,
	       uint64_t spare, struct file *file)
{
	const char *path = from ? from->path : LOADER_CONFIG;
	CHAR16 wide[EFI_CONFIG_PATH_MAX + sizeof(LOADER_FOLDER)];
	EFI_FILE_HANDLE handle;
	EFI_STATUS status;
	bool is_good;

	*file = (struct file){.from = from};
	status = full_path(path, wide, ARRAY_SIZE(wide))
			 ? loader->root->Open(loader->root, &handle, wide, EFI_FILE_MODE_READ, 0)
			 : EFI_BAD_BUFFER_SIZE;
	if (EFI_ERROR(status)) {
		error_at(from, "%s cannot be opened (%s)", path, status_text(status));
		return false;
	}
	is_good = load_open(loader, handle, path, size_max, spare, file);
	handle->Close(handle);
	return is_good;
}
