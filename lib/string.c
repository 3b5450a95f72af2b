/* The freestanding memory functions: GCC emits calls to them by itself, so they must exist under
 * their C names. The bulk moves eight bytes an iteration; the last bytes are one overlapping word.
 */
#include "lib/string.h"

/* Otherwise the compiler recognises the loops below and replaces them by calls to themselves. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

/* A word at any address. */
struct word {
	uint64_t v;
} __packed __attribute__((may_alias));

static inline uint64_t word_load(const void *p)
{
	return ((const struct word *)p)->v;
}

static inline void word_store(void *p, uint64_t v)
{
	((struct word *)p)->v = v;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (n >= sizeof(uint64_t)) {
		uint64_t last = word_load(s + n - sizeof(uint64_t));
		uint8_t *end = d + n;
		size_t words = n / sizeof(uint64_t);

		__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
		word_store(end - sizeof(uint64_t), last);
		return dst;
	}
	while (n--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	/* Disjoint: the difference the wrong way round wraps and is large. */
	if ((uintptr_t)d - (uintptr_t)s >= n && (uintptr_t)s - (uintptr_t)d >= n)
		return memcpy(dst, src, n);
	if ((uintptr_t)d < (uintptr_t)s) {
		for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
			word_store(d, word_load(s));
			d += sizeof(uint64_t);
			s += sizeof(uint64_t);
		}
		while (n--)
			*d++ = *s++;
		return dst;
	}
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t))
		word_store(d + n - sizeof(uint64_t), word_load(s + n - sizeof(uint64_t)));
	while (n--)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;
	uint64_t pattern = 0x0101010101010101ull * (uint8_t)c;

	if (n >= sizeof(uint64_t)) {
		uint8_t *end = d + n;
		size_t words = n / sizeof(uint64_t);

		__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
		word_store(end - sizeof(uint64_t), pattern);
		return dst;
	}
	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= sizeof(uint64_t) && word_load(x) == word_load(y); n -= sizeof(uint64_t)) {
		x += sizeof(uint64_t);
		y += sizeof(uint64_t);
	}
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const uint8_t *p = s; n; n--, p++)
		if (*p == (uint8_t)c)
			return (void *)(uintptr_t)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}
