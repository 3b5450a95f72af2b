/* Text on a framebuffer: what stands where, by reading the font's glyphs back; pitch, colours,
 * scale, scrolling, and that nothing outside the visible pixels is touched, nor painted twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/fbtext.h"
#include "drivers/font.h"

#define FILL 0x5au

static uint8_t *memory;
static struct fb_mode mode;
static struct log_sink *sink;

/* A screen whose last line ends where the memory does: the sanitizer sees a pixel too far. */
static void screen(uint32_t width, uint32_t height, uint32_t pitch)
{
	size_t size = (size_t)pitch * (height - 1) + (size_t)width * 4;

	free(memory);
	memory = malloc(size);
	memset(memory, FILL, size);
	mode = (struct fb_mode){.base = memory,
				.pitch = pitch,
				.width = width,
				.height = height,
				.red = {16, 8},
				.green = {8, 8},
				.blue = {0, 8}};
	sink = fbtext_init(&mode);
}

static void show(const char *text)
{
	sink->write(sink, text, strlen(text));
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
	uint32_t v;

	memcpy(&v, memory + (size_t)y * mode.pitch + (size_t)x * 4, sizeof(v));
	return v;
}

/* The character whose glyph stands at this place, '?' for none: 'on' is whatever is not black. */
static char read_cell(uint32_t row, uint32_t column, uint32_t scale)
{
	for (unsigned c = FONT_FIRST; c <= FONT_LAST; c++) {
		bool is_same = true;

		for (uint32_t y = 0; is_same && y < FONT_HEIGHT * scale; y++)
			for (uint32_t x = 0; is_same && x < FONT_WIDTH * scale; x++)
				is_same = !!pixel(column * FONT_WIDTH * scale + x,
						  row * FONT_HEIGHT * scale + y) ==
					  (font_glyph_of((uint8_t)c)[y / scale] >>
						   (FONT_WIDTH - 1 - x / scale) &
					   1);
		if (is_same)
			return (char)c;
	}
	return '?';
}

static void assert_row(uint32_t row, const char *text, uint32_t scale)
{
	char read[300];
	size_t n = strlen(text);

	for (uint32_t i = 0; i < n; i++)
		read[i] = read_cell(row, i, scale);
	read[n] = '\0';
	assert_string_equal(read, text);
}

static void test_every_glyph_is_its_own(void **state)
{
	(void)state;
	for (unsigned a = FONT_FIRST; a <= FONT_LAST; a++)
		for (unsigned b = a + 1; b <= FONT_LAST + 1; b++)
			assert_memory_not_equal(font_glyph_of((uint8_t)a),
						font_glyph_of((uint8_t)b), FONT_HEIGHT);
	/* The letter that an 8 x 16 font cannot get wrong: a bar. */
	for (unsigned y = 4; y < 12; y++)
		assert_true(font_glyph_of('|')[y]);
	for (unsigned y = 0; y < FONT_HEIGHT; y++)
		assert_int_equal(font_glyph_of(' ')[y], 0);
}

static void test_text_stands_where_it_should(void **state)
{
	(void)state;
	screen(640, 480, 640 * 4);
	assert_non_null(sink);
	show("Hello, screen\n\x1b[1;31mse\x1b[0mcond\ta\rS\n"); /* colours: none here */
	assert_row(0, "Hello, screen ", 1);
	assert_row(1, "Second  a ", 1);
	assert_row(2, "  ", 1);
}

static void test_screen_is_cleared_and_the_rest_not_touched(void **state)
{
	(void)state;
	/* 100 bytes behind each line are not ours. */
	screen(645, 483, 645 * 4 + 100); /* lines at odd multiples of 4 */
	for (int i = 0; i < 60; i++)
		show("a line that scrolls the screen, with \x01\xff\x80 strange bytes\n");
	for (uint32_t y = 0; y + 1 < mode.height; y++)
		for (uint32_t i = mode.width * 4; i < mode.pitch; i++)
			assert_int_equal(memory[(size_t)y * mode.pitch + i], FILL);
	/* The right and lower edges, where no letter fits, are black. */
	for (uint32_t y = 0; y < mode.height; y++)
		assert_int_equal(pixel(644, y), 0);
	assert_int_equal(pixel(0, 482), 0);
}

