/* The names in SMBIOS structures, good and broken. The rules are those of the 'System Management
 * BIOS Reference Specification'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/smbios.h"

/* 'BIOS Information' and 'System Information' as firmware writes them, and 'End-of-Table'. */
static const char good[] = "\x00\x09\x01\x00\x01\x02\x00\xe0\x03"
			   "Phoenix\0001.2\00003/04/2020\0\0"
			   "\x01\x06\x02\x00\x02\x01"
			   "Model 5   \0Maker Inc.\0\0"
			   "\x7f\x04\x03\x00\0";
#define GOOD_TEXT "Maker Inc. Model 5, firmware Phoenix 1.2 03/04/2020"

static char text[SMBIOS_TEXT_MAX];

/* In memory of its own, so that a read behind the end is the sanitizer's. */
static bool describe(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool is_there;

	memcpy(copy, bytes, len);
	is_there = smbios_describe(copy, (uint32_t)len, text, sizeof(text));
	free(copy);
	return is_there;
}

static void test_names(void **state)
{
	(void)state;
	assert_true(describe(good, sizeof(good)));
	assert_string_equal(text, GOOD_TEXT);
}

/* 'If a string field references no string, a null (0) is placed in that string field', and a
 * structure without strings ends with two zeros. */
static void test_no_strings(void **state)
{
	static const char none[] = "\x00\x09\x01\x00\x00\x00\x00\xe0\x00\0\0"
				   "\x01\x06\x02\x00\x07\x01"
				   "Maker\0";

	(void)state;
	assert_true(describe(none, sizeof(none)));
	/* The maker's, string 7, is not there. */
	assert_string_equal(text, "Maker, firmware unnamed");
	assert_false(describe(none, 11));
	/* Strings whose end is not there: that structure, and what it says, is none. */
	assert_false(describe("\x01\x06\x02\x00\x01\x02Maker", 11));
	assert_false(describe("\x01\x06\x02\x00\x01\x02Maker", 12));
	assert_false(describe("\x01\x06\x02\x00\x01\x01M\0\0", 8));
	assert_true(describe("\x01\x06\x02\x00\x01\x01M\0\0", 9));
	assert_false(describe(none, 0));
}

/* What a terminal would obey is not printed. */
static void test_control_characters(void **state)
{
	static const char bad[] = "\x01\x06\x02\x00\x01\x02"
				  "A\033[2J\nB\0C\xe9\0";

	(void)state;
	assert_true(describe(bad, sizeof(bad)));
	assert_string_equal(text, "A?[2J?B C?, firmware unnamed");
}

/* Long strings are cut. */
static void test_long(void **state)
{
	char bytes[1000] = "\x01\x06\x02\x00\x01\x01";

	(void)state;
	memset(bytes + 6, 'x', 900);
	assert_true(describe(bytes, sizeof(bytes)));
	assert_in_range(strlen(text), 48, sizeof(text) - 1);
}

/* Cut off anywhere, or with one byte changed: never read behind the end. */
static void test_damage(void **state)
{
	char bytes[sizeof(good)];

	(void)state;
	for (size_t len = 0; len < sizeof(good); len++)
		describe(good, len);
	for (size_t at = 0; at < sizeof(good); at++)
		for (unsigned value = 0; value < 256; value += 5) {
			memcpy(bytes, good, sizeof(good));
			bytes[at] = (char)value;
			describe(bytes, sizeof(bytes));
			assert_in_range(strlen(text), 1, sizeof(text) - 1);
		}
}

static void put_sum(uint8_t *bytes, uint32_t len, uint32_t at)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[at] = (uint8_t)(bytes[at] - sum);
}

/* The entry points of both kinds: at a multiple of 16, and their bytes add up to 0. */
static void test_entry_points(void **state)
{
	static const uint8_t old[31] = {'_', 'S',         'M',  '_',  0,    31,   2,
					8,   [22] = 0x34, 0x12, 0x00, 0x00, 0x0e, 0x00};
	static const uint8_t new[24] = {'_',         'S',  'M',  '3',  '_',  0,    24,   3,
					[12] = 0x78, 0x56, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x00};
	struct smbios_place place;
	uint8_t area[128] = {0};

	(void)state;
	assert_false(smbios_find(area, sizeof(area), &place));
	memcpy(area + 32, old, sizeof(old));
	assert_false(smbios_find(area, sizeof(area), &place));
	put_sum(area + 32, sizeof(old), 4);
	assert_true(smbios_find(area, sizeof(area), &place));
	assert_int_equal(place.hpa, 0xe0000);
	assert_int_equal(place.len, 0x1234);
	/* Each byte of the anchor counts. */
	for (unsigned i = 0; i < 4; i++) {
		area[32 + i] ^= 1;
		area[32 + 4] ^= 1; /* the sum may be right all the same */
		put_sum(area + 32, sizeof(old), 4);
		assert_false(smbios_find(area, sizeof(area), &place));
		area[32 + i] ^= 1;
	}
	put_sum(area + 32, sizeof(old), 4);
	/* One that reaches behind the area is none. */
	assert_false(smbios_find(area, 32 + 16, &place));
	memcpy(area, new, sizeof(new));
	put_sum(area, sizeof(new), 5);
	assert_true(smbios_find(area, sizeof(area), &place));
	assert_int_equal(place.hpa, 0xf0000);
	assert_int_equal(place.len, 0x5678);
	/* A length of none, whose bytes add up to 0, is no entry point. */
	area[6] = 0;
	assert_true(smbios_find(area, sizeof(area), &place));
	assert_int_equal(place.hpa, 0xe0000);
	area[6] = 255;
	put_sum(area, 128, 5);
	assert_true(smbios_find(area, sizeof(area), &place));
	assert_int_equal(place.hpa, 0xe0000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_strings),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_entry_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
