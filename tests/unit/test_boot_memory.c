/* What of the memory map may be handed out at boot, wherever the boot loader has put things. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "boot/memory.h"
#include "fakes/log.h"
#include "lib/errno.h"
#include "mm/space.h"

/* The linker script's, and what builds the address space: of no matter here. */
const uint8_t image_start[1], image_end[1];

int space_init(const struct memmap *ram)
{
	(void)ram;
	return 0;
}

static struct boot boot;

/* As OVMF's map is: all of low memory, and RAM from 1 MiB on with a hole. */
static const struct mb2_mmap_entry map[] = {
	{.base = 0, .length = 0xa0000, .type = MB2_MEMORY_AVAILABLE},
	{.base = MIB(1), .length = MIB(7), .type = MB2_MEMORY_AVAILABLE},
	{.base = MIB(8), .length = MIB(1), .type = MB2_MEMORY_NVS},
	{.base = MIB(9), .length = MIB(247), .type = MB2_MEMORY_AVAILABLE},
};

static int setup(void **state)
{
	(void)state;
	boot = (struct boot){.mb2 = {
				     .info = (const uint8_t *)MIB(2),
				     .size = 5000,
				     .mmap = {(const uint8_t *)map, sizeof(map[0]),
					      sizeof(map) / sizeof(map[0])},
			     }};
	return 0;
}

static void add_module(uint64_t start, uint64_t end)
{
	boot.mb2.module[boot.mb2.module_count++] = (struct mb2_module){start, end, ""};
}

/* Is all of [start, end) in the map, and no byte of it missing? */
static bool is_inside(const struct memmap *in, uint64_t start, uint64_t end)
{
	uint64_t at;

	return memmap_find(in, end - start, 1, start, end, &at) && at == start;
}

static bool is_outside(const struct memmap *of, uint64_t start, uint64_t end)
{
	uint64_t at;

	return !memmap_find(of, 1, 1, start, end, &at);
}

/* Page 0 is nobody's; whole pages of the structure and of the modules are taken. */
static void test_what_is_taken(void **state)
{
	(void)state;
	add_module(MIB(1), MIB(1) + 1);
	add_module(MIB(4), MIB(4)); /* an empty file */
	assert_int_equal(memory_read_map(&boot), 0);
	assert_true(is_outside(&boot.free, 0, PAGE_SIZE));
	assert_true(is_inside(&boot.free, PAGE_SIZE, 0xa0000));
	assert_true(is_outside(&boot.free, 0xa0000, MIB(1) + PAGE_SIZE));
	assert_true(is_inside(&boot.free, MIB(1) + PAGE_SIZE, MIB(2)));
	assert_true(is_outside(&boot.free, MIB(2), MIB(2) + 2 * PAGE_SIZE));
	assert_true(is_inside(&boot.free, MIB(2) + 2 * PAGE_SIZE, MIB(8)));
	assert_true(is_outside(&boot.free, MIB(8), MIB(9)));
	/* RAM to be mapped it all is. */
	assert_true(is_inside(&boot.ram, 0, 0xa0000));
	assert_true(is_inside(&boot.ram, MIB(1), MIB(8)));
}

/* GRUB under UEFI puts modules and the structure into the first free pages, also below 640 KiB: the
 * page for the other CPUs' first steps is one that none of them has. */
static void test_modules_below_640k(void **state)
{
	hpa_t page;

	(void)state;
	boot.mb2.info = (const uint8_t *)(uintptr_t)0x1000;
	boot.mb2.size = 0x1001;
	add_module(0x3000, 0x50010);
	add_module(0x52000, 0xa0000);
	assert_int_equal(memory_read_map(&boot), 0);
	assert_true(memory_take_low_page(&boot, &page));
	assert_int_equal(page.v, 0x51000);
	assert_true(is_outside(&boot.free, 0, MIB(1)));
	assert_false(memory_take_low_page(&boot, &page));
}

/* What the map calls reserved, and a module lies in, is read and never handed out. */
static void test_module_outside_of_ram(void **state)
{
	(void)state;
	add_module(MIB(8) + 0x1000, MIB(8) + 0x2000);
	assert_int_equal(memory_read_map(&boot), 0);
	assert_true(is_inside(&boot.ram, MIB(8) + 0x1000, MIB(8) + 0x2000));
	assert_true(is_outside(&boot.free, MIB(8), MIB(9)));
}

/* For whoever looks into a boot that went wrong: all of it, at level debug. */
static void test_map_is_logged(void **state)
{
	(void)state;
	add_module(MIB(4), MIB(4) + 0x1234);
	add_module(MIB(5), MIB(6));
	log_set_level(LOG_DEBUG);
	fake_log_clear();
	assert_int_equal(memory_read_map(&boot), 0);
	log_set_level(LOG_INFO);
	assert_int_equal(fake_log_count("RAM: 0 to 0xa0000\n"), 1);
	assert_int_equal(fake_log_count("RAM: 0x100000 to 0x800000\n"), 1);
	assert_int_equal(fake_log_count("RAM: 0x900000 to 0x10000000\n"), 1);
	assert_int_equal(fake_log_count("RAM: "), 4); /* and the image, which is this program's */
	assert_int_equal(fake_log_count("module 1: 0x400000 to 0x401234\n"), 1);
	assert_int_equal(fake_log_count("module 2: 0x500000 to 0x600000\n"), 1);
	assert_int_equal(fake_log_count("module "), 2);
}

static void test_no_map(void **state)
{
	(void)state;
	boot.mb2.mmap = (struct mb2_entries){0};
	assert_int_equal(memory_read_map(&boot), -ENOENT);
}

/* 'All RAM' ends where an identity map must. */
static void test_beyond_the_address_space(void **state)
{
	static const struct mb2_mmap_entry far[] = {
		{.base = MIB(1), .length = MIB(64), .type = MB2_MEMORY_AVAILABLE},
		{.base = (1ull << 47) - MIB(2), .length = MIB(4), .type = MB2_MEMORY_AVAILABLE},
		{.base = 1ull << 48, .length = MIB(4), .type = MB2_MEMORY_AVAILABLE},
		{.base = 1ull << 62, .length = MIB(4), .type = MB2_MEMORY_AVAILABLE},
	};

	(void)state;
	boot.mb2.mmap = (struct mb2_entries){(const uint8_t *)far, sizeof(far[0]), 4};
	assert_int_equal(memory_read_map(&boot), 0);
	assert_true(is_inside(&boot.free, (1ull << 47) - MIB(2), 1ull << 47));
	assert_true(is_outside(&boot.ram, 1ull << 47, UINT64_MAX));
	assert_true(is_outside(&boot.free, 1ull << 47, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_taken, setup),
		cmocka_unit_test_setup(test_modules_below_640k, setup),
		cmocka_unit_test_setup(test_module_outside_of_ram, setup),
		cmocka_unit_test_setup(test_no_map, setup),
		cmocka_unit_test_setup(test_map_is_logged, setup),
		cmocka_unit_test_setup(test_beyond_the_address_space, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
