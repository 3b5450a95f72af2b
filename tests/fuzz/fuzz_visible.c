/* What a terminal may be given of a guest's line (lib/visible.h): printable ASCII, tabs and
 * colours, which are taken back; and each byte that was one can be had again. */
#include "fuzz.h"
#include "lib/visible.h"

/* Does `text` show this byte as \xHH? */
static bool shows(const char *text, size_t len, uint8_t byte)
{
	char want[8];

	snprintf(want, sizeof(want), "\\x%02x", byte);
	return (byte >= 0x80 || byte == '\\') && len >= 4 && !memcmp(text, want, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = copy_of(data, size);
	char *shown = malloc(VISIBLE_GROWTH * size + VISIBLE_RESET);
	size_t made = visible_line(shown, line, size), colour, from = 0;
	bool has_colour = false;

	REQUIRE(made <= VISIBLE_GROWTH * size + VISIBLE_RESET);
	for (size_t i = 0; i < made && from < size; i += MAX(colour, (size_t)1)) {
		colour = visible_colour(shown + i, made - i);
		has_colour |= colour != 0;
		REQUIRE(colour || shown[i] == '\t' || (shown[i] >= ' ' && shown[i] <= '~'));
		if (colour) {
			REQUIRE(!memcmp(shown + i, line + from, colour));
			from += colour;
		} else if (shows(shown + i, made - i, data[from])) {
			i += 3;
			from++;
		} else if (shown[i] == '^' && (data[from] < ' ' || data[from] == 0x7f)) {
			REQUIRE((shown[++i] ^ 0x40) == line[from++]);
		} else {
			REQUIRE(shown[i] == line[from++]);
		}
	}
	REQUIRE(from == size);
	if (has_colour)
		REQUIRE(!memcmp(shown + made - 4, "\x1b[0m", 4));
	visible_plain(line, size);
	for (size_t i = 0; i < size; i++)
		REQUIRE(line[i] == '\t' || (line[i] >= ' ' && line[i] <= '~'));
	free(shown);
	free(line);
	return 0;
}
