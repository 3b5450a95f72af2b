/* What carousel.efi hands over: the firmware's map, the information structure, which boot/mb2.c
 * reads back, and the end of boot services. 'UEFI specification', 'Multiboot2 specification'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/exit.h"
#include "boot/efi/info.h"
#include "efi_maps.h"
#include "fakes/log.h"

/* A descriptor of a newer firmware: longer than the structure. */
struct descriptor {
	EFI_MEMORY_DESCRIPTOR d;
	uint64_t more;
};

#define D(type, start, count)                                                                      \
	{                                                                                          \
		.d = {.Type = (type),                                                              \
		      .PhysicalStart = (start),                                                    \
		      .NumberOfPages = (count),                                                    \
		      .Attribute = EFI_MEMORY_WB }                                                 \
	}

static struct efi_map map_of(const struct descriptor *d, size_t count)
{
	return (struct efi_map){.data = (const uint8_t *)d,
				.size = count * sizeof(*d),
				.descriptor_size = sizeof(*d),
				.descriptor_version = 1};
}

/* 'Memory Type Usage after ExitBootServices': what the loader and boot services had is available,
 * and of all others nothing is. */
static void test_types(void **state)
{
	static const uint32_t wanted[] = {
		[EfiReservedMemoryType] = MB2_MEMORY_RESERVED,
		[EfiLoaderCode] = MB2_MEMORY_AVAILABLE,
		[EfiLoaderData] = MB2_MEMORY_AVAILABLE,
		[EfiBootServicesCode] = MB2_MEMORY_AVAILABLE,
		[EfiBootServicesData] = MB2_MEMORY_AVAILABLE,
		[EfiRuntimeServicesCode] = MB2_MEMORY_RESERVED,
		[EfiRuntimeServicesData] = MB2_MEMORY_RESERVED,
		[EfiConventionalMemory] = MB2_MEMORY_AVAILABLE,
		[EfiUnusableMemory] = MB2_MEMORY_BAD,
		[EfiACPIReclaimMemory] = MB2_MEMORY_ACPI,
		[EfiACPIMemoryNVS] = MB2_MEMORY_NVS,
		[EfiMemoryMappedIO] = MB2_MEMORY_RESERVED,
		[EfiMemoryMappedIOPortSpace] = MB2_MEMORY_RESERVED,
		[EfiPalCode] = MB2_MEMORY_RESERVED,
		[14] = MB2_MEMORY_RESERVED, /* EfiPersistentMemory */
		[15] = MB2_MEMORY_RESERVED, /* EfiUnacceptedMemoryType */
	};
	EFI_MEMORY_DESCRIPTOR d = {.Type = 0x80000000}; /* an OEM's own */

	(void)state;
	assert_int_equal(efi_map_type(&d), MB2_MEMORY_RESERVED);
	for (uint32_t type = 0; type < ARRAY_SIZE(wanted); type++) {
		d = (EFI_MEMORY_DESCRIPTOR){.Type = type};
		assert_int_equal(efi_map_type(&d), wanted[type]);
		/* 'EFI_MEMORY_RUNTIME': the firmware needs it mapped afterwards. */
		d.Attribute = EFI_MEMORY_RUNTIME;
		assert_int_not_equal(efi_map_type(&d), MB2_MEMORY_AVAILABLE);
	}
}

