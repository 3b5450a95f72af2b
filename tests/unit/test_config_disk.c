/* Modules that are disks, and the words of virtio devices: docs/guests.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "loader/config.h"

static struct config config;
static struct boot_module modules[8];

#define PARSE(...)                                                                                 \
	do {                                                                                       \
		const char *lines[] = {"vm=web kernel", __VA_ARGS__};                              \
		parse_lines(lines, sizeof(lines) / sizeof(lines[0]), 1024);                        \
	} while (0)

static void parse_lines(const char *const *lines, uint32_t count, uint64_t size)
{
	for (uint32_t i = 0; i < count; i++)
		modules[i] = (struct boot_module){.cmdline = lines[i], .size = size};
	config_parse(&config, "", modules, count, 4);
	assert_int_equal(config.vm_count, 1);
	assert_int_equal(config.error_count, 0);
}

static void assert_error(const char *part)
{
	if (!strstr(config.vm[0].error, part))
		fail_msg("'%s' does not contain '%s'", config.vm[0].error, part);
}

static void test_disks(void **state)
{
	const struct vm_config *vm = &config.vm[0];

	(void)state;
	PARSE("vm=web disk", "/disk.img ro vm=web disk serial=\"A b\"",
	      "disk serial=01234567890123456789 vm=web");
	assert_string_equal(vm->error, "");
	assert_int_equal(vm->disk_count, 3);
	assert_int_equal(vm->module_count, 0);
	assert_ptr_equal(vm->disk[0].module, &modules[1]);
	assert_false(vm->disk[0].is_read_only);
	assert_string_equal(vm->disk[0].serial, "disk0");
	assert_ptr_equal(vm->disk[1].module, &modules[2]);
	assert_true(vm->disk[1].is_read_only);
	assert_memory_equal(vm->disk[1].serial, "A b\0", 4);
	assert_memory_equal(vm->disk[2].serial, "01234567890123456789", CONFIG_SERIAL_MAX);
}

static void test_bad_disks(void **state)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{"vm=web disk rw", "unknown word 'rw' at a disk; known: ro serial="},
		{"vm=web disk mem=64M", "unknown word 'mem=64M' at a disk"},
		{"vm=web disk ro ro", "'ro' is there twice"},
		{"vm=web disk serial=", "bad value in 'serial='"},
		{"vm=web disk serial=012345678901234567890", "1 to 20 printable"},
		{"vm=web disk serial=\"a\tb\"", "1 to 20 printable"},
		{"vm=web disk serial=\"a", "bad quote"},
		{"vm=web disk -- text", "text behind '--' at a disk"},
		{"vm=web disk initrd", "two roles"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		PARSE(rows[i].line);
		assert_error("vm 'web': ");
		assert_error(rows[i].error);
	}
	PARSE("vm=web disk", "vm=web disk", "vm=web disk", "vm=web disk");
	assert_string_equal(config.vm[0].error, "");
	PARSE("vm=web disk", "vm=web disk", "vm=web disk", "vm=web disk", "vm=web disk");
	assert_error("module 6 is one disk too many: a VM has at most 4");
	assert_int_equal(config.vm[0].disk_count, CONFIG_DISKS_MAX);
}

/* 'capacity ... in 512-byte sectors': nothing else can be told. */
static void test_sizes(void **state)
{
	static const char *const lines[] = {"vm=web kernel", "vm=web disk"};
	static const uint64_t sizes[] = {0, 1, 511, 513, 1000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		parse_lines(lines, 2, sizes[i]);
		assert_error("multiple of 512");
	}
	parse_lines(lines, 2, 512);
	assert_string_equal(config.vm[0].error, "");
}

static void test_device_words(void **state)
{
	static const char *const on[] = {"vm=web kernel virtio-rng=on virtio-console=on"};
	static const char *const off[] = {"vm=web kernel virtio-rng=off"};
	static const char *const bad[] = {"vm=web kernel virtio-rng=yes"};

	(void)state;
	parse_lines(on, 1, 1);
	assert_true(config.vm[0].has_virtio_rng && config.vm[0].has_virtio_console);
	parse_lines(off, 1, 1);
	assert_false(config.vm[0].has_virtio_rng || config.vm[0].has_virtio_console);
	parse_lines(bad, 1, 1);
	assert_error("virtio-rng= takes on or off");
}

static void test_a_disk_alone(void **state)
{
	static const char *const lines[] = {"vm=web disk"};

	(void)state;
	parse_lines(lines, 1, 512);
	assert_error("a disk without a kernel");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disks),        cmocka_unit_test(test_bad_disks),
		cmocka_unit_test(test_sizes),        cmocka_unit_test(test_device_words),
		cmocka_unit_test(test_a_disk_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
