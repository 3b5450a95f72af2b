/* The Multiboot2 information structure: one pass over the tags, each checked against its own size
 * and the structure's. Strings and maps stay where they are; numbers are copied out once. */
#include <efi/efi.h>

#include "boot/mb2.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"

#define SMBIOS_TAG_SIZE 16u /* version and padding; the structures follow */

struct tag_framebuffer {
	struct mb2_tag tag;
	uint64_t address;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
	uint16_t reserved; /* colour information follows */
} __packed;

struct fb_rgb {
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

/* A known tag: what it holds at the least, and who reads it. False: its contents are malformed. */
struct tag_kind {
	uint32_t min_size;
	const char *name;
	bool (*read)(struct mb2 *mb2, const uint8_t *tag, uint32_t size);
};

/* The terminated string behind `offset` bytes of the tag, or NULL. */
static const char *tag_string(const uint8_t *tag, uint32_t size, uint32_t offset)
{
	return memchr(tag + offset, '\0', size - offset) ? (const char *)tag + offset : NULL;
}

static bool read_cmdline(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	const char *text = tag_string(tag, size, sizeof(struct mb2_tag));

	if (text)
		mb2->cmdline = text;
	return text;
}

static bool read_loader_name(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	const char *text = tag_string(tag, size, sizeof(struct mb2_tag));

	if (text)
		mb2->loader_name = text;
	return text;
}

static bool read_module(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	const char *text = tag_string(tag, size, sizeof(struct mb2_tag_module));
	struct mb2_tag_module m;

	memcpy(&m, tag, sizeof(m));
	if (!text || m.end < m.start || mb2->module_count == MB2_MODULES_MAX) {
		mb2->modules_left_out++;
		return text && m.end >= m.start;
	}
	mb2->module[mb2->module_count++] =
		(struct mb2_module){.start = m.start, .end = m.end, .string = text};
	return true;
}

/* Both kinds of memory map begin alike: the size of an entry, a version, the entries. A remainder
 * that is shorter than an entry is not one. */
static bool read_entries(struct mb2_entries *entries, const uint8_t *tag, uint32_t size,
			 uint32_t min_entry)
{
	struct mb2_tag_mmap m;

	memcpy(&m, tag, sizeof(m));
	if (m.entry_size < min_entry)
		return false;
	*entries = (struct mb2_entries){.data = tag + sizeof(m),
					.entry_size = m.entry_size,
					.count = (size - (uint32_t)sizeof(m)) / m.entry_size};
	return true;
}

static bool read_mmap(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	return read_entries(&mb2->mmap, tag, size, sizeof(struct mb2_mmap_entry));
}

static bool read_efi_mmap(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	return read_entries(&mb2->efi_mmap, tag, size, sizeof(EFI_MEMORY_DESCRIPTOR));
}

static bool is_colour_inside(uint8_t pos, uint8_t size, uint8_t bpp)
{
	return pos + size <= bpp;
}

static bool read_framebuffer(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	struct tag_framebuffer t;
	struct fb_rgb rgb = {0};
	uint64_t bits_a_line, end;

	memcpy(&t, tag, sizeof(t));
	if (t.type == MB2_FB_RGB) {
		if (size < sizeof(t) + sizeof(rgb))
			return false;
		memcpy(&rgb, tag + sizeof(t), sizeof(rgb));
		if (!is_colour_inside(rgb.red_pos, rgb.red_size, t.bpp) ||
		    !is_colour_inside(rgb.green_pos, rgb.green_size, t.bpp) ||
		    !is_colour_inside(rgb.blue_pos, rgb.blue_size, t.bpp))
			return false;
	}
	/* EGA text: width and height are characters, of two bytes each. */
	bits_a_line = (uint64_t)t.width * (t.type == MB2_FB_EGA_TEXT ? 16 : t.bpp);
	if (t.type > MB2_FB_EGA_TEXT || !t.address || !t.width || !t.height || !t.bpp ||
	    bits_a_line > (uint64_t)t.pitch * 8 ||
	    !checked_add(t.address, (uint64_t)t.pitch * t.height, &end))
		return false;
	mb2->has_framebuffer = true;
	mb2->framebuffer = (struct mb2_framebuffer){
		.address = t.address,
		.pitch = t.pitch,
		.width = t.width,
		.height = t.height,
		.bpp = t.bpp,
		.type = t.type,
		.red_pos = rgb.red_pos,
		.red_size = rgb.red_size,
		.green_pos = rgb.green_pos,
		.green_size = rgb.green_size,
		.blue_pos = rgb.blue_pos,
		.blue_size = rgb.blue_size,
	};
	return true;
}

/* The tag with the longer root pointer, that of ACPI 2.0 and later, counts, whatever their order.
 */
static bool read_rsdp(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	uint32_t len = size - (uint32_t)sizeof(struct mb2_tag);

	if (len > mb2->rsdp_len) {
		mb2->rsdp = tag + sizeof(struct mb2_tag);
		mb2->rsdp_len = len;
	}
	return true;
}

static bool read_smbios(struct mb2 *mb2, const uint8_t *tag, uint32_t size)
{
	mb2->smbios = tag + SMBIOS_TAG_SIZE;
	mb2->smbios_len = size - SMBIOS_TAG_SIZE;
	return true;
}

/* The least sizes of the root pointer: 'Root System Description Pointer (RSDP)'. */
#define RSDP_V1_SIZE 20u
#define RSDP_V2_SIZE 36u

static const struct tag_kind tag_kinds[] = {
	[MB2_TAG_CMDLINE] = {sizeof(struct mb2_tag) + 1, "command line", read_cmdline},
	[MB2_TAG_LOADER_NAME] = {sizeof(struct mb2_tag) + 1, "boot loader name", read_loader_name},
	[MB2_TAG_MODULE] = {sizeof(struct mb2_tag_module) + 1, "module", read_module},
	[MB2_TAG_MMAP] = {sizeof(struct mb2_tag_mmap), "memory map", read_mmap},
	[MB2_TAG_FRAMEBUFFER] = {sizeof(struct tag_framebuffer), "framebuffer", read_framebuffer},
	[MB2_TAG_SMBIOS] = {SMBIOS_TAG_SIZE, "SMBIOS", read_smbios},
	[MB2_TAG_ACPI_OLD] = {sizeof(struct mb2_tag) + RSDP_V1_SIZE, "ACPI old RSDP", read_rsdp},
	[MB2_TAG_ACPI_NEW] = {sizeof(struct mb2_tag) + RSDP_V2_SIZE, "ACPI new RSDP", read_rsdp},
	[MB2_TAG_EFI_MMAP] = {sizeof(struct mb2_tag_mmap), "EFI memory map", read_efi_mmap},
};

static void read_tag(struct mb2 *mb2, struct log_limit *limit, const uint8_t *tag,
		     const struct mb2_tag *head)
{
	const struct tag_kind *kind;

	if (head->type >= ARRAY_SIZE(tag_kinds) || !tag_kinds[head->type].read)
		return;
	kind = &tag_kinds[head->type];
	if (head->size >= kind->min_size && kind->read(mb2, tag, head->size))
		return;
	if (head->type == MB2_TAG_MODULE && head->size < kind->min_size)
		mb2->modules_left_out++;
	log_limited(
		limit,
		"Multiboot2: the %s tag (%u bytes) is malformed and left out; the boot loader '%s' "
		"made it: try another version of it",
		kind->name, head->size, mb2->loader_name);
}

static int mb2_refuse(const char *what, uint64_t value)
{
	log_error("Multiboot2: the information structure %s (0x%llx): boot with GRUB's "
		  "'multiboot2' command or another loader that follows the specification",
		  what, (unsigned long long)value);
	return -EINVAL;
}

int mb2_parse(struct mb2 *mb2, const void *info, uint64_t available)
{
	const uint8_t *bytes = info;
	struct log_limit limit = {0};
	struct mb2_info_header header;
	struct mb2_tag head;
	uint64_t at = sizeof(header);

	memset(mb2, 0, sizeof(*mb2));
	mb2->cmdline = mb2->loader_name = "";
	if (!info || !IS_ALIGNED((uintptr_t)info, MB2_TAG_ALIGN))
		return mb2_refuse("is not at a multiple of 8", (uintptr_t)info);
	if (available < sizeof(header))
		return mb2_refuse("does not lie in memory", (uintptr_t)info);
	memcpy(&header, info, sizeof(header));
	if (header.total_size < sizeof(header) + sizeof(head) || header.total_size > available)
		return mb2_refuse("has an impossible total_size", header.total_size);
	mb2->info = bytes;
	mb2->size = header.total_size;
	for (;;) {
		if (!range_is_inside(at, sizeof(head), 0, mb2->size))
			return mb2_refuse("has no end tag; it ends at byte", mb2->size);
		memcpy(&head, bytes + at, sizeof(head));
		if (head.size < sizeof(head) || !range_is_inside(at, head.size, 0, mb2->size))
			return mb2_refuse("has a tag with an impossible size at byte", at);
		if (head.type == MB2_TAG_END)
			break;
		read_tag(mb2, &limit, bytes + at, &head);
		at = ALIGN_UP(at + head.size, (uint64_t)MB2_TAG_ALIGN);
	}
	if (mb2->modules_left_out)
		log_warn("Multiboot2: %u modules are left out: at most %u can be given, with a "
			 "terminated command line each",
			 mb2->modules_left_out, MB2_MODULES_MAX);
	return 0;
}

struct mb2_range mb2_mmap_entry(const struct mb2_entries *mmap, uint32_t i)
{
	struct mb2_mmap_entry e;

