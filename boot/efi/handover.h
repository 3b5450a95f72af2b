/* What handover.S finds in its page, from the firmware's 64-bit mode to the hypervisor's entry.
 * Shared with the assembly. */
#ifndef BOOT_EFI_HANDOVER_H
#define BOOT_EFI_HANDOVER_H

#define HANDOVER_GDT_POINTER 0
#define HANDOVER_ENTRY       12
#define HANDOVER_INFO        16
#define HANDOVER_COPY_COUNT  20
#define HANDOVER_COPY        24
#define HANDOVER_COPY_SIZE   16

/* The page holds the structure, the code and, from its end down, the stack. */
#define HANDOVER_CODE      512
#define HANDOVER_PAGE_SIZE 4096

#define HANDOVER_SEL_CODE 0x08
#define HANDOVER_SEL_DATA 0x10

#ifndef __ASSEMBLER__

#include "boot/efi/image.h"
#include "lib/types.h"

struct handover_copy {
	uint32_t from, to, file_size, zero_size;
};

struct handover {
	uint16_t gdt_limit;
	uint64_t gdt_base;
	uint16_t pad;
	uint32_t entry;
	uint32_t info;
	uint32_t copy_count;
	struct handover_copy copy[EFI_IMAGE_SEGMENTS_MAX];
	uint64_t gdt[3];
} __packed;

_Static_assert(offsetof(struct handover, entry) == HANDOVER_ENTRY, "as handover.S has it");
_Static_assert(offsetof(struct handover, info) == HANDOVER_INFO, "as handover.S has it");
_Static_assert(offsetof(struct handover, copy_count) == HANDOVER_COPY_COUNT,
	       "as handover.S has it");
_Static_assert(offsetof(struct handover, copy) == HANDOVER_COPY, "as handover.S has it");
_Static_assert(sizeof(struct handover_copy) == HANDOVER_COPY_SIZE, "as handover.S has it");
_Static_assert(sizeof(struct handover) <= HANDOVER_CODE, "the code lies behind it");

#endif
#endif
