/* The serial console, 16550 at 0x3f8, polled; and printing. */
#ifndef GUEST_STUBS_COMMON_CONSOLE_H
#define GUEST_STUBS_COMMON_CONSOLE_H

#include "guest-stubs/common/stub.h"

#include <stdarg.h>

#define COM1 0x3f8

/* 115200 baud, 8N1, FIFOs on, no interrupts. */
void console_init(void);

void console_putc(char c);

/* printf with %c %s %d %i %u %x %p %%, the flags 0 and -, a width, and l, ll and z. */
void print(const char *fmt, ...) __printf_like(1, 2);
void vprint(const char *fmt, va_list args);

#endif
