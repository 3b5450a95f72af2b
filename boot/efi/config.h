/* carousel.conf, the configuration of carousel.efi: a menu of entries, each with a hypervisor and
 * its modules, in GRUB's words. The text counts as untrusted bytes. Pure. */
#ifndef BOOT_EFI_CONFIG_H
#define BOOT_EFI_CONFIG_H

#include "boot/mb2.h"
#include "lib/types.h"

#define EFI_CONFIG_ENTRIES_MAX   16
#define EFI_CONFIG_MODULES_MAX   MB2_MODULES_MAX /* of all entries together */
#define EFI_CONFIG_PATH_MAX      255
#define EFI_CONFIG_TIMEOUT_MAX   3600
#define EFI_CONFIG_TIMEOUT_NEVER UINT32_MAX
#define EFI_CONFIG_TIMEOUT       3
#define EFI_CONFIG_ERROR_MAX     160

/* A file and the words behind it. */
struct efi_config_file {
	const char *path;  /* with backslashes; from the volume's root when it begins with one, */
			   /* otherwise from the folder of the configuration */
	const char *words; /* the rest of the line as it is; "" when there is none */
	uint32_t line;
};

struct efi_config_entry {
	const char *name;
	uint32_t line;
	struct efi_config_file hypervisor;
	uint32_t first_module, module_count;
};

struct efi_config {
	uint32_t timeout; /* seconds; 0: no menu; or EFI_CONFIG_TIMEOUT_NEVER */
	uint32_t chosen;  /* the entry that the timeout takes */
	uint32_t entry_count, module_count;
	struct efi_config_entry entry[EFI_CONFIG_ENTRIES_MAX];
	struct efi_config_file module[EFI_CONFIG_MODULES_MAX];
	/* Why it cannot be used, and in which line. */
	char error[EFI_CONFIG_ERROR_MAX];
	uint32_t error_line;
};

/* Parses `text`, of `size` bytes and one more that may be written. The text is cut into strings to
 * which `config` points: it must stay. 0; or -EINVAL with error and error_line. */
int __must_check efi_config_parse(struct efi_config *config, char *text, size_t size);

#endif
