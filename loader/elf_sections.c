/* The section headers of an ELF file, for kernels that look for their symbols (Multiboot). 'The
 * physical address field of the ELF section header then refers to where the sections are in memory'
 * (Multiboot Specification, 'Boot information format'). */
#include <elf.h>

#include "loader/elf.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

union section_header {
	Elf32_Shdr s32;
	Elf64_Shdr s64;
};

struct section {
	union section_header raw;
	uint32_t type;
	uint64_t addr, offset, size, align;
};

/* The fields of the two classes have the same names, at different places. */
#define SECTION_FROM(raw, header)                                                                  \
	((struct section){raw, (header).sh_type, (header).sh_addr, (header).sh_offset,             \
			  (header).sh_size, (header).sh_addralign})

static struct section get_section(const struct image *image, const struct elf_file *elf, uint32_t i)
{
	union section_header raw = {0};

	memcpy(&raw, image->data + elf->shoff + (uint64_t)i * elf->shentsize, elf->shentsize);
	return elf->is_64 ? SECTION_FROM(raw, raw.s64) : SECTION_FROM(raw, raw.s32);
}

/* Has bytes in the file, and no segment puts them anywhere? */
static bool is_unloaded(const struct section *s)
{
	return s->type != SHT_NULL && s->type != SHT_NOBITS && !s->addr && s->size;
}

/* Where the section goes behind `at` others' bytes: at its own alignment, as far as pages give it.
 */
static uint64_t place_of(const struct section *s, uint64_t at)
{
	bool is_good = s->align && s->align <= PAGE_SIZE && !(s->align & (s->align - 1));
	uint64_t align = is_good ? s->align : PAGE_SIZE;

	return ALIGN_UP(at, align);
}

int elf_sections_open(struct image *image, const struct elf_file *elf,
		      struct elf_sections *sections)
{
	uint64_t entsize = elf->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);

	*sections = (struct elf_sections){elf->shnum, elf->shentsize, elf->shstrndx, 0};
	if (!elf->shnum)
		return 0;
	if (elf->shnum > ELF_SECTIONS_MAX)
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file has %u sections; at most %u are handed "
				  "over; link it with fewer, or strip it",
				  elf->shnum, ELF_SECTIONS_MAX);
	if (elf->shentsize != entsize ||
	    !range_is_inside(elf->shoff, elf->shnum * entsize, 0, image->size))
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF section headers, %u of %u bytes at 0x%llx, lie "
				  "outside the file of 0x%llx bytes: it is truncated or damaged; "
				  "copy it again, or strip it",
				  elf->shnum, elf->shentsize, (unsigned long long)elf->shoff,
				  (unsigned long long)image->size);
	for (uint32_t i = 0; i < elf->shnum; i++) {
		struct section s = get_section(image, elf, i);

		if (!is_unloaded(&s))
			continue;
		if (!range_is_inside(s.offset, s.size, 0, image->size))
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF section %u, 0x%llx bytes at offset "
					  "0x%llx, lies outside the file: it is truncated or "
					  "damaged; copy it again, or strip it",
					  i, (unsigned long long)s.size,
					  (unsigned long long)s.offset);
		sections->contents_len = place_of(&s, sections->contents_len) + s.size;
	}
	return 0;
}

int elf_sections_put(struct image *image, const struct elf_file *elf,
		     const struct elf_sections *sections, uint64_t headers, uint64_t contents)
{
	uint64_t at = contents;
	int err = 0;

	for (uint32_t i = 0; i < sections->num && !err; i++) {
		struct section s = get_section(image, elf, i);

		if (is_unloaded(&s)) {
			at = place_of(&s, at);
			if (elf->is_64)
				s.raw.s64.sh_addr = at;
			else
				s.raw.s32.sh_addr = (uint32_t)at;
			err = image_write_file(image, at, image->data + s.offset, s.size);
			at += s.size;
		}
		if (!err)
			err = image_write(image, headers + (uint64_t)i * sections->entsize, &s.raw,
					  sections->entsize);
	}
	return err;
}
