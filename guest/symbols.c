/* Names of a guest's functions, out of its ELF file. */
#include "guest/symbols.h"

#include <elf.h>

#include "lib/checked.h"
#include "lib/string.h"

/* The fields of both classes, as far as they matter here. */
struct section {
	uint64_t flags, address, size;
};

struct symbol {
	uint64_t value, size;
	uint32_t name, section;
	uint8_t type, binding;
};

/* Copies: in the file nothing need be aligned. False beyond its end. */
static bool read_file(const struct guest_symbols *s, uint64_t at, void *to, size_t len)
{
	if (!range_is_inside(at, len, 0, s->size))
		return false;
	memcpy(to, s->file + at, len);
	return true;
}

#define READ(type, s, base, i, out)                                                                \
	(read_file((s), (base) + (uint64_t)(i) * sizeof(type), (out), sizeof(type)))

static bool read_section(const struct guest_symbols *s, uint32_t i, struct section *out)
{
	Elf64_Shdr h64;
	Elf32_Shdr h32;

	if (s->is_64) {
		if (!READ(Elf64_Shdr, s, s->sections, i, &h64))
			return false;
		*out = (struct section){h64.sh_flags, h64.sh_addr, h64.sh_size};
	} else {
		if (!READ(Elf32_Shdr, s, s->sections, i, &h32))
			return false;
		*out = (struct section){h32.sh_flags, h32.sh_addr, h32.sh_size};
	}
	return true;
}

static bool read_symbol(const struct guest_symbols *s, uint64_t i, struct symbol *out)
{
	Elf64_Sym s64;
	Elf32_Sym s32;

	if (s->is_64) {
		if (!READ(Elf64_Sym, s, s->symbols, i, &s64))
			return false;
		*out = (struct symbol){
			s64.st_value,
			s64.st_size,
			s64.st_name,
			s64.st_shndx,
			ELF64_ST_TYPE(s64.st_info),
			ELF64_ST_BIND(s64.st_info),
		};
	} else {
		if (!READ(Elf32_Sym, s, s->symbols, i, &s32))
			return false;
		*out = (struct symbol){
			s32.st_value,
			s32.st_size,
			s32.st_name,
			s32.st_shndx,
			ELF32_ST_TYPE(s32.st_info),
			ELF32_ST_BIND(s32.st_info),
		};
	}
	return true;
}

/* The section of code that holds `address`, or 0, which is none. */
static uint32_t find_code(const struct guest_symbols *s, uint64_t address)
{
	const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;
	struct section section;

	for (uint32_t i = 1; i < s->section_count && read_section(s, i, &section); i++)
		if ((section.flags & code) == code &&
		    range_is_inside(address, 1, section.address, section.size))
			return i;
	return 0;
}

/* Labels of assembly have no type. */
static bool is_candidate(const struct symbol *symbol, uint32_t section, uint64_t address)
{
	return symbol->section == section && symbol->value <= address && symbol->name &&
	       (symbol->type == STT_FUNC || symbol->type == STT_NOTYPE);
}

/* Of two at one place, a function, and then a global one. */
static bool is_better(const struct symbol *symbol, const struct symbol *best)
{
	if (symbol->value != best->value)
		return symbol->value > best->value;
	if (symbol->type != best->type)
		return symbol->type == STT_FUNC;
	return symbol->binding != STB_LOCAL && best->binding == STB_LOCAL;
}

static bool read_name(const struct guest_symbols *s, uint32_t name, char to[GUEST_SYMBOL_MAX])
{
	size_t len = 0;
	char c;

	while (len < GUEST_SYMBOL_MAX - 1) {
		if (name + len >= s->strings_size ||
		    !read_file(s, s->strings + name + len, &c, sizeof(c)))
			return false;
		if (!c)
			break;
		to[len++] = (char)(c > ' ' && c <= '~' ? c : '?');
	}
	to[len] = '\0';
	return len != 0;
}

bool guest_symbol_find(const struct guest_symbols *s, uint64_t address, struct guest_symbol *found)
{
	uint32_t section = s->file ? find_code(s, address) : 0;
	struct symbol symbol, best = {0};
	bool is_found = false;

	if (!section)
		return false;
	for (uint64_t i = 0; i < s->symbol_count && read_symbol(s, i, &symbol); i++) {
		if (is_candidate(&symbol, section, address) &&
		    (!is_found || is_better(&symbol, &best))) {
			best = symbol;
			is_found = true;
		}
	}
	/* Behind the end of one whose size is told is the padding, or what nobody has named. */
	if (!is_found || (best.size && address - best.value >= best.size))
		return false;
	found->offset = address - best.value;
	return read_name(s, best.name, found->name);
}