	memcpy(&e, mmap->data + (uint64_t)i * mmap->entry_size, sizeof(e));
	return (struct mb2_range){.start = e.base, .len = e.length, .type = e.type};
}

struct mb2_range mb2_efi_entry(const struct mb2_entries *efi_mmap, uint32_t i)
{
	EFI_MEMORY_DESCRIPTOR e;
	struct mb2_range range;

	memcpy(&e, efi_mmap->data + (uint64_t)i * efi_mmap->entry_size, sizeof(e));
	range = (struct mb2_range){.start = e.PhysicalStart, .type = e.Type};
	/* The firmware goes on using what is marked so, whatever its type. */
	if (e.Attribute & EFI_MEMORY_RUNTIME)
		range.type = EfiReservedMemoryType;
	if (!checked_mul(e.NumberOfPages, PAGE_SIZE, &range.len))
		range.len = UINT64_MAX;
	return range;
}

/* One entry in the terms of mb2_memmap: is it RAM that may be handed out? */
static struct mb2_range memmap_entry(const struct mb2 *mb2, uint32_t i, bool *is_usable)
{
	struct mb2_range range;

	if (mb2->mmap.data) {
		range = mb2_mmap_entry(&mb2->mmap, i);
		*is_usable = range.type == MB2_MEMORY_AVAILABLE;
	} else {
		range = mb2_efi_entry(&mb2->efi_mmap, i);
		/* RAM for anybody once the loader has left boot services. */
		*is_usable = (range.type >= EfiLoaderCode && range.type <= EfiBootServicesData) ||
			     range.type == EfiConventionalMemory;
	}
	/* One that wraps is cut at the end of the address space: it matters when it is reserved. */
	range.len = MIN(range.len, UINT64_MAX - range.start);
	return range;
}

int mb2_memmap(const struct mb2 *mb2, struct memmap *map)
{
	uint32_t count = mb2->mmap.data ? mb2->mmap.count : mb2->efi_mmap.count;
	bool is_usable;
	int err = 0;

	memmap_init(map);
	if (!count) {
		log_error("Multiboot2: the boot loader gave no memory map: boot with GRUB's "
			  "'multiboot2' command");
		return -ENOENT;
	}
	for (uint32_t i = 0; i < count && !err; i++) {
		struct mb2_range range = memmap_entry(mb2, i, &is_usable);

		if (is_usable && range.len)
			err = memmap_add(map, range.start, range.len);
	}
	for (uint32_t i = 0; i < count && !err; i++) {
		struct mb2_range range = memmap_entry(mb2, i, &is_usable);

		if (!is_usable && range.len)
			err = memmap_remove(map, range.start, range.len);
	}
	if (err) {
		log_error("Multiboot2: the memory map has more than %u separate pieces of RAM: "
			  "update the firmware",
			  MEMMAP_MAX);
		return err;
	}
	memmap_trim_to_pages(map);
	return 0;
}
