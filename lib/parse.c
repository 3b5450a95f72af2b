/* Text to values: copies that are always terminated, numbers that are checked to the last
 * character. */
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

bool str_copy(char *dst, const char *src, size_t size)
{
	size_t len = strnlen(src, size);
	bool is_whole = len < size;

	if (!is_whole)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return is_whole;
}

/* The value of a digit, or 16 when it is none. */
static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

/* How far K, M, G and T shift; 0 for anything else. */
static unsigned suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	case 't':
	case 'T':
		return 40;
	default:
		return 0;
	}
}

int parse_u64(const char *text, size_t len, bool suffixes, uint64_t *value)
{
	unsigned base = 10, shift = 0;
	bool is_too_large = false;
	uint64_t n = 0;

	if (suffixes && len) {
		shift = suffix_shift(text[len - 1]);
		len -= shift != 0;
	}
	if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
		len -= 2;
	}
	if (!len)
		return -EINVAL;
	for (; len; len--, text++) {
		unsigned digit = digit_value(*text);

		/* A wrong character anywhere counts before a value that is too large. */
		if (digit >= base)
			return -EINVAL;
		if (!checked_mul(n, base, &n) || !checked_add(n, digit, &n))
			is_too_large = true;
	}
	if (is_too_large || !checked_mul(n, 1ull << shift, &n))
		return -ERANGE;
	*value = n;
	return 0;
}
