/* The memory and string functions of C that the hypervisor uses. Freestanding they are
 * lib/string.c; on the host the same prototypes are answered by libc. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "lib/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Copies `src` into `dst` of `size` bytes (size > 0), always terminated. True when it fitted whole.
 */
bool str_copy(char *dst, const char *src, size_t size);

/* Parses all of `text` (length `len`) as an unsigned number, decimal or 0x-hexadecimal. With
 * `suffixes` a trailing K, M, G or T (either case) multiplies by a power of 1024. 0, or -EINVAL for
 * anything else, or -ERANGE when it does not fit in 64 bits. */
int __must_check parse_u64(const char *text, size_t len, bool suffixes, uint64_t *value);

#endif
