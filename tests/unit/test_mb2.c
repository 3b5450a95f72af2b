/* The Multiboot2 parser on hand-built structures, good, broken and random. 'Multiboot2
 * specification', 'Boot information format'. Each structure is a malloc of its exact size, so that
 * a read behind its end is the sanitizer's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/mb2.h"
#include "fakes/log.h"
#include "lib/errno.h"

struct build {
	uint8_t bytes[65536];
	uint32_t len;
};

static void put(struct build *b, const void *data, size_t len)
{
	assert_true(b->len + len <= sizeof(b->bytes));
	if (len)
		memcpy(b->bytes + b->len, data, len);
	b->len += (uint32_t)len;
}

static void put32(struct build *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put64(struct build *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

static void begin(struct build *b)
{
	b->len = 0;
	put64(b, 0);
}

/* 'Tags are padded when required so that each starts at an 8-bytes aligned address.' */
static void put_tag(struct build *b, uint32_t type, const void *data, size_t len)
{
	put32(b, type);
	put32(b, (uint32_t)(8 + len));
	put(b, data, len);
	while (b->len % 8)
		put(b, "\xcc", 1);
}

static void put_module(struct build *b, uint32_t start, uint32_t end, const char *text, size_t len)
{
	struct build data = {.len = 0};

	put32(&data, start);
	put32(&data, end);
	put(&data, text, len);
	put_tag(b, MB2_TAG_MODULE, data.bytes, data.len);
}

static uint8_t *copy_of(const struct build *b)
{
	uint8_t *info = malloc(b->len);

	memcpy(info, b->bytes, b->len);
	return info;
}

/* Ends the structure, sets its total_size, and gives a copy of exactly that size. */
static uint8_t *end(struct build *b)
{
	put_tag(b, MB2_TAG_END, NULL, 0);
	memcpy(b->bytes, &b->len, sizeof(b->len));
	return copy_of(b);
}

static const uint8_t fb_rgb[] = {
	0x00, 0x00, 0x00, 0xfd, 0,    0, 0, 0, /* address */
	0x00, 0x10, 0,    0,    0x00, 4, 0, 0, /* pitch 4096, width 1024 */
	0x00, 3,    0,    0,    32,   1, 0, 0, /* height 768, bpp 32, RGB */
	16,   8,    8,    8,    0,    8,
};

static struct mb2 mb2;

static void test_everything(void **state)
{
	struct build b, data = {.len = 0};
	uint8_t *info, rsdp1[20] = {1}, rsdp2[36] = {2};
	uint32_t unknown = 5;
	struct mb2_range r;

	(void)state;
	begin(&b);
	put_tag(&b, MB2_TAG_CMDLINE, "loglevel=debug", 15);
	put_tag(&b, MB2_TAG_LOADER_NAME, "GRUB 2.06", 10);
	put_tag(&b, 4, &unknown, 4); /* basic memory information: not needed */
	put_tag(&b, 21, &unknown, 4);
	put_tag(&b, 12345, &unknown, 4);
	put_module(&b, 0x100000, 0x200001, "vm=a kernel -- x", 17);
	put_module(&b, 0x300000, 0x300000, "", 1);
	/* 'entry_size is guaranteed to be a multiple of 8': larger than we know. */
	put32(&data, 32);
	put32(&data, 0);
	for (uint32_t i = 0; i < 3; i++) {
		put64(&data, i * 0x100000);
		put64(&data, 0x1000 + i);
		put64(&data, i + 1);
		put64(&data, UINT64_MAX);
	}
	put_tag(&b, MB2_TAG_MMAP, data.bytes, data.len);
	put_tag(&b, MB2_TAG_FRAMEBUFFER, fb_rgb, sizeof(fb_rgb));
	put_tag(&b, MB2_TAG_ACPI_NEW, rsdp2, sizeof(rsdp2));
	put_tag(&b, MB2_TAG_ACPI_OLD, rsdp1, sizeof(rsdp1));
	info = end(&b);
	fake_log_clear();
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_string_equal(fake_log_text(), "");
	assert_ptr_equal(mb2.info, info);
	assert_int_equal(mb2.size, b.len);
	assert_string_equal(mb2.cmdline, "loglevel=debug");
	assert_string_equal(mb2.loader_name, "GRUB 2.06");
	assert_int_equal(mb2.module_count, 2);
	assert_int_equal(mb2.module[0].start, 0x100000);
	assert_int_equal(mb2.module[0].end, 0x200001);
	assert_string_equal(mb2.module[0].string, "vm=a kernel -- x");
	assert_int_equal(mb2.module[1].start, mb2.module[1].end);
	assert_string_equal(mb2.module[1].string, "");
	assert_int_equal(mb2.mmap.count, 3);
	r = mb2_mmap_entry(&mb2.mmap, 2);
	assert_int_equal(r.start, 0x200000);
	assert_int_equal(r.len, 0x1002);
	assert_int_equal(r.type, MB2_MEMORY_ACPI);
	assert_null(mb2.efi_mmap.data);
	assert_true(mb2.has_framebuffer);
	assert_int_equal(mb2.framebuffer.address, 0xfd000000);
	assert_int_equal(mb2.framebuffer.pitch, 4096);
	assert_int_equal(mb2.framebuffer.width, 1024);
	assert_int_equal(mb2.framebuffer.height, 768);
	assert_int_equal(mb2.framebuffer.bpp, 32);
	assert_int_equal(mb2.framebuffer.red_pos, 16);
	assert_int_equal(mb2.framebuffer.blue_size, 8);
	/* The newer copy counts, though the older stands behind it. */
	assert_int_equal(mb2.rsdp_len, 36);
	assert_int_equal(mb2.rsdp[0], 2);
	free(info);
}

