/* The hypervisor's own ELF file, to be put where it was linked. Pure. */
#ifndef BOOT_EFI_IMAGE_H
#define BOOT_EFI_IMAGE_H

#include "lib/types.h"

#define EFI_IMAGE_SEGMENTS_MAX 8

struct efi_segment {
	uint32_t offset;    /* in the file */
	uint32_t to;        /* physical */
	uint32_t file_size; /* what is copied, */
	uint32_t zero_size; /* and what is zeroed behind it */
};

struct efi_image {
	uint32_t entry;
	uint32_t start, end; /* all segments lie in [start, end) */
	uint32_t segment_count;
	struct efi_segment segment[EFI_IMAGE_SEGMENTS_MAX];
};

/* Reads the headers of a 64-bit ELF file with a Multiboot2 header for the i386 entry state. NULL,
 * or what is wrong with it. */
const char *__must_check efi_image_read(struct efi_image *image, const void *file, uint64_t size);

#endif