static void test_available(void **state)
{
	/* In no order, with a hole at 0x400000, and one that wraps. */
	static const struct descriptor d[] = {D(EfiConventionalMemory, 0x300000, 0x100),
					      D(EfiBootServicesData, 0x100000, 0x200),
					      D(EfiRuntimeServicesData, 0x500000, 1),
					      D(EfiConventionalMemory, 0x600000, UINT64_MAX),
					      D(EfiConventionalMemory, UINT64_MAX - 0xfff, 0x10)};
	struct efi_map map = map_of(d, ARRAY_SIZE(d));

	(void)state;
	assert_true(efi_map_is_available(&map, 0x100000, 0x400000));
	assert_true(efi_map_is_available(&map, 0x2ff000, 0x300001));
	assert_true(efi_map_is_available(&map, 7, 7));
	assert_false(efi_map_is_available(&map, 0xfffff, 0x100001));
	assert_false(efi_map_is_available(&map, 0x100000, 0x400001));
	assert_false(efi_map_is_available(&map, 0x500000, 0x500001));
	assert_false(efi_map_is_available(&map, 0x600000, 0x600001));
	assert_false(efi_map_is_available(&map, UINT64_MAX - 0xfff, UINT64_MAX));
	map.descriptor_size = 8; /* nonsense: no entry can be read */
	assert_int_equal(efi_map_count(&map), 0);
	assert_false(efi_map_is_available(&map, 0x100000, 0x100001));
}

static struct mb2 mb2;

static const struct descriptor machine[] = {
	D(EfiBootServicesCode, 0, 1),
	D(EfiConventionalMemory, 0x1000, 0x9f),
	D(EfiConventionalMemory, 0x100000, 0x700),
	D(EfiACPIMemoryNVS, 0x800000, 8),
	D(EfiLoaderData, 0x808000, 0x100),
	D(EfiACPIReclaimMemory, 0x908000, 4),
	D(EfiMemoryMappedIO, 0xffc00000, 0x400),
	D(EfiConventionalMemory, GIB(4), 0x80000),
};

/* boot/mb2.c finds what was written. */
static void test_round_trip(void **state)
{
	EFI_GRAPHICS_OUTPUT_MODE_INFORMATION mode_info = {
		.HorizontalResolution = 1280,
		.VerticalResolution = 800,
		.PixelFormat = PixelBlueGreenRedReserved8BitPerColor,
		.PixelsPerScanLine = 1344};
	EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode = {.Info = &mode_info,
						  .FrameBufferBase = 0x80000000};
	uint8_t rsdp1[20] = "RSD PTR ", rsdp2[36] = "RSD PTR ", smbios[5] = {1, 2, 3, 4, 5};
	struct efi_map map = map_of(machine, ARRAY_SIZE(machine));
	static struct memmap memory;
	struct info info;
	uint8_t *bytes = NULL;

	(void)state;
	rsdp2[15] = 2;  /* revision */
	rsdp2[20] = 36; /* length */
	assert_int_equal(posix_memalign((void **)&bytes, 8, 4096), 0);
	info_begin(&info, bytes, 4096);
	info_text(&info, MB2_TAG_CMDLINE, "end=halt");
	info_text(&info, MB2_TAG_LOADER_NAME, "carousel.efi");
	info_module(&info, 0x808000, 0x80a123, "vm=a kernel -- \"x\"");
	info_module(&info, 0x80b000, 0x80b000, "");
	info_rsdp(&info, rsdp1);
	info_rsdp(&info, rsdp2);
	info_smbios(&info, 3, 2, smbios, sizeof(smbios));
	info_framebuffer(&info, &mode);
	info_maps(&info, &map);
	assert_true(info_end(&info));
	bytes = realloc(bytes, info.used); /* exactly: the sanitizer sees a read behind it */

	assert_int_equal(mb2_parse(&mb2, bytes, info.used), 0);
	assert_int_equal(mb2.size, info.used);
	assert_string_equal(mb2.cmdline, "end=halt");
	assert_string_equal(mb2.loader_name, "carousel.efi");
	assert_int_equal(mb2.module_count, 2);
	assert_int_equal(mb2.module[0].start, 0x808000);
	assert_int_equal(mb2.module[0].end, 0x80a123);
	assert_string_equal(mb2.module[0].string, "vm=a kernel -- \"x\"");
	assert_int_equal(mb2.module[1].start, mb2.module[1].end);
	assert_int_equal(mb2.rsdp_len, sizeof(rsdp2));
	assert_int_equal(mb2.smbios_len, sizeof(smbios));
	assert_memory_equal(mb2.smbios, smbios, sizeof(smbios));
	assert_memory_equal(mb2.rsdp, rsdp2, sizeof(rsdp2));
	assert_true(mb2.has_framebuffer);
	assert_int_equal(mb2.framebuffer.address, 0x80000000);
	assert_int_equal(mb2.framebuffer.pitch, 4 * 1344);
	assert_int_equal(mb2.framebuffer.bpp, 32);
	assert_int_equal(mb2.framebuffer.red_pos, 16);
	assert_int_equal(mb2.framebuffer.green_pos, 8);
	assert_int_equal(mb2.framebuffer.blue_pos, 0);
	assert_int_equal(mb2.framebuffer.blue_size, 8);
	/* Neighbours of one kind are one entry: 0 to 0xa0000. */
	assert_int_equal(mb2.mmap.count, 7);
	assert_int_equal(mb2_mmap_entry(&mb2.mmap, 0).len, 0xa0000);
	assert_int_equal(mb2.efi_mmap.count, ARRAY_SIZE(machine));
	assert_int_equal(mb2_efi_entry(&mb2.efi_mmap, 7).start, GIB(4));
	assert_int_equal(mb2_memmap(&mb2, &memory), 0);
	assert_int_equal(memory.count, 4);
	assert_int_equal(memmap_total(&memory), 0xa0000 + 0x700000 + 0x100000 + GIB(2));
	free(bytes);
}

