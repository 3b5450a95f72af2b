/* The symbol table of an ELF file. What is damaged is left out: a report without names is one, too.
 */
#include "loader/elf_symbols.h"

#include <elf.h>

#include "lib/checked.h"
#include "lib/string.h"
#include "loader/elf.h"

/* A report looks at each of them once, and so does each of the monitor's commands that names an
 * address, which does so at once. */
#define SYMBOLS_MAX BIT_ULL(19)

struct header {
	uint16_t type, shnum, shentsize;
	uint64_t shoff;
};

struct section {
	uint32_t type, link;
	uint64_t offset, size, entsize;
};

/* The fields of the two classes have the same names, at different places. */
#define READ_HEADER(elf_type, file, out)                                                           \
	do {                                                                                       \
		elf_type h;                                                                        \
                                                                                                   \
		memcpy(&h, (file), sizeof(h));                                                     \
		*(out) = (struct header){h.e_type, h.e_shnum, h.e_shentsize, h.e_shoff};           \
	} while (0)

#define READ_SECTION(elf_type, s, i, out)                                                          \
	do {                                                                                       \
		elf_type h;                                                                        \
                                                                                                   \
		memcpy(&h, (s)->file + (s)->sections + (i) * sizeof(h), sizeof(h));                \
		*(out) = (struct section){h.sh_type, h.sh_link, h.sh_offset, h.sh_size,            \
					  h.sh_entsize};                                           \
	} while (0)

static struct section read_section(const struct guest_symbols *s, uint32_t i)
{
	struct section section;

	if (s->is_64)
		READ_SECTION(Elf64_Shdr, s, i, &section);
	else
		READ_SECTION(Elf32_Shdr, s, i, &section);
	return section;
}

/* Finds the section headers. */
static bool open_file(struct guest_symbols *s)
{
	uint64_t entry_size;
	struct header header;

	if (s->size < sizeof(Elf64_Ehdr) || memcmp(s->file, ELFMAG, SELFMAG) != 0 ||
	    s->file[EI_DATA] != ELFDATA2LSB)
		return false;
	s->is_64 = s->file[EI_CLASS] == ELFCLASS64;
	if (s->is_64)
		READ_HEADER(Elf64_Ehdr, s->file, &header);
	else
		READ_HEADER(Elf32_Ehdr, s->file, &header);
	entry_size = s->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	s->sections = header.shoff;
	s->section_count = header.shnum;
	return header.type == ET_EXEC && header.shentsize == entry_size &&
	       header.shnum <= ELF_SECTIONS_MAX &&
	       range_is_inside(header.shoff, header.shnum * entry_size, 0, s->size);
}

static bool take_table(struct guest_symbols *s, const struct section *table)
{
	uint64_t entry_size = s->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	struct section strings;

	if (table->entsize != entry_size || table->link >= s->section_count)
		return false;
	strings = read_section(s, table->link);
	if (strings.type != SHT_STRTAB ||
	    !range_is_inside(table->offset, table->size, 0, s->size) ||
	    !range_is_inside(strings.offset, strings.size, 0, s->size))
		return false;
	s->symbols = table->offset;
	s->symbol_count = MIN(table->size / entry_size, SYMBOLS_MAX);
	s->strings = strings.offset;
	s->strings_size = strings.size;
	return true;
}

void elf_symbols_open(struct guest_symbols *symbols, const uint8_t *file, uint64_t size)
{
	*symbols = (struct guest_symbols){.file = file, .size = size};
	if (open_file(symbols)) {
		for (uint32_t i = 0; i < symbols->section_count; i++) {
			struct section section = read_section(symbols, i);

			if (section.type == SHT_SYMTAB && take_table(symbols, &section))
				return;
		}
	}
	*symbols = (struct guest_symbols){0};
}
