/* printf into a buffer: d i u x X p s c %, widths and precisions (also `*`), flags 0 - + # and
 * space, lengths hh h l ll z t j. */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>

#include "lib/types.h"

/* As C's vsnprintf/snprintf: at most `size` bytes with the terminator are written, the length that
 * the whole text needs is returned. Callable anywhere, NMI included. */
int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args) __printf_like(3, 0);
int fmt_snprintf(char *buf, size_t size, const char *fmt, ...) __printf_like(3, 4);

#endif
