/* lib/parse.c: 'Parses all of `text` as an unsigned number, decimal or 0x-hexadecimal'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/errno.h"
#include "lib/string.h"

struct row {
	const char *text;
	bool suffixes;
	int err;
	uint64_t value;
};

static const struct row rows[] = {
	{"0", false, 0, 0},
	{"00012", false, 0, 12},
	{"18446744073709551615", false, 0, UINT64_MAX},
	{"18446744073709551616", false, -ERANGE, 0},
	{"99999999999999999999999999", false, -ERANGE, 0},
	{"0x0", false, 0, 0},
	{"0X1f", false, 0, 31},
	{"0xDEADbeef", false, 0, 0xdeadbeef},
	{"0xffffffffffffffff", false, 0, UINT64_MAX},
	{"0x10000000000000000", false, -ERANGE, 0},
	{"4K", true, 0, 4096},
	{"4k", true, 0, 4096},
	{"0x10M", true, 0, 16ull << 20},
	{"3g", true, 0, 3ull << 30},
	{"2T", true, 0, 2ull << 40},
	{"16777215T", true, 0, 16777215ull << 40},
	{"16777216T", true, -ERANGE, 0},
	{"0T", true, 0, 0},
	{"12", true, 0, 12},
	{"4K", false, -EINVAL, 0},
	{"4KB", true, -EINVAL, 0},
	{"4KK", true, -EINVAL, 0},
	{"", false, -EINVAL, 0},
	{"", true, -EINVAL, 0},
	{"K", true, -EINVAL, 0},
	{"0x", false, -EINVAL, 0},
	{"0xM", true, -EINVAL, 0},
	{"x1", false, -EINVAL, 0},
	{"-1", false, -EINVAL, 0},
	{"+1", false, -EINVAL, 0},
	{" 1", false, -EINVAL, 0},
	{"1 ", false, -EINVAL, 0},
	{"1.5", false, -EINVAL, 0},
	{"12a", false, -EINVAL, 0},
	{"0x12g", false, -EINVAL, 0},
	{"99999999999999999999999999x", false, -EINVAL, 0},
};

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Not terminated, so that a read behind the end is the sanitizer's. */
		size_t len = strlen(rows[i].text);
		char *text = malloc(len ? len : 1);
		uint64_t value = 0;

		memcpy(text, rows[i].text, len);
		if (parse_u64(text, len, rows[i].suffixes, &value) != rows[i].err)
			fail_msg("'%s': wrong answer", rows[i].text);
		if (!rows[i].err)
			assert_int_equal(value, rows[i].value);
		free(text);
	}
}

static void test_value_stays_on_error(void **state)
{
	uint64_t value = 77;

	(void)state;
	assert_int_equal(parse_u64("12x", 3, false, &value), -EINVAL);
	assert_int_equal(parse_u64("99999999999999999999", 20, false, &value), -ERANGE);
	assert_int_equal(value, 77);
	/* Only `len` characters count. */
	assert_int_equal(parse_u64("12x", 2, false, &value), 0);
	assert_int_equal(value, 12);
}

/* 'Always terminated. True when it fitted whole.' */
static void test_str_copy(void **state)
{
	char buf[6];

	(void)state;
	memset(buf, '#', sizeof(buf));
	assert_true(str_copy(buf, "abcd", 5));
	assert_memory_equal(buf, "abcd\0#", 6);
	assert_false(str_copy(buf, "abcde", 5));
	assert_memory_equal(buf, "abcd\0#", 6);
	assert_true(str_copy(buf, "", 1));
	assert_memory_equal(buf, "\0bcd\0#", 6);
	assert_false(str_copy(buf, "x", 1));
	assert_memory_equal(buf, "\0bcd\0#", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_value_stays_on_error),
		cmocka_unit_test(test_str_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
