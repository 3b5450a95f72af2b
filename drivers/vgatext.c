/* VGA text mode: two bytes a character, its code and its colours. The window has room for several
 * screens of lines; the screen is scrolled by telling the CRT controller where it starts, so that a
 * line costs no more than its own characters. */
#include "cpu/insn.h"
#include "drivers/vgatext.h"
#include "lib/string.h"
#include "lib/visible.h"

#define ATTRIBUTE 0x0700u /* light grey on black */
#define BLANK     (ATTRIBUTE | ' ')
#define TAB       8u

#define CRTC_INDEX        0x3d4
#define CRTC_DATA         0x3d5
#define CRTC_CURSOR_START 0x0a
#define CURSOR_OFF        0x20
#define CRTC_START_HIGH   0x0c
#define CRTC_START_LOW    0x0d

static struct {
	uint32_t columns, rows; /* (i) */
	uint32_t lines;         /* (i) that the window has room for */
	uint32_t line, column;  /* the log's lock: where the next character goes */
} screen;

static uint16_t *cell(uint32_t line, uint32_t column)
{
	return (uint16_t *)(uintptr_t)VGATEXT_BASE + (size_t)line * screen.columns + column;
}

static void crtc_write(uint8_t reg, uint8_t value)
{
	outb(CRTC_INDEX, reg);
	outb(CRTC_DATA, value);
}

static void blank_line(uint32_t line)
{
	for (uint32_t i = 0; i < screen.columns; i++)
		*cell(line, i) = BLANK;
}

/* The current line is the screen's last. */
static void show(void)
{
	uint32_t start = (screen.line + 1 - screen.rows) * screen.columns;

	crtc_write(CRTC_START_HIGH, (uint8_t)(start >> 8));
	crtc_write(CRTC_START_LOW, (uint8_t)start);
}

static void new_line(void)
{
	if (++screen.line == screen.lines) {
		/* The window is full: what is on the screen goes to its beginning. */
		screen.line = screen.rows - 1;
		memmove(cell(0, 0), cell(screen.lines - screen.line, 0),
			(size_t)screen.line * screen.columns * sizeof(uint16_t));
	}
	screen.column = 0;
	blank_line(screen.line);
}

static void put(char c)
{
	if (screen.column == screen.columns)
		new_line();
	*cell(screen.line, screen.column++) = (uint16_t)(ATTRIBUTE | (uint8_t)c);
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
	show();
}

static struct log_sink sink = {.write = write};

struct log_sink *vgatext_init(uint32_t columns, uint32_t rows)
{
	screen.columns = columns;
	screen.rows = rows;
	screen.lines = VGATEXT_SIZE / (columns * (uint32_t)sizeof(uint16_t));
	screen.line = rows - 1;
	for (uint32_t line = 0; line < rows; line++)
		blank_line(line);
	crtc_write(CRTC_CURSOR_START, CURSOR_OFF);
	show();
	return &sink;
}