static void test_nothing_but_an_end(void **state)
{
	struct build b;
	uint8_t *info;

	(void)state;
	begin(&b);
	info = end(&b);
	assert_int_equal(mb2_parse(&mb2, info, UINT64_MAX), 0);
	assert_string_equal(mb2.cmdline, "");
	assert_string_equal(mb2.loader_name, "");
	assert_int_equal(mb2.module_count, 0);
	assert_null(mb2.mmap.data);
	assert_null(mb2.rsdp);
	assert_false(mb2.has_framebuffer);
	free(info);
}

static void refused(const void *info, uint64_t available, const char *why)
{
	fake_log_clear();
	assert_int_equal(mb2_parse(&mb2, info, available), -EINVAL);
	assert_int_equal(fake_log_count("error: Multiboot2: "), 1);
	assert_int_equal(fake_log_count(why), 1);
	assert_int_equal(fake_log_count("multiboot2"), 1); /* the remedy */
}

static void test_structure_is_refused(void **state)
{
	struct build b;
	uint8_t *info;
	uint32_t v;

	(void)state;
	begin(&b);
	put_tag(&b, MB2_TAG_CMDLINE, "x", 2);
	info = end(&b);
	refused(NULL, 100, "multiple of 8");
	refused(info + 4, b.len - 4, "multiple of 8");
	refused(info, 7, "does not lie in memory");
	refused(info, b.len - 1, "total_size");
	for (v = 0; v < 16; v++) {
		memcpy(info, &v, sizeof(v));
		refused(info, b.len, "total_size");
	}
	v = UINT32_MAX;
	memcpy(info, &v, sizeof(v));
	refused(info, b.len, "total_size");
	/* The structure ends before the end tag, or inside it. */
	for (v = 16; v < b.len; v++) {
		memcpy(info, &v, sizeof(v));
		refused(info, b.len, v < 18 ? "tag with an impossible size" : "no end tag");
	}
	free(info);
	/* Tag sizes that lead nowhere, backwards or far away. */
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t sizes[] = {0, 7, 0x10000000, UINT32_MAX};

		begin(&b);
		put_tag(&b, 99, &i, 4);
		memcpy(b.bytes + 12, &sizes[i], 4);
		info = end(&b);
		refused(info, b.len, "tag with an impossible size");
		free(info);
	}
}

/* The tag is malformed: it is left out and named, and what is behind it is read. */
static void left_out(uint32_t type, const void *data, size_t len, const char *name)
{
	struct build b;
	uint8_t *info;

	begin(&b);
	put_tag(&b, type, data, len);
	put_tag(&b, MB2_TAG_LOADER_NAME, "behind it", 10);
	info = end(&b);
	fake_log_clear();
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_string_equal(mb2.loader_name, "behind it");
	assert_int_equal(fake_log_count("warning: Multiboot2: the "), 1);
	assert_int_equal(fake_log_count(name), 1);
	assert_string_equal(mb2.cmdline, "");
	assert_int_equal(mb2.module_count, 0);
	assert_null(mb2.mmap.data);
	assert_null(mb2.efi_mmap.data);
	assert_null(mb2.rsdp);
	assert_false(mb2.has_framebuffer);
	free(info);
}

