/* Text that somebody made who is not trusted, as a terminal may be given it. */
#include "lib/visible.h"

#include "lib/string.h"

#define ESC       '\x1b'
#define VALUE_MAX 255u

static bool is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Weight, slant, underline, blink, inverse, concealed, crossed out, their ends, and colours but 38
 * and 48, which have numbers behind them. */
static bool is_plain_rendition(uint32_t n)
{
	return n <= 9 || (n >= 21 && n <= 25) || (n >= 27 && n <= 37) || n == 39 ||
	       (n >= 40 && n <= 47) || n == 49 || (n >= 90 && n <= 97) || (n >= 100 && n <= 107);
}

/* The numbers of one sequence, one after the other. */
struct rendition {
	uint32_t colour_left; /* numbers of a 38 or 48 that are yet to come */
	bool is_kind_next;    /* of 38 and 48: 5, a number, or 2, three of them */
};

static bool take_number(struct rendition *r, uint32_t n)
{
	if (r->is_kind_next) {
		r->is_kind_next = false;
		r->colour_left = n == 5 ? 1 : 3;
		return n == 5 || n == 2;
	}
	if (r->colour_left) {
		r->colour_left--;
		return n <= VALUE_MAX;
	}
	r->is_kind_next = n == 38 || n == 48;
	return r->is_kind_next || is_plain_rendition(n);
}

size_t visible_colour(const char *text, size_t len)
{
	struct rendition r = {0};
	uint32_t n = 0;

	len = MIN(len, (size_t)VISIBLE_COLOUR_MAX);
	if (len < 3 || text[0] != ESC || text[1] != '[')
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (text[i] >= '0' && text[i] <= '9') {
			n = MIN(n * 10 + (uint32_t)(text[i] - '0'), VALUE_MAX + 1);
			continue;
		}
		if ((text[i] != ';' && text[i] != 'm') || !take_number(&r, n))
			return 0;
		n = 0;
		if (text[i] == 'm')
			return r.is_kind_next || r.colour_left ? 0 : i + 1;
	}
	return 0;
}

static size_t put_hex(char *to, char byte)
{
	static const char digit[] = "0123456789abcdef";

	to[0] = '\\';
	to[1] = 'x';
	to[2] = digit[(uint8_t)byte >> 4];
	to[3] = digit[byte & 15];
	return 4;
}

static size_t show(char *to, const char *from, size_t len)
{
	bool is_like_ours =
		*from == '\\' && len >= 4 && from[1] == 'x' && is_hex(from[2]) && is_hex(from[3]);

	if ((uint8_t)*from >= 0x80 || is_like_ours)
		return put_hex(to, *from);
	if (is_printable(*from) || *from == '\t') {
		*to = *from;
		return 1;
	}
	to[0] = '^';
	to[1] = (char)(*from ^ 0x40);
	return 2;
}

size_t visible_line(char *to, const char *from, size_t len)
{
	bool is_coloured = false;
	size_t made = 0, colour;

	for (size_t i = 0; i < len;) {
		colour = visible_colour(from + i, len - i);
		if (colour) {
			memcpy(to + made, from + i, colour);
			made += colour;
			i += colour;
			is_coloured = true;
		} else {
			made += show(to + made, from + i, len - i);
			i++;
		}
	}
	if (is_coloured) {
		memcpy(to + made, "\x1b[0m", VISIBLE_RESET);
		made += VISIBLE_RESET;
	}
	return made;
}

void visible_plain(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_printable(text[i]) && text[i] != '\t')
			text[i] = '?';
}
