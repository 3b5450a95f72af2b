/* The font of the framebuffer's text: made at build time by tools/make-font from Debian's
 * fonts-spleen. */
#ifndef DRIVERS_FONT_H
#define DRIVERS_FONT_H

#include "lib/types.h"

#define FONT_WIDTH  8u
#define FONT_HEIGHT 16u
#define FONT_FIRST  0x20u
#define FONT_LAST   0x7eu
#define FONT_GLYPHS                                                                                \
	(FONT_LAST - FONT_FIRST + 2) /* the last one stands for all other characters               \
				      */

/* A byte is a row of pixels, bit 7 the leftmost. */
extern const uint8_t font_glyph[FONT_GLYPHS][FONT_HEIGHT];

static inline const uint8_t *font_glyph_of(uint8_t c)
{
	return font_glyph[c >= FONT_FIRST && c <= FONT_LAST ? c - FONT_FIRST : FONT_GLYPHS - 1];
}

#endif