/* The root pointer of ACPI 1.0 has 20 bytes and a tag of its own; from revision 2 on its length
 * says. */
static void test_rsdp(void **state)
{
	static const struct {
		uint8_t revision, length;
		uint32_t tag, len;
	} rows[] = {
		{0, 36, MB2_TAG_ACPI_OLD, 20},
		{1, 36, MB2_TAG_ACPI_OLD, 20},
		{2, 36, MB2_TAG_ACPI_NEW, 36},
		{3, 40, MB2_TAG_ACPI_NEW, 40},
		{2, 19, 0, 0},
		{2, 20, MB2_TAG_ACPI_NEW, 20},
	};
	uint8_t rsdp[64] = "RSD PTR ", bytes[256] __attribute__((aligned(8)));

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mb2_tag tag;
		struct info info;
		uint32_t empty;

		rsdp[15] = rows[i].revision;
		rsdp[20] = rows[i].length;
		info_begin(&info, bytes, sizeof(bytes));
		empty = info.used;
		info_rsdp(&info, rsdp);
		if (!rows[i].tag) {
			assert_int_equal(info.used, empty);
			continue;
		}
		memcpy(&tag, bytes + empty, sizeof(tag));
		assert_int_equal(tag.type, rows[i].tag);
		assert_int_equal(tag.size, sizeof(tag) + rows[i].len);
		assert_memory_equal(bytes + empty + sizeof(tag), rsdp, rows[i].len);
		assert_int_equal(info.used, empty + ALIGN_UP(tag.size, 8u));
	}
}

/* A real map, through both of its forms: the same RAM, sorted and in whole pages, and nothing of
 * the firmware's in it. */
