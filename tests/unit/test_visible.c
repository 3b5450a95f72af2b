/* 'Nothing in it moves the cursor, changes what stands elsewhere or what the terminal does, or
 * outlives its line' (lib/visible.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/visible.h"

#define LINE_MAX 300

static char shown[VISIBLE_GROWTH * LINE_MAX + VISIBLE_RESET + 1];

static const char *show_bytes(const char *bytes, size_t len)
{
	size_t made;

	memset(shown, '#', sizeof(shown));
	made = visible_line(shown, bytes, len);
	assert_true(made <= VISIBLE_GROWTH * len + VISIBLE_RESET);
	assert_int_equal(shown[made], '#');
	shown[made] = '\0';
	return shown;
}

static const char *show(const char *text)
{
	return show_bytes(text, strlen(text));
}

static void test_printable_stays(void **state)
{
	char all[127 - ' ' + 1] = "";

	(void)state;
	for (char c = ' '; c < 127; c++)
		all[c - ' '] = c;
	assert_string_equal(show(all), all);
	assert_string_equal(show("a\tb"), "a\tb");
	assert_string_equal(show(""), "");
}

static void test_control_characters_are_shown(void **state)
{
	(void)state;
	assert_string_equal(show_bytes("a\0b\x1f\x7f\r\n", 7), "a^@b^_^?^M^J");
	assert_string_equal(show("\x1b[2J"), "^[[2J");
	assert_string_equal(show("\x1b[1;1Hverdict: x: ok"), "^[[1;1Hverdict: x: ok");
	assert_string_equal(show("\x1b]0;title\a"), "^[]0;title^G");
	assert_string_equal(show("\x1b[?1049h\x1b"
				 "c\x1b"),
			    "^[[?1049h^[c^[");
}

/* CSI is 0x9b in 8 bits, and 0xc2 0x9b in UTF-8. */
static void test_upper_half_is_shown(void **state)
{
	(void)state;
	assert_string_equal(show("\x9b"
				 "2J"),
			    "\\x9b2J");
	assert_string_equal(show("\xc2\x9b"
				 "2J"),
			    "\\xc2\\x9b2J");
	assert_string_equal(show("\xe2\x80\xae\xff\x80"), "\\xe2\\x80\\xae\\xff\\x80");
}

/* 'So that each \xHH is a byte that was one'. */
static void test_what_looks_shown(void **state)
{
	(void)state;
	assert_string_equal(show("\\x9b"), "\\x5cx9b");
	assert_string_equal(show("\\\\x9B"), "\\\\x5cx9B");
	assert_string_equal(show("\\x9 \\xg0 \\n \\x0"), "\\x9 \\xg0 \\n \\x0");
	assert_string_equal(show("\\x"), "\\x");
	assert_string_equal(show("\\xaf\\xFA\\x09"), "\\x5cxaf\\x5cxFA\\x5cx09");
	assert_string_equal(show("\\x/0\\x:0\\x@0\\xG0\\x`0"), "\\x/0\\x:0\\x@0\\xG0\\x`0");
}

static void test_colours_pass_and_end(void **state)
{
	static const char *const good[] = {
		"\x1b[m",         "\x1b[0m",
		"\x1b[01;31m",    "\x1b[1;9;21;25;27;37;39;40;47;49;90;97;100;107m",
		"\x1b[;;m",       "\x1b[38;5;208m",
		"\x1b[48;5;0;1m", "\x1b[0;1;38;2;255;255;255;48;2;0;128;255m",
	};
	char want[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(visible_colour(good[i], strlen(good[i])), strlen(good[i]));
		strcpy(want, good[i]);
		strcat(want, "\x1b[0m");
		assert_string_equal(show(good[i]), want);
	}
	assert_string_equal(show("a\x1b[31mred\x1b[0m b"), "a\x1b[31mred\x1b[0m b\x1b[0m");
}

static void test_all_else_is_no_colour(void **state)
{
	static const char *const bad[] = {
		"\x1b[",
		"\x1b",
		"[1m",
		"\x1b[1",
		"\x1b[1;",
		"\x1b(1m",
		"\x1b[10m",
		"\x1b[11m",
		"\x1b[12m",
		"\x1b[20m",
		"\x1b[26m",
		"\x1b[50m",
		"\x1b[48m",
		"\x1b[38m",
		"\x1b[89m",
		"\x1b[98m",
		"\x1b[99m",
		"\x1b[108m",
		"\x1b[38;5m",
		"\x1b[38;1;1m",
		"\x1b[38;5;256m",
		"\x1b[38;2;1;2m",
		"\x1b[48;2;1;2;256m",
		"\x1b[4294967296m",
		"\x1b[99999999999999999999999m",
		"\x1b[>4;1m",
		"\x1b[?4m",
		"\x1b[1:2m",
		"\x1b[1 m",
		"\x1b[-1m",
		"\x1b[\x1b[m",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(visible_colour(bad[i], strlen(bad[i])), 0);
	assert_string_equal(show("\x1b[11mA\x1b[m"), "^[[11mA\x1b[m\x1b[0m");
}

static void test_longest_colour(void **state)
{
	char text[VISIBLE_COLOUR_MAX + 8] = "\x1b[";

	(void)state;
	memset(text + 2, '0', VISIBLE_COLOUR_MAX - 3);
	text[VISIBLE_COLOUR_MAX - 1] = 'm';
	assert_int_equal(visible_colour(text, strlen(text)), VISIBLE_COLOUR_MAX);
	assert_int_equal(visible_colour(text, VISIBLE_COLOUR_MAX - 1), 0);
	text[VISIBLE_COLOUR_MAX - 1] = '0';
	text[VISIBLE_COLOUR_MAX] = 'm';
	assert_int_equal(visible_colour(text, strlen(text)), 0);
}

/* Whatever comes in: printable, tabs and colours come out, and the last colour is taken back. */
static void test_random(void **state)
{
	static const char often[] = "\x1b\x1b[[;m0123589\\x\x9b\xc2";
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char line[LINE_MAX];
		size_t len = fake_random(&seed) % LINE_MAX, colour = 0;
		bool has_colour = false;

		for (size_t i = 0; i < len; i++)
			line[i] = fake_random(&seed) % 4
					  ? often[fake_random(&seed) % (sizeof(often) - 1)]
					  : (char)fake_random(&seed);
		show_bytes(line, len);
		for (const char *at = shown; *at; at += MAX(colour, (size_t)1)) {
			colour = visible_colour(at, strlen(at));
			has_colour |= colour != 0;
			assert_true(colour || *at == '\t' || (*at >= ' ' && *at <= '~'));
		}
		if (has_colour)
			assert_string_equal(shown + strlen(shown) - 4, "\x1b[0m");
	}
}

static void test_plain(void **state)
{
	char text[] = "a\tb~ \x1b[1m\n\x7f\x80\xff";

	(void)state;
	visible_plain(text, sizeof(text) - 1);
	assert_string_equal(text, "a\tb~ ?[1m????");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable_stays),
		cmocka_unit_test(test_control_characters_are_shown),
		cmocka_unit_test(test_upper_half_is_shown),
		cmocka_unit_test(test_what_looks_shown),
		cmocka_unit_test(test_colours_pass_and_end),
		cmocka_unit_test(test_all_else_is_no_colour),
		cmocka_unit_test(test_longest_colour),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