static void test_tags_are_left_out(void **state)
{
	uint8_t fb[sizeof(fb_rgb)];
	uint8_t zero[64] = {0};

	(void)state;
	left_out(MB2_TAG_CMDLINE, "no end", 6, "command line tag");
	left_out(MB2_TAG_CMDLINE, NULL, 0, "command line tag");
	left_out(MB2_TAG_MODULE, "ssssEEEEno end", 14, "module tag");
	assert_int_equal(mb2.modules_left_out, 1);
	left_out(MB2_TAG_MODULE, "ssss", 4, "module tag");
	assert_int_equal(mb2.modules_left_out, 1);
	/* The least that a tag may be: one without an end is counted once, too. */
	left_out(MB2_TAG_MODULE, "ssssEEEEx", 8, "module tag");
	assert_int_equal(mb2.modules_left_out, 1);
	left_out(MB2_TAG_MODULE, "ssssEEEEx", 9, "module tag");
	assert_int_equal(mb2.modules_left_out, 1);
	/* Ends before it starts. */
	left_out(MB2_TAG_MODULE, "\0\0\0\2\0\0\0\1text", 13, "module tag");
	assert_int_equal(mb2.modules_left_out, 1);
	assert_int_equal(fake_log_count("1 modules are left out"), 1);
	left_out(MB2_TAG_MMAP, "\x18\0\0\0", 4, "memory map tag");
	left_out(MB2_TAG_MMAP, "\x17\0\0\0\0\0\0\0.......................", 31, "memory map tag");
	left_out(MB2_TAG_MMAP, zero, sizeof(zero), "memory map tag");
	left_out(MB2_TAG_EFI_MMAP, "\x20\0\0\0\0\0\0\0", 8, "EFI memory map tag");
	left_out(MB2_TAG_ACPI_OLD, zero, 19, "ACPI old RSDP tag");
	left_out(MB2_TAG_ACPI_NEW, zero, 35, "ACPI new RSDP tag");
	left_out(MB2_TAG_FRAMEBUFFER, fb_rgb, 23, "framebuffer tag");
	left_out(MB2_TAG_FRAMEBUFFER, fb_rgb, sizeof(fb_rgb) - 1, "framebuffer tag");
	left_out(MB2_TAG_FRAMEBUFFER, zero, sizeof(zero), "framebuffer tag");
	memcpy(fb, fb_rgb, sizeof(fb));
	fb[21] = 3; /* no such type */
	left_out(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb), "framebuffer tag");
	memcpy(fb, fb_rgb, sizeof(fb));
	fb[13] = 5; /* width 1280: wider than the pitch */
	left_out(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb), "framebuffer tag");
	memcpy(fb, fb_rgb, sizeof(fb));
	fb[24] = 25; /* red leaves the pixel */
	left_out(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb), "framebuffer tag");
	memcpy(fb, fb_rgb, sizeof(fb));
	memset(fb, 0xff, 8); /* wraps */
	left_out(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb), "framebuffer tag");
}

/* 'Text mode of EGA': width and height in characters, two bytes each. */
static void test_ega_text(void **state)
{
	static const uint8_t text[] = {0,  0x80, 0xb, 0, 0,  0, 0, 0, 160, 0, 0, 0,
				       80, 0,    0,   0, 25, 0, 0, 0, 16,  2, 0, 0};
	struct build b;
	uint8_t *info;

	(void)state;
	begin(&b);
	put_tag(&b, MB2_TAG_FRAMEBUFFER, text, sizeof(text));
	info = end(&b);
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_true(mb2.has_framebuffer);
	assert_int_equal(mb2.framebuffer.type, MB2_FB_EGA_TEXT);
	assert_int_equal(mb2.framebuffer.address, 0xb8000);
	free(info);
}

static void test_many_modules(void **state)
{
	struct build b;
	uint8_t *info;

	(void)state;
	begin(&b);
	for (uint32_t i = 0; i < MB2_MODULES_MAX + 3; i++)
		put_module(&b, i * 4096, i * 4096 + 1, "m", 2);
	info = end(&b);
	fake_log_clear();
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_int_equal(mb2.module_count, MB2_MODULES_MAX);
	assert_int_equal(mb2.module[MB2_MODULES_MAX - 1].start, (MB2_MODULES_MAX - 1) * 4096);
	assert_int_equal(mb2.modules_left_out, 3);
	assert_int_equal(fake_log_count("3 modules are left out: at most 256"), 1);
	free(info);
}