static void test_real_map(void **state)
{
	static struct descriptor d[ARRAY_SIZE(ovmf_q35_6g)];
	struct efi_map map = map_of(d, ARRAY_SIZE(d));
	static struct memmap joined, plain;
	static uint64_t buffer[2048];
	uint64_t available = 0, at;
	struct info info;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(d); i++) {
		const struct efi_row *row = &ovmf_q35_6g[i];

		d[i].d = (EFI_MEMORY_DESCRIPTOR){.Type = row->type,
						 .PhysicalStart = row->start,
						 .NumberOfPages = row->pages,
						 .Attribute = row->attribute};
		if (efi_map_type(&d[i].d) == MB2_MEMORY_AVAILABLE)
			available += row->pages * PAGE_SIZE;
	}
	info_begin(&info, buffer, sizeof(buffer));
	info_maps(&info, &map);
	assert_true(info_end(&info));
	assert_int_equal(mb2_parse(&mb2, buffer, info.used), 0);
	assert_int_equal(mb2.efi_mmap.count, ARRAY_SIZE(d));
	assert_true(mb2.mmap.count < ARRAY_SIZE(d) / 4);
	assert_int_equal(mb2_memmap(&mb2, &joined), 0);
	mb2.mmap.data = NULL;
	assert_int_equal(mb2_memmap(&mb2, &plain), 0);
	assert_int_equal(joined.count, plain.count);
	assert_memory_equal(joined.range, plain.range, plain.count * sizeof(plain.range[0]));
	assert_int_equal(memmap_total(&joined), available);
	/* 2 GiB below the hole less what OVMF keeps, and 4 GiB above. */
	assert_int_equal(memmap_total(&joined) >> 20, 6137);
	for (size_t i = 0; i < ARRAY_SIZE(d); i++)
		if (efi_map_type(&d[i].d) != MB2_MEMORY_AVAILABLE)
			assert_false(memmap_find(
				&joined, 1, 1, ovmf_q35_6g[i].start,
				ovmf_q35_6g[i].start + ovmf_q35_6g[i].pages * PAGE_SIZE, &at));
	assert_true(efi_map_is_available(&map, 0x200000, 0x806000));
	assert_false(efi_map_is_available(&map, 0x200000, 0x806001));
}

/* The formats of a pixel. */
static void test_framebuffers(void **state)
{
	static const struct {
		EFI_GRAPHICS_PIXEL_FORMAT format;
		EFI_PIXEL_BITMASK mask;
		uint8_t bpp, red, green, blue; /* bpp 0: no tag */
	} cases[] = {
		{PixelRedGreenBlueReserved8BitPerColor, {0}, 32, 0, 8, 16},
		{PixelBitMask, {0xf800, 0x7e0, 0x1f, 0}, 16, 11, 5, 0},
		{PixelBitMask, {0x7c00, 0x3e0, 0x1f, 0}, 16, 10, 5, 0},
		{PixelBitMask, {0xff0000, 0xff00, 0xff, 0xff000000}, 32, 16, 8, 0},
		/* A bit behind a whole byte takes another; 24 bits are three. */
		{PixelBitMask, {0x1f0000, 0xff00, 0xff, 0x1000000}, 32, 16, 8, 0},
		{PixelBitMask, {0xff0000, 0xff00, 0xff, 0}, 24, 16, 8, 0},
		{PixelBitMask, {0xf0, 0xf, 0x100, 0}, 16, 4, 0, 8},
		{PixelBitMask, {0}, 0, 0, 0, 0},
		{PixelBltOnly, {0}, 0, 0, 0, 0},
	};
	static uint64_t buffer[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		EFI_GRAPHICS_OUTPUT_MODE_INFORMATION gop = {.HorizontalResolution = 640,
							    .VerticalResolution = 480,
							    .PixelFormat = cases[i].format,
							    .PixelInformation = cases[i].mask,
							    .PixelsPerScanLine = 640};
		EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode = {.Info = &gop, .FrameBufferBase = 0x1000};
		struct info info;

		info_begin(&info, buffer, sizeof(buffer));
		info_framebuffer(&info, &mode);
		assert_true(info_end(&info));
		assert_int_equal(mb2_parse(&mb2, buffer, info.used), 0);
		assert_int_equal(mb2.has_framebuffer, cases[i].bpp != 0);
		if (!cases[i].bpp)
			continue;
		assert_int_equal(mb2.framebuffer.bpp, cases[i].bpp);
		assert_int_equal(mb2.framebuffer.pitch, 640u * cases[i].bpp / 8);
		assert_int_equal(mb2.framebuffer.red_pos, cases[i].red);
		assert_int_equal(mb2.framebuffer.green_pos, cases[i].green);
		assert_int_equal(mb2.framebuffer.blue_pos, cases[i].blue);
	}
}

