/* ELF files as the loaders see them: the header and program headers of both classes in one form.
 * Pure; for loader/ only. */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include "loader/image.h"

struct elf_file {
	bool is_64;
	uint64_t entry;
	uint32_t phnum;
	uint64_t phoff;
};

struct elf_segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* Checks the header: x86, little-endian, an executable at fixed addresses; its program headers and
 * what they load, and its notes, inside the file. 0; or -ENOEXEC with the error written. */
int __must_check elf_open(struct image *image, struct elf_file *elf);

/* Program header `i` < phnum of an opened file. */
struct elf_segment elf_segment(const struct image *image, const struct elf_file *elf, uint32_t i);

/* Reserves all PT_LOAD segments at their physical addresses, then copies them and zeroes the rest
 * of each. `entry` must lie in what came from the file, below 4 GiB. */
int __must_check elf_load(struct image *image, const struct elf_file *elf, uint64_t entry);

/* Finds the note of `type` whose owner is `name` in the PT_NOTE segments: its descriptor's bytes
 * and length, or NULL. */
const uint8_t *elf_find_note(const struct image *image, const struct elf_file *elf,
			     const char *name, uint32_t type, uint32_t *len);

#endif
