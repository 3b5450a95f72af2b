/* lib/printf.h against the host's C library, which is the standard's word ('The fprintf function').
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/printf.h"

/* Odd formats are the point here. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat"

/* The same text, the same length, and nothing written behind the buffer's end, for several sizes.
 */
static void check(const char *fmt, ...)
{
	static const size_t sizes[] = {0, 1, 2, 7, 20, 300};
	char ours[304], libc[304];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		va_list args, again;
		int ours_len, libc_len;

		memset(ours, '#', sizeof(ours));
		memset(libc, '#', sizeof(libc));
		va_start(args, fmt);
		va_copy(again, args);
		ours_len = fmt_vsnprintf(ours, sizes[i], fmt, args);
		libc_len = vsnprintf(libc, sizes[i], fmt, again);
		va_end(again);
		va_end(args);
		if (ours_len != libc_len || memcmp(ours, libc, sizeof(ours)))
			fail_msg("'%s' size %zu: '%.*s' (%d), libc '%.*s' (%d)", fmt, sizes[i], 40,
				 ours, ours_len, 40, libc, libc_len);
	}
}

static void test_plain(void **state)
{
	(void)state;
	check("");
	check("no conversion");
	check("100%%, %c%c", 'a', 'b');
	check("[%s] [%10s] [%-10s] [%.2s] [%10.2s] [%-10.2s] [%.0s]", "abc", "abc", "abc", "abc",
	      "abc", "abc", "abc");
	check("[%5c] [%-5c]", 'x', 'y');
	check("[%*d] [%-*d] [%*d] [%.*d] [%.*d]", 6, 42, 6, 42, -6, 42, 4, 42, -1, 42);
	check("[%.*s]", 3, "abcdef");
	check("[%.*s] [%.*s] [%.*s]", 0, "abcdef", 1, "abcdef", -1, "abcdef");
	check("[%5.*s] [%-5.*s]", 0, "abcdef", 0, "abcdef");
	check("[%.*d] [%.*d] [%0*d] [%*d]", 0, 0, 0, 7, 0, 5, 0, 5);
	check("[%.*x] [%.*u] [%*.*d]", 0, 0, 1, 0, 1, 0, 0);
	check("%p %20p %-20p", (void *)0x1234, (void *)0xffffffffffffffff, (void *)0xabc);
}

static void test_lengths(void **state)
{
	(void)state;
	check("%hhd %hhu %hhx", 0x1ff, 0x1ff, 0x1ff);
	check("%hd %hu %hx", 0x1ffff, 0x1ffff, 0x1ffff);
	check("%d %u %x", INT32_MIN, UINT32_MAX, UINT32_MAX);
	check("%ld %lu %lx", INT64_MIN, UINT64_MAX, UINT64_MAX);
	check("%lld %llu %llX", (long long)INT64_MIN, (unsigned long long)UINT64_MAX,
	      (unsigned long long)UINT64_MAX);
	check("%zu %zd %td %ju %jd", SIZE_MAX, (ssize_t)-1, (ptrdiff_t)-7, UINTMAX_MAX, INTMAX_MIN);
	check("%" PRIu64 " %" PRIx64 " %" PRId64, UINT64_MAX, UINT64_MAX, INT64_MIN);
	check("%d %s %ld %s %u", 1, "two", 3l, "four", 5u);
}

/* Every combination of flags, widths and precisions with every integer conversion. */
static void test_all_flags(void **state)
{
	static const char types[] = "diuxX";
	static const int64_t values[] = {0,   1,    -1,        9,         10,
					 255, -256, INT32_MAX, INT64_MAX, INT64_MIN};

	(void)state;
	for (unsigned flags = 0; flags < 32; flags++)
		for (int width = -1; width < 24; width += 6)
			for (int precision = -1; precision < 22; precision += 5)
				for (size_t t = 0; t < sizeof(types) - 1; t++) {
					char fmt[40], number[12] = "", digits[12] = "";

					/* + and space have no meaning for unsigned conversions. */
					if (t >= 2 && (flags & 6))
						continue;
					if (t < 2 && (flags & 8))
						continue;
					if (width >= 0)
						snprintf(number, sizeof(number), "%d", width);
					if (precision >= 0)
						snprintf(digits, sizeof(digits), ".%d", precision);
					snprintf(fmt, sizeof(fmt), "%%%s%s%s%s%s%s%sl%c",
						 flags & 1 ? "-" : "", flags & 2 ? "+" : "",
						 flags & 4 ? " " : "", flags & 8 ? "#" : "",
						 flags & 16 ? "0" : "", number, digits, types[t]);
					for (size_t v = 0; v < ARRAY_SIZE(values); v++)
						check(fmt, values[v]);
				}
}

static void test_what_c_leaves_open(void **state)
{
	char buf[32];

	(void)state;
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%s", (const char *)NULL), 6);
	assert_string_equal(buf, "(null)");
	/* An unknown conversion is shown, and the format is read to its end. */
	fmt_snprintf(buf, sizeof(buf), "%q|%5y|%d", 7);
	assert_string_equal(buf, "%q|%5y|7");
	fmt_snprintf(buf, sizeof(buf), "end%");
	assert_string_equal(buf, "end%");
	fmt_snprintf(buf, sizeof(buf), "end%-08l");
	assert_string_equal(buf, "end%-08l");
}

/* An absurd width costs no time and no memory, and the length saturates. */
static void test_absurd_widths(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%2147483647d", 1), INT32_MAX);
	assert_string_equal(buf, "       ");
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%99999999999999999999d%2000000000d", 1, 2),
			 INT32_MAX);
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.2147483647d", 1), INT32_MAX);
	assert_string_equal(buf, "0000000");
}

/* C: with a precision the string need not be terminated. */
static void test_unterminated_string(void **state)
{
	char *text = malloc(3), buf[8];

	(void)state;
	memcpy(text, "abc", 3);
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.3s", text), 3);
	assert_string_equal(buf, "abc");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),         cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_all_flags),     cmocka_unit_test(test_what_c_leaves_open),
		cmocka_unit_test(test_absurd_widths), cmocka_unit_test(test_unterminated_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
