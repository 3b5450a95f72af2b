/* The few string functions, among them those that the compiler itself calls. */
#include "guest-stubs/common/string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t len)
{
	if ((uintptr_t)to - (uintptr_t)from >= len)
		return memcpy(to, from, len);
	for (size_t i = len; i-- > 0;)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < len; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t len = 0;

	while (((const volatile char *)s)[len])
		len++;
	return len;
}
