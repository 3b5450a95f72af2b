/* The screen is kept as characters in ordinary memory, twice: as it is to be, and as it was
 * painted. Scrolling moves the first, by a quarter of the screen, since it costs as much as
 * scrolling by a line; only the characters that differ are painted, once for each write, and the
 * framebuffer, which may be slow, is never read. */
#include "drivers/fbtext.h"
#include "drivers/font.h"
#include "lib/string.h"
#include "lib/visible.h"

#define COLUMNS_MAX 256u
#define ROWS_MAX    128u
#define SCALE_MAX   8u
/* A screen that is wider gets larger letters: 8 pixels are hard to read among so many. */
#define SCALE_WIDTH 2048u
#define TAB         8u
#define INK         0xc0u /* light grey, of 255 */

/* At any address: a line may begin at each multiple of 4. */
struct pixel_pair {
	uint64_t v;
} __packed __attribute__((may_alias));

static struct {
	struct fb_mode mode;           /* (i) */
	uint32_t columns, rows, scale; /* (i) */
	/* (i) The pixels of each four bits of a glyph's row, two to a word. */
	uint64_t nibble[16][2 * SCALE_MAX];
	uint32_t row, column;                   /* the log's lock: where the next character goes */
	uint8_t cell[ROWS_MAX][COLUMNS_MAX];    /* the log's lock: what is to be shown */
	uint8_t painted[ROWS_MAX][COLUMNS_MAX]; /* the log's lock: what is shown */
} screen;

static void scroll(uint32_t by)
{
	memmove(screen.cell[0], screen.cell[by], (size_t)(screen.rows - by) * COLUMNS_MAX);
	memset(screen.cell[screen.rows - by], ' ', (size_t)by * COLUMNS_MAX);
	screen.row -= by;
}

/* A panic may begin while another pCPU is in here: row and column are inside the screen at each
 * moment, but for column == columns. */
static void new_line(void)
{
	if (screen.row + 1 >= screen.rows)
		scroll(screen.rows / 4);
	screen.row++;
	screen.column = 0;
}

static void put(char c)
{
	if (screen.column >= screen.columns)
		new_line();
	screen.cell[screen.row][screen.column] = (uint8_t)c;
	screen.column++;
}

static void paint_cell(uint32_t row, uint32_t column)
{
	const uint8_t *glyph = font_glyph_of(screen.cell[row][column]);
	const uint32_t pairs = 2 * screen.scale; /* in a nibble */
	uint8_t *to = screen.mode.base +
		      (size_t)row * FONT_HEIGHT * screen.scale * screen.mode.pitch +
		      (size_t)column * FONT_WIDTH * screen.scale * sizeof(uint32_t);

	for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
		const uint64_t *left = screen.nibble[glyph[y] >> 4];
		const uint64_t *right = screen.nibble[glyph[y] & 15];

		for (uint32_t i = 0; i < screen.scale; i++, to += screen.mode.pitch) {
			struct pixel_pair *pair = (struct pixel_pair *)to;

			for (uint32_t n = 0; n < pairs; n++) {
				pair[n].v = left[n];
				pair[pairs + n].v = right[n];
			}
		}
	}
}

static void paint(void)
{
	for (uint32_t row = 0; row < screen.rows; row++) {
		if (!memcmp(screen.cell[row], screen.painted[row], screen.columns))
			continue;
		for (uint32_t column = 0; column < screen.columns; column++) {
			if (screen.cell[row][column] == screen.painted[row][column])
				continue;
			paint_cell(row, column);
			screen.painted[row][column] = screen.cell[row][column];
		}
	}
}

static void write(struct log_sink *sink __unused, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t colour = visible_colour(text + i, len - i);

		if (colour)
			i += colour - 1; /* there are none here */
		else if (text[i] == '\n')
			new_line();
		else if (text[i] == '\r')
			screen.column = 0;
		else if (text[i] == '\t')
			do
				put(' ');
			while (screen.column % TAB);
		else
			put(text[i]);
	}
	paint();
}

static struct log_sink sink = {.write = write};

/* `value` of 255 in the place of the colour. */
static uint32_t colour_bits(struct fb_colour colour, uint32_t value)
{
	uint32_t bits = colour.size <= 8 ? value >> (8 - colour.size) : value << (colour.size - 8);

	return bits << colour.pos;
}

static void fill_nibbles(uint32_t ink)
{
	for (uint32_t bits = 0; bits < 16; bits++) {
		for (uint32_t i = 0; i < 4 * screen.scale; i++) {
			bool is_ink = bits >> (3 - i / screen.scale) & 1;

			screen.nibble[bits][i / 2] |= (uint64_t)(is_ink ? ink : 0) << (i % 2 * 32);
		}
	}
}

static void clear(void)
{
	for (uint32_t y = 0; y < screen.mode.height; y++)
		memset(screen.mode.base + (size_t)y * screen.mode.pitch, 0,
		       (size_t)screen.mode.width * sizeof(uint32_t));
	memset(screen.cell, ' ', sizeof(screen.cell));
	memset(screen.painted, ' ', sizeof(screen.painted));
}

struct log_sink *fbtext_init(const struct fb_mode *mode)
{
	uint32_t scale = MIN(1 + (mode->width - 1) / SCALE_WIDTH, SCALE_MAX);
	uint32_t columns = MIN(mode->width / (FONT_WIDTH * scale), COLUMNS_MAX);
	uint32_t rows = MIN(mode->height / (FONT_HEIGHT * scale), ROWS_MAX);

	if (!mode->width || columns < FBTEXT_COLUMNS_MIN || rows < FBTEXT_ROWS_MIN)
		return NULL;
	screen.mode = *mode;
	screen.scale = scale;
	screen.columns = columns;
	screen.rows = rows;
	screen.row = screen.column = 0;
	memset(screen.nibble, 0, sizeof(screen.nibble));
	fill_nibbles(colour_bits(mode->red, INK) | colour_bits(mode->green, INK) |
		     colour_bits(mode->blue, INK));
	clear();
	return &sink;
}
