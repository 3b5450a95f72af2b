/* Multiboot 1 and 2: recognised, so that the refusal can say what the file is. */
#include "loader/image.h"
#include "lib/string.h"

/* The Multiboot Specification: the header lies in the first 8192 bytes, 4-byte aligned, and its
 * magic, flags and checksum add up to 0. */
#define MB1_HEADER_MAGIC 0x1badb002u
#define MB1_SEARCH       8192u

/* The Multiboot2 Specification: in the first 32768 bytes, 8-byte aligned; magic, architecture,
 * header length and checksum add up to 0. */
#define MB2_HEADER_MAGIC 0xe85250d6u
#define MB2_SEARCH       32768u

static bool has_header(const struct image *image, uint32_t magic, uint32_t words, uint32_t align,
		       uint64_t search)
{
	uint64_t end = MIN(image->size, search);

	for (uint64_t at = 0; at + words * sizeof(uint32_t) <= end; at += align) {
		uint32_t field[4], sum = 0;

		memcpy(field, image->data + at, words * sizeof(uint32_t));
		for (uint32_t i = 0; i < words; i++)
			sum += field[i];
		if (field[0] == magic && !sum)
			return true;
	}
	return false;
}

bool is_multiboot1(const struct image *image)
{
	return has_header(image, MB1_HEADER_MAGIC, 3, 4, MB1_SEARCH);
}

bool is_multiboot2(const struct image *image)
{
	return has_header(image, MB2_HEADER_MAGIC, 4, 8, MB2_SEARCH);
}
