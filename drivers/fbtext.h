/* Text on a linear framebuffer of 32-bit pixels, as a sink of the log. Pure. */
#ifndef DRIVERS_FBTEXT_H
#define DRIVERS_FBTEXT_H

#include "lib/log.h"
#include "lib/types.h"

/* The place and width of a colour in a pixel, in bits. */
struct fb_colour {
	uint8_t pos, size;
};

struct fb_mode {
	uint8_t *base;
	uint32_t pitch;         /* bytes a line */
	uint32_t width, height; /* pixels */
	struct fb_colour red, green, blue;
};

/* Clears the screen and returns its sink; NULL when there is no room for FBTEXT_COLUMNS_MIN
 * characters in FBTEXT_ROWS_MIN lines. On large screens a pixel of the font is several of the
 * screen's. `mode->base` must be mapped, and stay so. Once. */
struct log_sink *fbtext_init(const struct fb_mode *mode);

#define FBTEXT_COLUMNS_MIN 40u
#define FBTEXT_ROWS_MIN    10u

#endif