static void test_colours_follow_the_masks(void **state)
{
	static const struct {
		struct fb_colour red, green, blue;
		uint32_t ink;
	} cases[] = {
		{{16, 8}, {8, 8}, {0, 8}, 0x00c0c0c0},
		{{8, 8}, {16, 8}, {24, 8}, 0xc0c0c000},
		{{0, 10}, {10, 10}, {20, 10}, 0x300u | 0x300u << 10 | 0x300u << 20},
		{{10, 5}, {5, 5}, {0, 5}, 0x18u | 0x18u << 5 | 0x18u << 10},
		/* One colour alone: the others have no bits. */
		{{0, 0}, {31, 1}, {0, 0}, 0x80000000},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t ink = 0;

		screen(640, 480, 640 * 4);
		mode.red = cases[i].red;
		mode.green = cases[i].green;
		mode.blue = cases[i].blue;
		sink = fbtext_init(&mode);
		show("H");
		for (uint32_t y = 0; y < FONT_HEIGHT; y++)
			for (uint32_t x = 0; x < FONT_WIDTH; x++)
				ink |= pixel(x, y);
		assert_int_equal(ink, cases[i].ink);
	}
}

static void test_it_scrolls(void **state)
{
	char line[32];

	(void)state;
	/* 30 rows; line 30 finds the screen full, and 7 go. The rest of each row is blank. */
	screen(640, 480, 640 * 4);
	for (int i = 0; i < 30; i++) {
		snprintf(line, sizeof(line), "%sline %d of many", i ? "\n" : "", i);
		show(line);
	}
	assert_row(0, "line 0 of many  ", 1);
	assert_row(29, "line 29 of many ", 1);
	show("\nx");
	assert_row(0, "line 7 of many  ", 1);
	assert_row(22, "line 29 of many ", 1);
	assert_row(23, "x               ", 1);
	for (uint32_t row = 24; row < 30; row++)
		assert_row(row, "                ", 1);
	/* In one piece it comes to the same. */
	screen(640, 480, 640 * 4);
	show("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n"
	     "21\n22\n23\n24\n25\n26\n27\n28\n29\n30\n31\n32");
	assert_row(0, "8  ", 1);
	assert_row(24, "32 ", 1);
}

static void test_long_lines_are_continued(void **state)
{
	char text[101];

	(void)state;
	screen(640, 480, 640 * 4); /* 80 columns */
	memset(text, 'x', 79);
	memcpy(text + 79, "yz", 3);
	show(text);
	assert_int_equal(read_cell(0, 79, 1), 'y');
	assert_int_equal(read_cell(1, 0, 1), 'z');
	/* A line as long as the screen's takes one row, not two. */
	screen(640, 480, 640 * 4);
	text[80] = '\n';
	text[81] = '\0';
	show(text);
	show("next");
	assert_row(1, "next", 1);
}

static void test_only_what_changes_is_painted(void **state)
{
	(void)state;
	screen(640, 480, 640 * 4);
	show("abc\n");
	memset(memory, FILL, 640 * 4 * 480);
	show("abd");
	/* 'abc' and the rest of the screen were left as they were; 'abd' was painted. */
	assert_row(1, "abd", 1);
	for (uint32_t y = 0; y < FONT_HEIGHT; y++)
		for (uint32_t x = 0; x < 640; x++)
			assert_int_equal(pixel(x, y), FILL * 0x01010101u);
	assert_int_equal(pixel(3 * FONT_WIDTH, FONT_HEIGHT), FILL * 0x01010101u);
}

static void test_large_screens_get_large_letters(void **state)
{
	static const struct {
		uint32_t width, height, scale;
	} cases[] = {{1024, 768, 1},  {1920, 1080, 1}, {2048, 1152, 1}, {2560, 1440, 2},
		     {3840, 2160, 2}, {7680, 4320, 4}, {1080, 4000, 1}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t rows = cases[i].height / (16 * cases[i].scale);

		screen(cases[i].width, cases[i].height, cases[i].width * 4);
		assert_non_null(sink);
		show("Large 42\n");
		assert_row(0, "Large 42", cases[i].scale);
		/* Down to the last row, of which there are 128 at the most. */
		rows = rows < 128 ? rows : 128;
		for (uint32_t row = 2; row < rows; row++)
			show("\n");
		show("last");
		assert_row(rows - 1, "last", cases[i].scale);
	}
}

static void test_screens_that_are_too_small(void **state)
{
	(void)state;
	screen(319, 480, 320 * 4);
	assert_null(sink);
	screen(320, 159, 320 * 4);
	assert_null(sink);
	screen(320, 160, 320 * 4);
	assert_non_null(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_glyph_is_its_own),
		cmocka_unit_test(test_text_stands_where_it_should),
		cmocka_unit_test(test_screen_is_cleared_and_the_rest_not_touched),
		cmocka_unit_test(test_colours_follow_the_masks),
		cmocka_unit_test(test_it_scrolls),
		cmocka_unit_test(test_long_lines_are_continued),
		cmocka_unit_test(test_only_what_changes_is_painted),
		cmocka_unit_test(test_large_screens_get_large_letters),
		cmocka_unit_test(test_screens_that_are_too_small),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(memory);
	return failed;
}