/* Thousands of malformed tags do not flood the log. */
static void test_log_is_limited(void **state)
{
	struct build b;
	uint8_t *info;

	(void)state;
	begin(&b);
	for (int i = 0; i < 2000; i++)
		put_tag(&b, MB2_TAG_ACPI_OLD, NULL, 0);
	info = end(&b);
	fake_log_clear();
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_int_equal(fake_log_count("malformed"), 8);
	free(info);
}

struct entry {
	uint64_t start, len;
	uint32_t type;
};

static uint8_t *with_mmap(const struct entry *e, size_t n)
{
	struct build b, data = {.len = 0};
	uint8_t *info;

	put32(&data, 24);
	put32(&data, 0);
	for (size_t i = 0; i < n; i++) {
		put64(&data, e[i].start);
		put64(&data, e[i].len);
		put64(&data, e[i].type);
	}
	begin(&b);
	put_tag(&b, MB2_TAG_MMAP, data.bytes, data.len);
	info = end(&b);
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	return info;
}

static void test_memmap(void **state)
{
	/* A PC's map, unsorted; the reserved entry inside RAM wins, wherever it stands; the last
	 * wraps. */
	static const struct entry pc[] = {
		{0x100000, 0x7ee0000, MB2_MEMORY_AVAILABLE}, {0x400800, 0x1000, MB2_MEMORY_BAD},
		{0, 0x9fc00, MB2_MEMORY_AVAILABLE},          {0x9fc00, 0x400, 2},
		{0x7fe0000, 0x20000, MB2_MEMORY_ACPI},       {0x5000, 0, MB2_MEMORY_AVAILABLE},
		{0xfffffffffffc0000, UINT64_MAX, 2},
	};
	static struct memmap map;
	uint8_t *info = with_mmap(pc, ARRAY_SIZE(pc));

	(void)state;
	assert_int_equal(mb2_memmap(&mb2, &map), 0);
	assert_int_equal(map.count, 3);
	assert_int_equal(map.range[0].start, 0);
	assert_int_equal(map.range[0].end, 0x9f000);
	assert_int_equal(map.range[1].start, 0x100000);
	assert_int_equal(map.range[1].end, 0x400000);
	assert_int_equal(map.range[2].start, 0x402000);
	assert_int_equal(map.range[2].end, 0x7fe0000);
	free(info);
}

static void test_memmap_too_fragmented(void **state)
{
	static struct entry many[MEMMAP_MAX + 1];
	static struct memmap map;
	uint8_t *info;

	(void)state;
	for (uint64_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct entry){i * 0x2000, 0x1000, MB2_MEMORY_AVAILABLE};
	info = with_mmap(many, ARRAY_SIZE(many));
	fake_log_clear();
	assert_int_equal(mb2_memmap(&mb2, &map), -ENOSPC);
	assert_int_equal(fake_log_count("error: "), 1);
	free(info);
	info = with_mmap(many, 0);
	fake_log_clear();
	assert_int_equal(mb2_memmap(&mb2, &map), -ENOENT);
	assert_int_equal(fake_log_count("error: Multiboot2: the boot loader gave no memory map"),
			 1);
	free(info);
}

/* 'EFI memory map': descriptors of the size that the firmware says. */
static void test_efi_memmap(void **state)
{
	/* Loader data, reserved, conventional, runtime services data, and one that is absurd. */
	static const struct entry efi[] = {{0x100000, 0x100, 2},
					   {0x200000, 0x100, 0},
					   {0x300000, 0x100, 7},
					   {0x400000, 0x10, 6},
					   {0x1000, UINT64_MAX, 0}};
	struct build b, data = {.len = 0};
	static struct memmap map;
	uint8_t *info;

	(void)state;
	put32(&data, 48);
	put32(&data, 1);
	for (size_t i = 0; i < ARRAY_SIZE(efi); i++) {
		put64(&data, efi[i].type);
		put64(&data, efi[i].start);
		put64(&data, 0);
		put64(&data, efi[i].len);
		put64(&data, 0xf);
		put64(&data, 0);
	}
	begin(&b);
	put_tag(&b, MB2_TAG_EFI_MMAP, data.bytes, data.len);
	info = end(&b);
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_int_equal(mb2.efi_mmap.count, 5);
	assert_int_equal(mb2_efi_entry(&mb2.efi_mmap, 3).len, 0x10000);
	assert_int_equal(mb2_efi_entry(&mb2.efi_mmap, 4).len, UINT64_MAX);
	/* The absurd one reserves everything. */
	assert_int_equal(mb2_memmap(&mb2, &map), 0);
	assert_int_equal(map.count, 0);
	mb2.efi_mmap.count--;
	assert_int_equal(mb2_memmap(&mb2, &map), 0);
	assert_int_equal(map.count, 2);
	assert_int_equal(map.range[0].start, 0x100000);
	assert_int_equal(map.range[0].end, 0x200000);
	assert_int_equal(map.range[1].start, 0x300000);
	assert_int_equal(map.range[1].end, 0x400000);
	free(info);
}

