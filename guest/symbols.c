/* Names of a guest's functions, out of its ELF file. */
#include "guest/symbols.h"

#include <elf.h>

#include "lib/checked.h"
#include "lib/string.h"

/* Between two looks at the time, of whoever has to look. */
#define SECTIONS_A_STEP 4u
#define SYMBOLS_A_STEP  32u

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

/* Is `a` before `b` in the order of the places: by section, then by address? */
static bool is_before(const struct symbol_place *a, const struct symbol_place *b)
{
	return a->section != b->section ? a->section < b->section : a->address < b->address;
}

static void sort_places(struct symbol_search *search)
{
	for (uint32_t i = 1; i < search->count; i++) {
		struct symbol_place place = search->place[i];
		uint32_t k = i;

		for (; k > 0 && is_before(&place, &search->place[k - 1]); k--)
			search->place[k] = search->place[k - 1];
		search->place[k] = place;
	}
}

/* Which of the addresses lie in this section, if it is code? The first that holds one counts. */
static void look_at_section(struct symbol_search *search, uint32_t i)
{
	const uint64_t code = SHF_ALLOC | SHF_EXECINSTR;
	struct section section;

	if (!read_section(search->symbols, i, &section) || (section.flags & code) != code)
		return;
	for (uint32_t k = 0; k < search->count; k++)
		if (!search->place[k].section &&
		    range_is_inside(search->place[k].address, 1, section.address, section.size))
			search->place[k].section = i;
}

/* Of two at one place, a function, and then a global one. */
static bool is_better(const struct symbol *symbol, const struct symbol_place *best)
{
	if (symbol->value != best->value)
		return symbol->value > best->value;
	if (symbol->type != best->type)
		return symbol->type == STT_FUNC;
	return symbol->binding != STB_LOCAL && best->binding == STB_LOCAL;
}

/* The first place at or behind the symbol, in its section; `count` when there is none. */
static uint32_t first_behind(const struct symbol_search *search, const struct symbol *symbol)
{
	const struct symbol_place at = {.section = symbol->section, .address = symbol->value};
	uint32_t lo = 0, hi = search->count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (is_before(&search->place[mid], &at))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Notes the symbol at the first place that it may name; labels of assembly have no type. */
static void look_at_symbol(struct symbol_search *search, uint64_t i)
{
	struct symbol_place *place;
	struct symbol symbol;
	uint32_t k;

	if (!read_symbol(search->symbols, i, &symbol) || !symbol.name || !symbol.section ||
	    (symbol.type != STT_FUNC && symbol.type != STT_NOTYPE))
		return;
	k = first_behind(search, &symbol);
	place = &search->place[k];
	if (k == search->count || place->section != symbol.section ||
	    (place->has_symbol && !is_better(&symbol, place)))
		return;
	place->has_symbol = true;
	place->value = symbol.value;
	place->size = symbol.size;
	place->name = symbol.name;
	place->type = symbol.type;
	place->binding = symbol.binding;
}

/* What names a place names those behind it, in its section, that have nothing nearer. */
static void carry_forward(struct symbol_search *search)
{
	for (uint32_t i = 1; i < search->count; i++) {
		const struct symbol_place *last = &search->place[i - 1];
		struct symbol_place *place = &search->place[i];
		uint64_t address = place->address;

		if (place->has_symbol || !last->has_symbol || place->section != last->section)
			continue;
		*place = *last;
		place->address = address;
	}
}

void symbol_search_begin(struct symbol_search *search, const struct guest_symbols *symbols,
			 struct symbol_place *place, const uint64_t *address, uint32_t count)
{
	*search = (struct symbol_search){.symbols = symbols, .place = place, .count = count};
	for (uint32_t i = 0; i < count; i++)
		place[i] = (struct symbol_place){.address = address[i]};
}

bool symbol_search_step(struct symbol_search *search)
{
	const struct guest_symbols *s = search->symbols;

	if (search->is_over || !s->file)
		return true;
	if (search->next_section < s->section_count) {
		for (uint32_t i = 0; i < SECTIONS_A_STEP && search->next_section < s->section_count;
		     i++)
			look_at_section(search, search->next_section++);
		if (search->next_section == s->section_count)
			sort_places(search);
		return false;
	}
	for (uint32_t i = 0; i < SYMBOLS_A_STEP && search->next_symbol < s->symbol_count; i++)
		look_at_symbol(search, search->next_symbol++);
	if (search->next_symbol < s->symbol_count)
		return false;
	carry_forward(search);
	search->is_over = true;
	return true;
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

bool symbol_search_find(const struct symbol_search *search, uint64_t address,
			struct guest_symbol *found)
{
	const struct symbol_place *place = search->place;

	if (!search->is_over)
		return false;
	while (place < search->place + search->count && place->address != address)
		place++;
	/* Behind the end of one whose size is told is the padding, or what nobody has named. */
	if (place == search->place + search->count || !place->has_symbol ||
	    (place->size && address - place->value >= place->size))
		return false;
	found->offset = address - place->value;
	return read_name(search->symbols, place->name, found->name);
}

bool guest_symbol_find(const struct guest_symbols *s, uint64_t address, struct guest_symbol *found)
{
	struct symbol_search search;
	struct symbol_place place;

	symbol_search_begin(&search, s, &place, &address, 1);
	while (!symbol_search_step(&search))
		;
	return symbol_search_find(&search, address, found);
}
