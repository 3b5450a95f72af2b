/* From the loaded files to the hypervisor's entry: the information structure, the end of boot
 * services, the jump. */
#include "boot/efi/console.h"
#include "boot/efi/exit.h"
#include "boot/efi/handover.h"
#include "boot/efi/loader.h"
#include "lib/checked.h"
#include "lib/string.h"

extern const uint8_t handover_start[], handover_end[]; /* handover.S */

/* '32-bit code, flat' and '32-bit data, flat' ('Segment Descriptors'). */
#define DESC_CODE32 0x00cf9b000000ffffull
#define DESC_DATA   0x00cf93000000ffffull

bool handover_prepare(struct loader *loader, const struct file *hypervisor, struct efi_image *image)
{
	const char *wrong = efi_image_read(image, hypervisor->data, hypervisor->size);
	EFI_PHYSICAL_ADDRESS address;
	UINTN pages;

	if (wrong) {
		error_at(hypervisor->from, "%s %s", hypervisor->from->path, wrong);
		return false;
	}
	/* So that nothing of ours comes to lie there. The firmware may have something there that it
	 * needs until boot services are left: is_place_free looks. */
	address = ALIGN_DOWN(image->start, PAGE_SIZE);
	pages = (ALIGN_UP((uint64_t)image->end, PAGE_SIZE) - address) / PAGE_SIZE;
	if (!EFI_ERROR(loader->bs->AllocatePages(AllocateAddress, EfiLoaderData, pages, &address)))
		loader->place = (struct pages){address, pages};
	return true;
}

/* Where the hypervisor is to run, is there memory, and nothing of ours on it? */
static bool is_place_free(struct loader *loader, const struct efi_image *image,
			  const struct efi_map *map)
{
	uint64_t size = image->end - image->start;
	bool is_free = efi_map_is_available(map, image->start, image->end) &&
		       !range_is_overlapping((uintptr_t)loader->self->ImageBase,
					     loader->self->ImageSize, image->start, size);

	for (uint32_t i = 0; i < loader->taken_count; i++) {
		const struct pages *taken = &loader->taken[i];

		is_free = is_free && !range_is_overlapping(taken->address, taken->count * PAGE_SIZE,
							   image->start, size);
	}
	if (!is_free)
		error("the memory at %#x to %#x, where the hypervisor runs, is not free: try GRUB",
		      image->start, image->end);
	return is_free;
}

static uint32_t info_size(struct loader *loader, const struct file *hypervisor,
			  const struct file *modules, uint32_t module_count, uint64_t map_size)
{
	uint64_t size = 4 * INFO_TAG_MAX + strlen(hypervisor->from->words) + firmware_size(loader) +
			INFO_MAPS_MAX(map_size);

	for (uint32_t i = 0; i < module_count; i++)
		size += INFO_TAG_MAX + strlen(modules[i].from->words);
	return (uint32_t)size;
}

static void fill_info(struct loader *loader, struct info *info, const struct file *hypervisor,
		      const struct file *modules, uint32_t module_count)
{
	info_text(info, MB2_TAG_CMDLINE, hypervisor->from->words);
	info_text(info, MB2_TAG_LOADER_NAME, LOADER_NAME);
	for (uint32_t i = 0; i < module_count; i++) {
		uint32_t start = (uint32_t)(uintptr_t)modules[i].data;

		info_module(info, start, start + (uint32_t)modules[i].size, modules[i].from->words);
	}
	firmware_describe(loader, info);
}

static void fill_page(uint8_t *page, const struct efi_image *image, const struct file *hypervisor,
		      const struct info *info)
{
	struct handover h = {
		.gdt_limit = sizeof(h.gdt) - 1,
		.gdt_base = (uintptr_t)page + offsetof(struct handover, gdt),
		.entry = image->entry,
		.info = (uint32_t)(uintptr_t)info->bytes,
		.copy_count = image->segment_count,
		.gdt = {0, DESC_CODE32, DESC_DATA},
	};

	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct efi_segment *s = &image->segment[i];

		h.copy[i] = (struct handover_copy){
			.from = (uint32_t)(uintptr_t)hypervisor->data + s->offset,
			.to = s->to,
			.file_size = s->file_size,
			.zero_size = s->zero_size,
		};
	}
	memcpy(page, &h, sizeof(h));
	memcpy(page + HANDOVER_CODE, handover_start, (size_t)(handover_end - handover_start));
}

/* All memory that is needed until the end, taken before the last memory map. */
struct last_memory {
	uint8_t *page;
	struct info info;
	struct efi_exit leave;
};

static bool take_memory(struct loader *loader, struct last_memory *last,
			const struct file *hypervisor, const struct file *modules,
			uint32_t module_count)
{
	EFI_STATUS status = efi_exit_buffer_size(loader->bs, &last->leave.buffer_size);
	void *info;
	uint32_t size;

	if (EFI_ERROR(status)) {
		error("the memory map cannot be read (%s)", status_text(status));
		return false;
	}
	size = info_size(loader, hypervisor, modules, module_count, last->leave.buffer_size);
	last->leave.buffer = memory_take(loader, EfiLoaderData, last->leave.buffer_size);
	info = memory_take(loader, EfiLoaderData, size);
	last->page = memory_take(loader, EfiLoaderCode, HANDOVER_PAGE_SIZE);
	if (!last->leave.buffer || !info || !last->page) {
		error("there is not enough memory below 4 GiB");
		return false;
	}
	info_begin(&last->info, info, size);
	return true;
}

void handover(struct loader *loader, const struct efi_image *image, const struct file *hypervisor,
	      const struct file *modules, uint32_t module_count)
{
	struct last_memory last;
	EFI_STATUS status;
	UINTN key;

	if (!take_memory(loader, &last, hypervisor, modules, module_count))
		return;
	status = efi_exit_read_map(loader->bs, &last.leave, &key);
	if (EFI_ERROR(status)) {
		error("the memory map cannot be read (%s)", status_text(status));
		return;
	}
	if (!is_place_free(loader, image, &last.leave.map))
		return;
	fill_info(loader, &last.info, hypervisor, modules, module_count);
	if (last.info.is_full) {
		error("the firmware's tables are larger than they said");
		return;
	}
	console_print("starting %s with %u modules\n", hypervisor->from->path, module_count);
	status = efi_exit_boot_services(loader->bs, loader->image, &last.leave);
	if (EFI_ERROR(status)) {
		error("boot services cannot be left (%s)", status_text(status));
		return;
	}
	/* The firmware's services are gone: from here on nothing can be said. It was sized so that
	 * the maps fit. */
	info_maps(&last.info, &last.leave.map);
	if (info_end(&last.info)) {
		fill_page(last.page, image, hypervisor, &last.info);
		((void (*)(void *))(uintptr_t)(last.page + HANDOVER_CODE))(last.page);
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}
