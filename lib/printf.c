/* printf into a buffer. Reads and writes nothing but its arguments, so that any context may call
 * it. */
#include <limits.h>

#include "lib/printf.h"
#include "lib/string.h"

/* Where the text goes: `len` counts what the whole text needs, stored or not. */
struct out {
	char *buf;
	size_t size, len;
};

/* One conversion. */
struct spec {
	bool is_left, is_zero, has_plus, has_space, has_alt, has_precision;
	size_t width, precision;
	unsigned length; /* of an integer argument, bytes */
	char type;
};

static void put_char(struct out *out, char c)
{
	if (out->len < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void put_text(struct out *out, const char *text, size_t len)
{
	if (out->len < out->size)
		memcpy(out->buf + out->len, text, MIN(len, out->size - out->len));
	out->len += len;
}

/* `n` times `c`; what lies beyond the buffer costs nothing, whatever the width. */
static void put_pad(struct out *out, char c, size_t n)
{
	if (out->len < out->size)
		memset(out->buf + out->len, c, MIN(n, out->size - out->len));
	out->len += n;
}

static size_t pad_of(size_t width, size_t len)
{
	return width > len ? width - len : 0;
}

static void put_string(struct out *out, const struct spec *spec, const char *text, size_t len)
{
	size_t pad = pad_of(spec->width, len);

	if (!spec->is_left)
		put_pad(out, ' ', pad);
	put_text(out, text, len);
	if (spec->is_left)
		put_pad(out, ' ', pad);
}

/* Sign or 0x, zeros to the precision (or, with the 0 flag, to the width), digits. */
static void put_number(struct out *out, const struct spec *spec, uint64_t value, const char *prefix)
{
	const char *digits = spec->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned base = spec->type == 'd' || spec->type == 'u' ? 10 : 16;
	char text[20];
	size_t len = 0, zeros, used, pad;

	for (; value; value /= base)
		text[sizeof(text) - ++len] = digits[value % base];
	/* C: no characters for the value 0 with an explicit precision 0, else at least one digit.
	 */
	zeros = pad_of(spec->has_precision ? spec->precision : 1, len);
	used = strlen(prefix) + zeros + len;
	pad = pad_of(spec->width, used);
	/* C: a precision, or the - flag, turns the 0 flag off. */
	if (spec->is_zero && !spec->is_left && !spec->has_precision) {
		zeros += pad;
		pad = 0;
	}
	if (!spec->is_left)
		put_pad(out, ' ', pad);
	put_text(out, prefix, strlen(prefix));
	put_pad(out, '0', zeros);
	put_text(out, text + sizeof(text) - len, len);
	if (spec->is_left)
		put_pad(out, ' ', pad);
}

static void put_unsigned(struct out *out, const struct spec *spec, uint64_t value)
{
	if (spec->length < sizeof(uint64_t))
		value &= (1ull << (spec->length * 8)) - 1;
	put_number(out, spec, value,
		   !spec->has_alt || !value || spec->type == 'u' ? ""
		   : spec->type == 'X'                           ? "0X"
								 : "0x");
}

static void put_signed(struct out *out, const struct spec *spec, int64_t value)
{
	unsigned unused_bits = 64 - spec->length * 8;
	const char *sign = spec->has_plus ? "+" : spec->has_space ? " " : "";

	value = (int64_t)((uint64_t)value << unused_bits) >> unused_bits;
	if (value < 0)
		put_number(out, spec, 0 - (uint64_t)value, "-");
	else
		put_number(out, spec, (uint64_t)value, sign);
}

static const char *parse_flags(struct spec *spec, const char *fmt)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-':
			spec->is_left = true;
			break;
		case '0':
			spec->is_zero = true;
			break;
		case '+':
			spec->has_plus = true;
			break;
		case ' ':
			spec->has_space = true;
			break;
		case '#':
			spec->has_alt = true;
			break;
		default:
			return fmt;
		}
	}
}

