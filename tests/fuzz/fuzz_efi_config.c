/* carousel.conf, as carousel.efi reads it. */
#include "boot/efi/config.h"
#include "fuzz.h"

static struct efi_config config;

static void check_file(const struct efi_config_file *file, const char *text, size_t size)
{
	REQUIRE(file->path >= text && file->path + strlen(file->path) <= text + size);
	REQUIRE(*file->path && strlen(file->path) <= EFI_CONFIG_PATH_MAX);
	REQUIRE(!*file->words ||
		(file->words >= text && file->words + strlen(file->words) <= text + size));
	REQUIRE(file->line >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint32_t modules = 0;

	memcpy(text, data, size);
	text[size] = 'x'; /* the parser's own terminator goes here */
	if (efi_config_parse(&config, text, size)) {
		REQUIRE(config.error[0] && memchr(config.error, 0, sizeof(config.error)));
		free(text);
		return 0;
	}
	REQUIRE(config.entry_count >= 1 && config.entry_count <= EFI_CONFIG_ENTRIES_MAX);
	REQUIRE(config.chosen < config.entry_count);
	REQUIRE(config.timeout <= EFI_CONFIG_TIMEOUT_MAX ||
		config.timeout == EFI_CONFIG_TIMEOUT_NEVER);
	for (uint32_t i = 0; i < config.entry_count; i++) {
		check_file(&config.entry[i].hypervisor, text, size);
		REQUIRE(config.entry[i].first_module == modules);
		modules += config.entry[i].module_count;
	}
	REQUIRE(modules == config.module_count && modules <= EFI_CONFIG_MODULES_MAX);
	for (uint32_t i = 0; i < modules; i++)
		check_file(&config.module[i], text, size);
	free(text);
	return 0;
}
