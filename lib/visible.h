/* Text that somebody made who is not trusted, as a terminal may be given it: nothing in it moves
 * the cursor, changes what stands elsewhere or what the terminal does, or outlives its line. Pure;
 * callable anywhere. */
#ifndef LIB_VISIBLE_H
#define LIB_VISIBLE_H

#include "lib/types.h"

#define VISIBLE_GROWTH 4u /* visible_line makes at most so many bytes of one, */
#define VISIBLE_RESET  4u /* and so many more at the end */

/* Copies a line (without its '\n') of `len` bytes to `to`, which has room for VISIBLE_GROWTH * len
 * + VISIBLE_RESET: how many bytes that made. Printable ASCII, tabs and colours (see visible_colour)
 * stay; if there was a colour, the line ends with the sequence that takes all of them back. Any
 * other byte is shown: a control character as ^A to ^_ or ^?, and 0x80 to 0xff as \x80 to \xff, in
 * UTF-8 or not, since a terminal that is not in UTF-8 takes 0x80 to 0x9f for controls. So that each
 * \xHH is a byte that was one, a backslash in front of xHH becomes \x5c. */
size_t visible_line(char *to, const char *from, size_t len);

/* In place: what is neither printable ASCII nor a tab becomes '?'. */
void visible_plain(char *text, size_t len);

/* The length of the colour that `text` begins with, or 0: ESC [ numbers m (ECMA-48, 'SGR - SELECT
 * GRAPHIC RENDITION'), of at most VISIBLE_COLOUR_MAX bytes and only with numbers that SGR 0 takes
 * back: not the fonts 10 to 20, of which Linux' console makes character sets that stay. */
#define VISIBLE_COLOUR_MAX 48u
size_t visible_colour(const char *text, size_t len);

#endif