/* Each size that is too small is noticed, and nothing is written behind it. */
static void test_full(void **state)
{
	struct efi_map map = map_of(machine, ARRAY_SIZE(machine));
	uint32_t needed = 0;

	(void)state;
	for (uint32_t size = 0; !needed; size += 4) {
		uint8_t *bytes = malloc(size);
		struct info info;

		info_begin(&info, bytes, size);
		info_text(&info, MB2_TAG_CMDLINE, "a b c");
		info_module(&info, 1, 2, "vm=a");
		info_maps(&info, &map);
		if (info_end(&info))
			needed = info.used;
		assert_true(info.used <= size);
		free(bytes);
	}
	/* What the loader reckons with. */
	assert_true(needed <= 4 * INFO_TAG_MAX + INFO_MAPS_MAX(sizeof(machine)));
}

/* The firmware of test_exit: its map changes when boot services are to be left. */
static struct {
	unsigned changes; /* so often */
	UINTN key, descriptors;
	unsigned reads, exits;
	bool is_left;
} firmware;

static EFI_STATUS EFIAPI get_memory_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
					UINTN *descriptor_size, UINT32 *version)
{
	UINTN needed = firmware.descriptors * sizeof(struct descriptor);
	bool fits = *size >= needed;

	firmware.reads++;
	*size = needed;
	*descriptor_size = sizeof(struct descriptor);
	*version = 1;
	if (!fits)
		return EFI_BUFFER_TOO_SMALL;
	memset(map, 0, needed);
	*key = firmware.key;
	return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
	assert_ptr_equal(image, &firmware);
	firmware.exits++;
	if (firmware.changes) {
		firmware.changes--;
		firmware.key++;
		firmware.descriptors += 2;
	}
	if (key != firmware.key)
		return EFI_INVALID_PARAMETER;
	firmware.is_left = true;
	return EFI_SUCCESS;
}

static EFI_STATUS leave(unsigned changes)
{
	EFI_BOOT_SERVICES bs = {.GetMemoryMap = get_memory_map,
				.ExitBootServices = exit_boot_services};
	struct efi_exit leave = {.buffer = NULL};
	EFI_STATUS status;

	memset(&firmware, 0, sizeof(firmware));
	firmware.changes = changes;
	firmware.descriptors = 100;
	assert_int_equal(efi_exit_buffer_size(&bs, &leave.buffer_size), EFI_SUCCESS);
	leave.buffer = malloc(leave.buffer_size);
	status = efi_exit_boot_services(&bs, &firmware, &leave);
	if (status == EFI_SUCCESS)
		assert_int_equal(efi_map_count(&leave.map), firmware.descriptors);
	free(leave.buffer);
	return status;
}

/* 'ExitBootServices': with a key that is not current, the map is read again, larger as it may be.
 */
static void test_exit(void **state)
{
	(void)state;
	assert_int_equal(leave(0), EFI_SUCCESS);
	assert_int_equal(firmware.exits, 1);
	assert_int_equal(leave(1), EFI_SUCCESS);
	assert_int_equal(firmware.exits, 2);
	assert_true(firmware.is_left);
	assert_int_equal(leave(7), EFI_SUCCESS);
	/* A firmware that never holds still. */
	assert_int_equal(leave(1000), EFI_INVALID_PARAMETER);
	assert_int_equal(firmware.exits, 8);
	assert_false(firmware.is_left);
}

static void test_exit_buffer(void **state)
{
	EFI_BOOT_SERVICES bs = {.GetMemoryMap = get_memory_map,
				.ExitBootServices = exit_boot_services};
	uint64_t small[4];
	struct efi_exit leave = {.buffer = small, .buffer_size = sizeof(small)};

	(void)state;
	memset(&firmware, 0, sizeof(firmware));
	firmware.descriptors = 10;
	assert_int_equal(efi_exit_boot_services(&bs, &firmware, &leave), EFI_BUFFER_TOO_SMALL);
	assert_int_equal(firmware.exits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),       cmocka_unit_test(test_available),
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_rsdp),
		cmocka_unit_test(test_real_map),    cmocka_unit_test(test_framebuffers),
		cmocka_unit_test(test_full),        cmocka_unit_test(test_exit),
		cmocka_unit_test(test_exit_buffer),
	};

	return cmocka_run_group_tests_name("efi_info", tests, NULL, NULL);
}
