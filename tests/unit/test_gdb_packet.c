/* The pieces that gdb's packets are read and written by: monitor/gdb/packet.h's words are the
 * rules. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "monitor/gdb/packet.h"

static struct gdb_cursor cursor(const char *text)
{
	return (struct gdb_cursor){.at = text, .end = text + strlen(text)};
}

/* Two digits a byte; at the first that is none, or is missing, nothing more is read or written. */
static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		unsigned good;
	} rows[] = {{"0aFf3", 2}, {"0aFf", 2}, {"0ag0", 1}, {"0a0g", 1}, {"", 0},    {"0", 0},
		    {"0a/0", 1},  {"0a:0", 1}, {"0a`0", 1}, {"0a@0", 1}, {"0aG0", 1}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gdb_cursor c = cursor(rows[i].text);
		uint8_t to[4] = {0x55, 0x55, 0x55, 0x55};

		gdb_bytes(&c, to, 3);
		assert_true(c.is_bad);
		assert_ptr_equal(c.at, rows[i].text + 2 * rows[i].good);
		for (unsigned n = 0; n < 4; n++)
			assert_int_equal(to[n], n >= rows[i].good ? 0x55 : n ? 0xff : 0x0a);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t number;
		bool is_bad;
	} rows[] = {{"0", 0, false},
		    {"7fFFa", 0x7fffa, false},
		    {"ffffffffffffffff", UINT64_MAX, false},
		    {"10000000000000000", 0, true},
		    {"", 0, true},
		    {"g", 0, true}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gdb_cursor c = cursor(rows[i].text);
		uint64_t number = gdb_number(&c);

		assert_int_equal(c.is_bad, rows[i].is_bad);
		if (!c.is_bad)
			assert_true(number == rows[i].number && c.at == c.end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
