/* The Multiboot2 information structure: see info.h. boot/mb2.c reads it. */
#include "boot/efi/info.h"
#include "lib/checked.h"
#include "lib/string.h"

#define INFO_ALIGN  8u
#define HEADER_SIZE 8u /* total_size, reserved */

static void put(struct info *info, const void *data, uint32_t len)
{
	if (info->is_full || !range_is_inside(info->used, len, 0, info->size)) {
		info->is_full = true;
		return;
	}
	memcpy(info->bytes + info->used, data, len);
	info->used += len;
}

static void put32(struct info *info, uint32_t value)
{
	put(info, &value, sizeof(value));
}

static void put64(struct info *info, uint64_t value)
{
	put(info, &value, sizeof(value));
}

static void set32(struct info *info, uint32_t at, uint32_t value)
{
	if (!info->is_full)
		memcpy(info->bytes + at, &value, sizeof(value));
}

/* Where the tag begins, for end_tag. */
static uint32_t begin_tag(struct info *info, uint32_t type)
{
	uint32_t at = info->used;

	put32(info, type);
	put32(info, 0);
	return at;
}

/* 'size contains the size of tag including header fields but not including padding.' */
static void end_tag(struct info *info, uint32_t at)
{
	static const uint8_t padding[INFO_ALIGN];

	set32(info, at + sizeof(uint32_t), info->used - at);
	put(info, padding, ALIGN_UP(info->used, INFO_ALIGN) - info->used);
}

void info_begin(struct info *info, void *bytes, uint32_t size)
{
	*info = (struct info){.bytes = bytes, .size = size};
	put64(info, 0);
}

void info_text(struct info *info, uint32_t type, const char *text)
{
	uint32_t at = begin_tag(info, type);

	put(info, text, (uint32_t)strlen(text) + 1);
	end_tag(info, at);
}

void info_module(struct info *info, uint32_t start, uint32_t end, const char *text)
{
	uint32_t at = begin_tag(info, MB2_TAG_MODULE);

	put32(info, start);
	put32(info, end);
	put(info, text, (uint32_t)strlen(text) + 1);
	end_tag(info, at);
}

/* Place and width of a colour, from the mask of its bits. */
static void put_colour(struct info *info, uint32_t mask)
{
	uint8_t field[2] = {0, 0};

	if (mask) {
		field[0] = (uint8_t)__builtin_ctz(mask);
		field[1] = (uint8_t)__builtin_popcount(mask);
	}
	put(info, field, sizeof(field));
}

/* 'EFI_GRAPHICS_OUTPUT_PROTOCOL': a pixel has 32 bits but with PixelBitMask, where the highest bit
 * of all masks tells. Without a frame buffer (PixelBltOnly) there is no tag. */
void info_framebuffer(struct info *info, const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode)
{
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *gop = mode->Info;
	EFI_PIXEL_BITMASK mask;
	uint32_t at, all;
	uint8_t bpp;

	switch (gop->PixelFormat) {
	case PixelRedGreenBlueReserved8BitPerColor:
		mask = (EFI_PIXEL_BITMASK){0xff, 0xff00, 0xff0000, 0xff000000};
		break;
	case PixelBlueGreenRedReserved8BitPerColor:
		mask = (EFI_PIXEL_BITMASK){0xff0000, 0xff00, 0xff, 0xff000000};
		break;
	case PixelBitMask:
		mask = gop->PixelInformation;
		break;
	default:
		return;
	}
	all = mask.RedMask | mask.GreenMask | mask.BlueMask | mask.ReservedMask;
	if (!all || !mode->FrameBufferBase)
		return;
	bpp = (uint8_t)ALIGN_UP(32u - (uint32_t)__builtin_clz(all), 8u);
	at = begin_tag(info, MB2_TAG_FRAMEBUFFER);
	put64(info, mode->FrameBufferBase);
	put32(info, gop->PixelsPerScanLine * (bpp / 8u));
	put32(info, gop->HorizontalResolution);
	put32(info, gop->VerticalResolution);
	put32(info, bpp | MB2_FB_RGB << 8);
	put_colour(info, mask.RedMask);
	put_colour(info, mask.GreenMask);
	put_colour(info, mask.BlueMask);
	end_tag(info, at);
}

/* 'Root System Description Pointer (RSDP) Structure' */
struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from here on with revision 2 */
} __packed;

#define RSDP_V1_SIZE offsetof(struct rsdp, length)
#define RSDP_MAX     4096u

void info_rsdp(struct info *info, const void *rsdp)
{
	struct rsdp head;
	uint32_t len = RSDP_V1_SIZE, at;

	memcpy(&head, rsdp, RSDP_V1_SIZE);
	if (head.revision >= 2) {
		memcpy(&head, rsdp, sizeof(head));
		len = head.length;
	}
	if (len < RSDP_V1_SIZE || len > RSDP_MAX)
		return;
	at = begin_tag(info, head.revision >= 2 ? MB2_TAG_ACPI_NEW : MB2_TAG_ACPI_OLD);
	put(info, rsdp, len);
	end_tag(info, at);
}

void info_smbios(struct info *info, uint8_t major, uint8_t minor, const void *tables, uint32_t len)
{
	const uint8_t version[8] = {major, minor};
	uint32_t at = begin_tag(info, MB2_TAG_SMBIOS);

	put(info, version, sizeof(version));
	put(info, tables, len);
	end_tag(info, at);
}

static void put_range(struct info *info, uint64_t start, uint64_t end, uint32_t type)
{
	put64(info, start);
	put64(info, end - start);
	put32(info, type);
	put32(info, 0);
}

static void put_mmap(struct info *info, const struct efi_map *map)
{
	uint64_t start = 0, end = 0;
	uint32_t type = 0;

	for (uint32_t i = 0; i < efi_map_count(map); i++) {
		EFI_MEMORY_DESCRIPTOR d = efi_map_get(map, i);
		uint32_t d_type = efi_map_type(&d);
		uint64_t len, d_end;

		if (!checked_mul(d.NumberOfPages, PAGE_SIZE, &len) ||
		    !checked_add(d.PhysicalStart, len, &d_end))
			d_end = UINT64_MAX;
		if (type == d_type && end == d.PhysicalStart) {
			end = d_end;
			continue;
		}
		if (type)
			put_range(info, start, end, type);
		start = d.PhysicalStart;
		end = d_end;
		type = d_type;
	}
	if (type)
		put_range(info, start, end, type);
}

void info_maps(struct info *info, const struct efi_map *map)
{
	uint32_t at = begin_tag(info, MB2_TAG_MMAP);

	put32(info, 24);
	put32(info, 0);
	put_mmap(info, map);
	end_tag(info, at);
	at = begin_tag(info, MB2_TAG_EFI_MMAP);
	put32(info, (uint32_t)map->descriptor_size);
	put32(info, map->descriptor_version);
	put(info, map->data, (uint32_t)(efi_map_count(map) * map->descriptor_size));
	end_tag(info, at);
}

bool info_end(struct info *info)
{
	end_tag(info, begin_tag(info, MB2_TAG_END));
	set32(info, 0, info->used);
	return !info->is_full;
}
