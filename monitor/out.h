/* Where the monitor's answers go: lines for the console or for a program at a serial port. Pure. */
#ifndef MONITOR_OUT_H
#define MONITOR_OUT_H

#include <stdarg.h>

#include "lib/types.h"

#define OUT_LINE_MAX 512

struct out {
	/* Takes one or more whole lines. */
	void (*write)(struct out *out, const char *text, size_t len);
};

/* Formats one line or more, '\n' at the end, OUT_LINE_MAX bytes at most: what is longer is cut. */
void out_printf(struct out *out, const char *fmt, ...) __printf_like(2, 3);
void out_vprintf(struct out *out, const char *fmt, va_list args) __printf_like(2, 0);

#endif
