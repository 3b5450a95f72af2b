/* What Multiboot 1 and 2 share: finding the header, loading a kernel that is an ELF file or that
 * says by addresses where it goes, modules, and the block of information for the kernel. Pure; for
 * loader/ only. */
#ifndef LOADER_MULTIBOOT_H
#define LOADER_MULTIBOOT_H

#include "loader/elf.h"

#define MULTIBOOT_LOADER_NAME "Carousel"
#define MULTIBOOT_MODULES_MAX (CONFIG_MODULES_MAX + 1) /* and the initrd */

/* 'The address fields of the header': version 1's flag bit 16 (the a.out kludge), version 2's
 * address tag. 0 in load_end_addr: up to the end of the file; in bss_end_addr: no bss. */
struct multiboot_addresses {
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr;
};

/* Version 2's relocatable tag. */
struct multiboot_relocation {
	uint32_t min_addr, max_addr, align, preference;
};

enum { MULTIBOOT_PREFER_NONE, MULTIBOOT_PREFER_LOW, MULTIBOOT_PREFER_HIGH };

struct multiboot_module {
	uint32_t start, end;
	const char *string;
};

struct multiboot {
	/* What the header says. */
	uint64_t header_at; /* in the file */
	bool has_addresses, has_entry, is_relocatable;
	struct multiboot_addresses addresses;
	struct multiboot_relocation relocation;
	uint32_t entry; /* physical; required beside addresses */

	/* What has been loaded, all of it below 4 GiB. */
	bool is_elf;
	struct elf_file elf;
	uint64_t base, end, slide; /* the kernel, and how far from its own address */
	struct elf_sections sections;
	uint64_t contents; /* of the sections */
	uint32_t module_count;
	struct multiboot_module module[MULTIBOOT_MODULES_MAX];
};

/* A header of so many 32-bit words: `magic` first, their sum 0, at a multiple of `align` in the
 * first `search` bytes. Its offset, or UINT64_MAX. */
uint64_t multiboot_find(const struct image *image, uint32_t magic, uint32_t words, uint32_t align,
			uint64_t search);

/* Opens the ELF file, if the kernel is to be loaded as one, and its section headers: `is_elf`,
 * `elf`, `sections`. */
int __must_check multiboot_open(struct image *image, struct multiboot *mb);

/* Builds the 32-bit start, loads the kernel, its sections' contents, the initrd and the modules. */
int __must_check multiboot_load(struct image *image, struct multiboot *mb);

/* The block of information, written piece by piece; with `base` 0 it is only measured. */
struct multiboot_block {
	struct image *image;
	uint64_t base, at;
	int err; /* of the first write that failed; later ones do nothing */
};

/* Writes at `to`, or at `at`, which it moves on. The latter gives the address of what it wrote. */
void block_write(struct multiboot_block *block, uint64_t to, const void *from, uint64_t len);
uint32_t block_append(struct multiboot_block *block, const void *from, uint64_t len);
uint32_t block_append_string(struct multiboot_block *block, const char *text);
void block_append_sections(struct multiboot_block *block, const struct multiboot *mb);
void block_align(struct multiboot_block *block, uint32_t align);

/* Lets `fill` measure the block, reserves it, lets `fill` write it, and sets EAX and EBX. */
int __must_check multiboot_put_info(struct image *image, const struct multiboot *mb, uint32_t magic,
				    void (*fill)(struct multiboot_block *block,
						 const struct multiboot *mb));

/* 'The amount of lower and upper memory', in KiB: below 640 KiB, and from 1 MiB on without a hole.
 */
struct multiboot_meminfo {
	uint32_t mem_lower, mem_upper;
};
struct multiboot_meminfo multiboot_meminfo(const struct guest_shape *shape);

#endif
