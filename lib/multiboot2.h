/* The numbers and structures of the 'Multiboot2 specification': for Carousel's own header, for the
 * parser of what its boot loader leaves, and for the loader of guests. */
#ifndef LIB_MULTIBOOT2_H
#define LIB_MULTIBOOT2_H

/* 'OS image format': the header in the image. */
#define MB2_HEADER_MAGIC     0xe85250d6
#define MB2_HEADER_ALIGN     8
#define MB2_HEADER_SEARCH    32768 /* it lies in so many bytes */
#define MB2_HEADER_ARCH_I386 0     /* entered in 32-bit protected mode */

#define MB2_HEADER_TAG_END                 0
#define MB2_HEADER_TAG_INFORMATION_REQUEST 1
#define MB2_HEADER_TAG_ADDRESS             2
#define MB2_HEADER_TAG_ENTRY_ADDRESS       3
#define MB2_HEADER_TAG_CONSOLE_FLAGS       4
#define MB2_HEADER_TAG_FRAMEBUFFER         5
#define MB2_HEADER_TAG_MODULE_ALIGN        6
#define MB2_HEADER_TAG_EFI_BS              7
#define MB2_HEADER_TAG_ENTRY_EFI32         8
#define MB2_HEADER_TAG_ENTRY_EFI64         9
#define MB2_HEADER_TAG_RELOCATABLE         10
#define MB2_HEADER_TAG_OPTIONAL            1 /* flags: the loader may ignore this tag */

/* 'Machine state': what EAX holds at the entry point. */
#define MB2_BOOTLOADER_MAGIC 0x36d76289

/* 'Boot information format': the tag types. */
#define MB2_TAG_END           0
#define MB2_TAG_CMDLINE       1
#define MB2_TAG_LOADER_NAME   2
#define MB2_TAG_MODULE        3
#define MB2_TAG_BASIC_MEMINFO 4
#define MB2_TAG_MMAP          6
#define MB2_TAG_FRAMEBUFFER   8
#define MB2_TAG_ELF_SECTIONS  9
#define MB2_TAG_SMBIOS        13
#define MB2_TAG_ACPI_OLD      14
#define MB2_TAG_ACPI_NEW      15
#define MB2_TAG_EFI_MMAP      17
#define MB2_TAG_LOAD_BASE     21

/* Each tag, of the header and of the information, begins at a multiple of this. */
#define MB2_TAG_ALIGN 8

#ifndef __ASSEMBLER__

#include "lib/types.h"

struct mb2_info_header {
	uint32_t total_size;
	uint32_t reserved;
};

/* 'Basic tags structure': size counts this header, not the padding to the next tag. */
struct mb2_tag {
	uint32_t type;
	uint32_t size;
};

struct mb2_tag_module {
	struct mb2_tag tag;
	uint32_t start, end; /* a terminated string follows */
};

struct mb2_tag_mmap {
	struct mb2_tag tag;
	uint32_t entry_size, entry_version; /* entries follow */
};

struct mb2_mmap_entry {
	uint64_t base, length;
	uint32_t type, reserved;
};

#endif /* __ASSEMBLER__ */
#endif
