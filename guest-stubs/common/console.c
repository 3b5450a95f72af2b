/* The serial console and its printf. */
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"

#include <linux/serial_reg.h>

void console_init(void)
{
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, UART_LCR_DLAB);
	outb(COM1 + UART_DLL, 1 /* 115200 baud */);
	outb(COM1 + UART_DLM, 0);
	outb(COM1 + UART_LCR, UART_LCR_WLEN8);
	outb(COM1 + UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	outb(COM1 + UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
}

void console_putc(char c)
{
	while (!(inb(COM1 + UART_LSR) & UART_LSR_THRE))
		cpu_relax();
	outb(COM1 + UART_TX, (uint8_t)c);
}

struct format_spec {
	bool is_left, is_zero;
	unsigned width;
	unsigned longs; /* 0: int, 1 and more: 64 bits */
};

static void put_padded(const char *s, size_t len, const struct format_spec *spec)
{
	size_t pad = spec->width > len ? spec->width - len : 0;

	for (size_t i = 0; !spec->is_left && i < pad; i++)
		console_putc(' ');
	for (size_t i = 0; i < len; i++)
		console_putc(s[i]);
	for (size_t i = 0; spec->is_left && i < pad; i++)
		console_putc(' ');
}

static void put_number(uint64_t v, unsigned base, bool is_negative, const struct format_spec *spec)
{
	char buf[72];
	size_t at = sizeof(buf);

	do {
		buf[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (spec->is_zero && !spec->is_left)
		while (sizeof(buf) - at + is_negative < spec->width && at > 1)
			buf[--at] = '0';
	if (is_negative)
		buf[--at] = '-';
	put_padded(buf + at, sizeof(buf) - at, spec);
}

static const char *parse_spec(const char *fmt, struct format_spec *spec)
{
	*spec = (struct format_spec){0};
	for (;; fmt++) {
		if (*fmt == '-')
			spec->is_left = true;
		else if (*fmt == '0')
			spec->is_zero = true;
		else
			break;
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		spec->width = spec->width * 10 + (unsigned)(*fmt - '0');
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		spec->longs++;
	return fmt;
}

void vprint(const char *fmt, va_list args)
{
	struct format_spec spec;

	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			console_putc(*fmt);
			continue;
		}
		fmt = parse_spec(fmt + 1, &spec);
		switch (*fmt) {
		case 'c':
			console_putc((char)va_arg(args, int));
			break;
		case 's': {
			const char *s = va_arg(args, const char *);

			put_padded(s, strlen(s), &spec);
			break;
		}
		case 'd':
		case 'i': {
			int64_t v = spec.longs ? va_arg(args, long) : va_arg(args, int);

			put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0, &spec);
			break;
		}
		case 'u':
		case 'x': {
			uint64_t v = spec.longs ? va_arg(args, uint64_t) : va_arg(args, unsigned);

			put_number(v, *fmt == 'u' ? 10 : 16, false, &spec);
			break;
		}
		case 'p':
			console_putc('0');
			console_putc('x');
			put_number((uintptr_t)va_arg(args, void *), 16, false, &spec);
			break;
		case '\0':
			return;
		default:
			console_putc(*fmt);
		}
	}
}

void print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprint(fmt, args);
	va_end(args);
}