/* Digits, saturating: a text is never longer than INT_MAX. */
static const char *parse_size(size_t *size, const char *fmt)
{
	*size = 0;
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		*size = MIN(*size * 10 + (size_t)(*fmt - '0'), (size_t)INT_MAX);
	return fmt;
}

static const char *parse_length(struct spec *spec, const char *fmt)
{
	spec->length = sizeof(int);
	switch (*fmt) {
	case 'h':
		spec->length = sizeof(short);
		if (*++fmt != 'h')
			return fmt;
		spec->length = sizeof(char);
		return fmt + 1;
	case 'l':
		spec->length = sizeof(long);
		return fmt + (fmt[1] == 'l' ? 2 : 1);
	case 'z':
	case 't':
	case 'j':
		spec->length = sizeof(intmax_t);
		return fmt + 1;
	default:
		return fmt;
	}
}

_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8 &&
		       sizeof(ptrdiff_t) == 8 && sizeof(intmax_t) == 8,
	       "the lengths l ll z t j are all 8 bytes: one va_arg serves them");

static void put_argument(struct out *out, struct spec *spec, va_list *args)
{
	const char *text;
	char c;

	switch (spec->type) {
	case 'i':
		spec->type = 'd';
		/* fall through */
	case 'd':
		put_signed(out, spec, spec->length == 8 ? va_arg(*args, long) : va_arg(*args, int));
		break;
	case 'u':
	case 'x':
	case 'X':
		put_unsigned(out, spec,
			     spec->length == 8 ? va_arg(*args, unsigned long)
					       : va_arg(*args, unsigned));
		break;
	case 'p':
		spec->type = 'x';
		put_number(out, spec, (uintptr_t)va_arg(*args, void *), "0x");
		break;
	case 's':
		text = va_arg(*args, const char *);
		if (!text)
			text = "(null)";
		/* C: with a precision the text need not be terminated. */
		put_string(out, spec, text,
			   spec->has_precision ? strnlen(text, spec->precision) : strlen(text));
		break;
	case 'c':
		c = (char)va_arg(*args, int);
		put_string(out, spec, &c, 1);
		break;
	default:
		__builtin_unreachable();
	}
}

/* The conversion behind a '%'; one that is not known is printed as it stands. */
static const char *put_conversion(struct out *out, const char *fmt, va_list *args)
{
	struct spec spec = {0};
	const char *start = fmt;
	int star;

	fmt = parse_flags(&spec, fmt);
	if (*fmt == '*') {
		/* C: a negative width is the - flag and a width. */
		star = va_arg(*args, int);
		spec.is_left |= star < 0;
		spec.width = star < 0 ? 0 - (size_t)star : (size_t)star;
		fmt++;
	} else {
		fmt = parse_size(&spec.width, fmt);
	}
	if (*fmt == '.') {
		spec.has_precision = true;
		if (*++fmt == '*') {
			/* C: a negative precision is as none. */
			star = va_arg(*args, int);
			spec.has_precision = star >= 0;
			spec.precision = star >= 0 ? (size_t)star : 0;
			fmt++;
		} else {
			fmt = parse_size(&spec.precision, fmt);
		}
	}
	fmt = parse_length(&spec, fmt);
	spec.type = *fmt;
	if (spec.type && strchr("diuxXpsc", spec.type)) {
		put_argument(out, &spec, args);
		return fmt + 1;
	}
	if (spec.type == '%') {
		put_char(out, '%');
		return fmt + 1;
	}
	put_char(out, '%');
	put_text(out, start, (size_t)(fmt - start));
	return fmt;
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out out = {.buf = buf, .size = size};
	va_list copy;

	va_copy(copy, args);
	while (*fmt) {
		if (*fmt == '%')
			fmt = put_conversion(&out, fmt + 1, &copy);
		else
			put_char(&out, *fmt++);
	}
	va_end(copy);
	if (size)
		buf[MIN(out.len, size - 1)] = '\0';
	return (int)MIN(out.len, (size_t)INT_MAX);
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = fmt_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return len;
}
