/* The few string functions, among them those that the compiler itself calls. */
#ifndef GUEST_STUBS_COMMON_STRING_H
#define GUEST_STUBS_COMMON_STRING_H

#include "guest-stubs/common/stub.h"

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *s);

#endif
