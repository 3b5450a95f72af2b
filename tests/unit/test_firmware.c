/* What the loader puts into fw_cfg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "fakes/platform.h"
#include "lib/errno.h"
#include "loader/firmware.h"

static struct fake_guest guest;
static struct fake_platform fake;
static struct fw_cfg fw;
static struct bus ports;
static char error[256];

static int setup(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(2));
	fake_platform_init(&fake, 1000000000);
	fw_cfg_init(&fw, &fake.platform, MIB(2), 1);
	bus_init(&ports);
	assert_int_equal(fw_cfg_attach(&fw, &ports), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_free(&guest);
	return 0;
}

static int describe(void)
{
	return firmware_describe(&guest.config, &guest.shape, &fw, error, sizeof(error));
}

static void read_item(uint16_t key, void *to, unsigned len)
{
	uint64_t value;

	assert_true(bus_write(&ports, 0x510, 2, key));
	for (unsigned i = 0; i < len; i++) {
		assert_true(bus_read(&ports, 0x511, 1, &value));
		((uint8_t *)to)[i] = (uint8_t)value;
	}
}

static void test_description(void **state)
{
	const struct boot_module data = {.data = (const uint8_t *)"data", .size = 4};
	struct fw_cfg_e820 e820[3];
	char text[8];

	(void)state;
	guest.config.append = "a=b";
	guest.config.file[0] = (struct vm_module){&data, "opt/x"};
	guest.config.file_count = 1;
	assert_int_equal(describe(), 0);
	read_item(0x15, text, 4);
	assert_string_equal(text, "a=b");
	read_item(0x20, e820, sizeof(e820));
	assert_true(e820[0].base == 0 && e820[0].len == 0xa0000 && e820[0].type == 1);
	assert_true(e820[1].base == 0xa0000 && e820[1].len == 0x60000 && e820[1].type == 2);
	assert_true(e820[2].base == MIB(1) && e820[2].len == MIB(1) && e820[2].type == 1);
	read_item(0x21, text, 5);
	assert_memory_equal(text, "data\0", 5);
}

static void test_errors(void **state)
{
	const struct boot_module data = {.data = (const uint8_t *)"", .size = 0};
	const struct boot_module huge = {.data = (const uint8_t *)"", .size = GIB(5)};

	(void)state;
	guest.config.file[0] = guest.config.file[1] = (struct vm_module){&data, "opt/x"};
	guest.config.file_count = 2;
	assert_int_equal(describe(), -EINVAL);
	assert_non_null(strstr(error, "vm 'test': file 'opt/x'"));
	assert_non_null(strstr(error, "there already"));
	teardown(NULL);
	setup(NULL);
	guest.config.file[0] = (struct vm_module){&huge, "opt/huge"};
	guest.config.file_count = 1;
	assert_int_equal(describe(), -EFBIG);
	assert_non_null(strstr(error, "4 GiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_description, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
