/* carousel.efi: \EFI\BOOT\BOOTX64.EFI of a volume with \carousel\carousel.conf, or started from any
 * boot manager. Loads the hypervisor and its modules and hands over by Multiboot2. */
#include "boot/efi/console.h"
#include "boot/efi/loader.h"
#include "lib/printf.h"
#include "lib/string.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st); /* called by gnu-efi's crt0 */

void error(const char *fmt, ...)
{
	char text[EFI_CONFIG_ERROR_MAX + EFI_CONFIG_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	console_print("error: %s\n", text);
}

void error_at(const struct efi_config_file *from, const char *fmt, ...)
{
	char text[EFI_CONFIG_ERROR_MAX + EFI_CONFIG_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (from)
		error(LOADER_CONFIG ":%u: %s", from->line, text);
	else
		error("%s", text);
}

const char *status_text(EFI_STATUS status)
{
	static const struct {
		EFI_STATUS status;
		const char *text;
	} texts[] = {
		{EFI_NOT_FOUND, "there is no such file"},
		{EFI_OUT_OF_RESOURCES, "out of memory"},
		{EFI_BUFFER_TOO_SMALL, "a buffer is too small"},
		{EFI_BAD_BUFFER_SIZE, "the name is too long"},
		{EFI_INVALID_PARAMETER, "invalid parameter"},
		{EFI_UNSUPPORTED, "not supported"},
		{EFI_DEVICE_ERROR, "device error"},
		{EFI_NO_MEDIA, "no medium"},
		{EFI_MEDIA_CHANGED, "the medium has changed"},
		{EFI_VOLUME_CORRUPTED, "the file system is damaged"},
		{EFI_ACCESS_DENIED, "access denied"},
		{EFI_END_OF_FILE, "the file is shorter than it says"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "the firmware does not say why";
}

void *memory_take(struct loader *loader, uint32_t type, uint64_t size)
{
	EFI_PHYSICAL_ADDRESS address = GIB(4) - 1;
	UINTN pages = MAX(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE, 1ull);

	if (loader->taken_count == LOADER_TAKEN_MAX ||
	    EFI_ERROR(loader->bs->AllocatePages(AllocateMaxAddress, type, pages, &address)))
		return NULL;
	loader->taken[loader->taken_count++] = (struct pages){address, pages};
	return (void *)(uintptr_t)address;
}

/* Whoever boots next, from this firmware, finds it as it was. */
static void give_back(struct loader *loader)
{
	while (loader->taken_count) {
		const struct pages *taken = &loader->taken[--loader->taken_count];

		loader->bs->FreePages(taken->address, taken->count);
	}
	if (loader->place.count)
		loader->bs->FreePages(loader->place.address, loader->place.count);
	if (loader->root)
		loader->root->Close(loader->root);
}

/* Loads what the entry names, and enters it. Returns when that cannot be. */
static void start(struct loader *loader, const struct efi_config *config,
		  const struct efi_config_entry *entry)
{
	static struct file modules[EFI_CONFIG_MODULES_MAX];
	struct file hypervisor;
	struct efi_image image;

	if (!file_load(loader, &entry->hypervisor, LOADER_FILE_MAX, 0, &hypervisor) ||
	    !handover_prepare(loader, &hypervisor, &image))
		return;
	for (uint32_t i = 0; i < entry->module_count; i++)
		if (!file_load(loader, &config->module[entry->first_module + i], LOADER_FILE_MAX, 0,
			       &modules[i]))
			return;
	handover(loader, &image, &hypervisor, modules, entry->module_count);
}

/* True when the firmware is wished for; false after an error. */
static bool run(struct loader *loader)
{
	static struct efi_config config;
	struct file text;
	uint32_t chosen;

	if (!file_open_volume(loader) || !file_load(loader, NULL, LOADER_CONFIG_MAX, 1, &text))
		return false;
	if (efi_config_parse(&config, (char *)text.data, text.size)) {
		error(LOADER_CONFIG ":%u: %s", config.error_line, config.error);
		return false;
	}
	if (!menu_choose(&config, &chosen))
		return true;
	console_print("%s\n", config.entry[chosen].name);
	start(loader, &config, &config.entry[chosen]);
	return false;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
	static struct loader loader;
	bool is_wished;

	loader = (struct loader){.image = image, .st = st, .bs = st->BootServices};
	console_init(st);
	/* A menu may wait, and files take their time: the firmware's five minutes do not count. */
	loader.bs->SetWatchdogTimer(0, 0, 0, NULL);
	console_print("\n" LOADER_NAME ": Carousel's boot loader\n");
	is_wished = run(&loader);
	give_back(&loader);
	if (is_wished)
		return EFI_ABORTED;
	console_print("Press a key to go back to the firmware.\n");
	console_key(UINT32_MAX);
	return EFI_LOAD_ERROR;
}
