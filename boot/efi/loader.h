/* The parts of carousel.efi that talk to the firmware, and what they share. */
#ifndef BOOT_EFI_LOADER_H
#define BOOT_EFI_LOADER_H

#include "boot/efi/config.h"
#include "boot/efi/image.h"
#include "boot/efi/info.h"

#define LOADER_NAME       "carousel.efi"
#define LOADER_FOLDER     "\\carousel\\"
#define LOADER_CONFIG     LOADER_FOLDER "carousel.conf"
#define LOADER_CONFIG_MAX MIB(1)       /* more is no configuration */
#define LOADER_FILE_MAX   (GIB(4) - 1) /* what Multiboot2 can tell of */

#define LOADER_TAKEN_MAX (EFI_CONFIG_MODULES_MAX + 8)

struct pages {
	EFI_PHYSICAL_ADDRESS address;
	UINTN count;
};

struct loader {
	EFI_HANDLE image;
	EFI_SYSTEM_TABLE *st;
	EFI_BOOT_SERVICES *bs;
	EFI_LOADED_IMAGE *self; /* where this loader is */
	EFI_FILE_HANDLE root;   /* of the volume that it was started from */
	struct pages place;     /* where the hypervisor is to run, if it could be had */
	struct pages taken[LOADER_TAKEN_MAX]; /* by memory_take */
	uint32_t taken_count;
};

/* A file in memory of its own, below 4 GiB, in whole pages. */
struct file {
	const struct efi_config_file *from;
	uint8_t *data;
	uint64_t size;
};

/* The steps of the way, in their order. False: the message is out, with file and line where there
 * is one. */

/* The volume that this program was started from. */
bool file_open_volume(struct loader *loader);

/* Reads a whole file, with a line that shows how far it is, into pages with `spare` bytes behind
 * it. `from` NULL: the configuration. */
bool file_load(struct loader *loader, const struct efi_config_file *from, uint64_t size_max,
	       uint64_t spare, struct file *file);

/* Shows the entries and takes one of them into *chosen. False, without a message: the firmware is
 * wished for. */
bool menu_choose(const struct efi_config *config, uint32_t *chosen);

/* ACPI, SMBIOS and the screen. */
void firmware_describe(struct loader *loader, struct info *info);
/* How many bytes firmware_describe may need. */
uint64_t firmware_size(struct loader *loader);

/* Reads the hypervisor's headers and reserves the place where it is to run, before anything else is
 * loaded there. */
bool handover_prepare(struct loader *loader, const struct file *hypervisor,
		      struct efi_image *image);

/* Builds the information structure, leaves boot services, and enters the hypervisor. Returns only
 * when that cannot be, with the message out. */
void handover(struct loader *loader, const struct efi_image *image, const struct file *hypervisor,
	      const struct file *modules, uint32_t module_count);

/* Pages below 4 GiB; NULL when there are none. `type` is an EFI_MEMORY_TYPE. */
void *memory_take(struct loader *loader, uint32_t type, uint64_t size);

void error(const char *fmt, ...) __printf_like(1, 2);
void error_at(const struct efi_config_file *from, const char *fmt, ...) __printf_like(2, 3);
/* What a status means, in a word or two. */
const char *status_text(EFI_STATUS status);

#endif