/* 'Memory Type Usage after ExitBootServices': of all types, known or not, five are RAM to use, but
 * where 'the memory region needs to be given a virtual mapping by the operating system' (RUNTIME).
 */
static void test_efi_memory_types(void **state)
{
	struct build b, data = {.len = 0};
	static struct memmap map;
	uint8_t *info;

	(void)state;
	put32(&data, 40);
	put32(&data, 1);
	/* A page of each type and a hole behind it. */
	for (uint32_t type = 0; type < 20; type++) {
		put64(&data, type);
		put64(&data, (type + 1) * 0x2000ull);
		put64(&data, 0);
		put64(&data, 1);
		put64(&data, 0xf);
	}
	put64(&data, 7);
	put64(&data, 0x100000);
	put64(&data, 0);
	put64(&data, 1);
	put64(&data, 0xf | BIT_ULL(63));
	begin(&b);
	put_tag(&b, MB2_TAG_EFI_MMAP, data.bytes, data.len);
	info = end(&b);
	assert_int_equal(mb2_parse(&mb2, info, b.len), 0);
	assert_int_equal(mb2_memmap(&mb2, &map), 0);
	assert_int_equal(map.count, 5);
	/* Loader code and data, boot services code and data, conventional. */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(map.range[i].start, (i + 2) * 0x2000);
	assert_int_equal(map.range[4].start, 8 * 0x2000);
	assert_int_equal(memmap_total(&map), 5 * PAGE_SIZE);
	free(info);
}

/* Random damage: whatever is accepted can be read to its end. */
static void test_random_damage(void **state)
{
	struct build b, data = {.len = 0}, broken;
	static struct memmap map;
	unsigned accepted = 0;
	size_t total = 0;

	(void)state;
	put32(&data, 24);
	put32(&data, 0);
	for (uint32_t i = 0; i < 6; i++) {
		put64(&data, i * 0x100000);
		put64(&data, 0x80000);
		put64(&data, 1 + i % 2);
	}
	begin(&b);
	put_tag(&b, MB2_TAG_CMDLINE, "console=com1", 13);
	put_module(&b, 0x100000, 0x200000, "vm=a kernel", 12);
	put_tag(&b, MB2_TAG_MMAP, data.bytes, data.len);
	put_tag(&b, MB2_TAG_FRAMEBUFFER, fb_rgb, sizeof(fb_rgb));
	put_tag(&b, MB2_TAG_EFI_MMAP, data.bytes, data.len);
	free(end(&b));
	srand(1);
	for (int round = 0; round < 30000; round++) {
		uint8_t *info;

		memcpy(broken.bytes, b.bytes, b.len);
		broken.len = b.len;
		for (int n = 1 + rand() % 4; n; n--)
			broken.bytes[(unsigned)rand() % b.len] =
				(uint8_t)(rand() % 2 ? rand() : rand() % 32);
		info = copy_of(&broken);
		if (!mb2_parse(&mb2, info, broken.len)) {
			accepted++;
			total += strlen(mb2.cmdline) + strlen(mb2.loader_name);
			for (uint32_t i = 0; i < mb2.module_count; i++)
				total += strlen(mb2.module[i].string);
			for (uint32_t i = 0; i < mb2.efi_mmap.count; i++)
				total += mb2_efi_entry(&mb2.efi_mmap, i).type;
			for (uint32_t i = 0; i < mb2.rsdp_len; i++)
				total += mb2.rsdp[i];
			total += (size_t)mb2_memmap(&mb2, &map);
		}
		free(info);
	}
	assert_in_range(accepted, 1000, 29999);
	assert_true(total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_nothing_but_an_end),
		cmocka_unit_test(test_structure_is_refused),
		cmocka_unit_test(test_tags_are_left_out),
		cmocka_unit_test(test_ega_text),
		cmocka_unit_test(test_many_modules),
		cmocka_unit_test(test_log_is_limited),
		cmocka_unit_test(test_memmap),
		cmocka_unit_test(test_memmap_too_fragmented),
		cmocka_unit_test(test_efi_memmap),
		cmocka_unit_test(test_efi_memory_types),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
