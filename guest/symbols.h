/* The functions' names in the ELF file that a guest was loaded from, for reports. The file is
 * untrusted bytes: whatever they say, nothing outside them is read, and a name is printable. Pure.
 */
#ifndef GUEST_SYMBOLS_H
#define GUEST_SYMBOLS_H

#include "lib/types.h"

#define GUEST_SYMBOL_MAX 64

/* Where in the file they are, as the loader has found it (loader/elf_symbols.h). All (i). */
struct guest_symbols {
	const uint8_t *file; /* the boot module, or NULL: no names */
	uint64_t size;
	bool is_64;
	uint64_t sections; /* the section headers' offset */
	uint32_t section_count;
	uint64_t symbols, symbol_count; /* the symbol table's offset and entries */
	uint64_t strings, strings_size; /* its names' */
};

struct guest_symbol {
	char name[GUEST_SYMBOL_MAX]; /* cut when it is longer */
	uint64_t offset;             /* of the address from its beginning */
};

/* An address that is looked for, and the best symbol for it so far. The search's own. */
struct symbol_place {
	uint64_t address, value, size;
	uint32_t section, name; /* section 0: none of code holds it */
	uint8_t type, binding;
	bool has_symbol;
};

/* A search for the names of many addresses at once, which looks at each symbol once, in small
 * steps: the file says how many there are. */
struct symbol_search {
	const struct guest_symbols *symbols;
	struct symbol_place *place; /* sorted by section and address, once the sections are known */
	uint32_t count, next_section;
	uint64_t next_symbol;
	bool is_over;
};

/* Begins one for `count` addresses; `place` has room for as many, and belongs to the search. */
void symbol_search_begin(struct symbol_search *search, const struct guest_symbols *symbols,
			 struct symbol_place *place, const uint64_t *address, uint32_t count);

/* A few symbols more, some 3,000 instructions' worth; true when it is over, also for a file without
 * names. */
bool symbol_search_step(struct symbol_search *search);

/* When it is over: the function that `address`, one of the search's, lies in; false when there is
 * none, or the file does not know. */
bool symbol_search_find(const struct symbol_search *search, uint64_t address,
			struct guest_symbol *found);

/* The same for one address, at once: for a person who asks. */
bool guest_symbol_find(const struct guest_symbols *symbols, uint64_t address,
		       struct guest_symbol *found);

#endif
