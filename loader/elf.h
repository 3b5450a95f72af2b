/* ELF files as the loaders see them: the header and program headers of both classes in one form.
 * Pure; for loader/ only. */
#ifndef LOADER_ELF_H
#define LOADER_ELF_H

#include "loader/image.h"

/* What a file may have, so that looking through it costs little each time, also when its VM begins
 * anew: program headers, section headers, bytes in all its PT_NOTE segments together. Kernels have
 * tens, and hundreds of bytes. */
#define ELF_SEGMENTS_MAX 256u
#define ELF_SECTIONS_MAX 1024u
#define ELF_NOTES_MAX    KIB(64)

struct elf_file {
	bool is_64;
	bool is_fixed; /* ET_EXEC; otherwise ET_DYN */
	uint64_t entry;
	uint32_t phnum, shnum, shentsize, shstrndx;
	uint64_t phoff, shoff;
};

struct elf_segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* Checks the header: x86, little-endian, an executable; its program headers and what they load, and
 * its notes, inside the file, and not too many. 0; or -ENOEXEC with the error written. */
int __must_check elf_open(struct image *image, struct elf_file *elf);

/* Program header `i` < phnum of an opened file. */
struct elf_segment elf_segment(const struct image *image, const struct elf_file *elf, uint32_t i);

/* Reserves all PT_LOAD segments at their physical addresses, then copies them and zeroes the rest
 * of each. The file must have fixed addresses. `entry` must lie in what came from the file, below
 * 4 GiB. */
int __must_check elf_load(struct image *image, const struct elf_file *elf, uint64_t entry);

/* The same `slide` bytes higher (modulo 2^64), `entry` already included; fixed addresses or not. */
int __must_check elf_load_at(struct image *image, const struct elf_file *elf, uint64_t slide,
			     uint64_t entry);

/* The physical addresses [low, high) that the PT_LOAD segments span, low == high without any. */
int __must_check elf_span(struct image *image, const struct elf_file *elf, uint64_t *low,
			  uint64_t *high);

/* e_entry, as a physical address if it is a virtual one of a PT_LOAD segment. */
uint64_t elf_physical_entry(const struct image *image, const struct elf_file *elf);

/* Finds the note of `type` whose owner is `name` in the PT_NOTE segments: its descriptor's bytes
 * and length, or NULL. */
const uint8_t *elf_find_note(const struct image *image, const struct elf_file *elf,
			     const char *name, uint32_t type, uint32_t *len);

/* The section headers, and what of their sections no segment loads: symbols and strings. */
struct elf_sections {
	uint32_t num, entsize, shndx; /* num 0: there are none */
	uint64_t contents_len;
};

/* Checks that the headers, and the contents of all sections without an address, lie in the file,
 * and that they are not too many. */
int __must_check elf_sections_open(struct image *image, const struct elf_file *elf,
				   struct elf_sections *sections);

/* Copies the contents to `contents`, a page boundary, and the headers to `headers`, with sh_addr
 * telling of them. */
int __must_check elf_sections_put(struct image *image, const struct elf_file *elf,
				  const struct elf_sections *sections, uint64_t headers,
				  uint64_t contents);

#endif
