/* What the fuzz targets share: the input, taken piece by piece, and what must hold. A target is one
 * file with LLVMFuzzerTestOneInput; it begins each run with the same state. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The input; what is taken behind its end is 0. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint64_t take(struct input *in, size_t len)
{
	uint64_t value = 0;
	size_t n = MIN(len, in->left);

	memcpy(&value, in->at, n);
	in->at += n;
	in->left -= n;
	return value;
}

static inline uint8_t take8(struct input *in)
{
	return (uint8_t)take(in, 1);
}

static inline uint16_t take16(struct input *in)
{
	return (uint16_t)take(in, 2);
}

static inline uint32_t take32(struct input *in)
{
	return (uint32_t)take(in, 4);
}

static inline uint64_t take64(struct input *in)
{
	return take(in, 8);
}

/* Copies `len` bytes, the missing ones as 0. */
static inline void take_bytes(struct input *in, void *to, size_t len)
{
	size_t n = MIN(len, in->left);

	memset(to, 0, len);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

/* A malloc of exactly `len` bytes: a read behind it is the sanitizer's. */
static inline void *copy_of(const void *bytes, size_t len)
{
	void *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	return copy;
}

static inline void require_printable(const char *text, size_t size)
{
	REQUIRE(memchr(text, 0, size));
	for (; *text; text++)
		REQUIRE(*text >= ' ' && *text <= '~');
}

#endif
