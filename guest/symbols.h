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

/* The function that `address` lies in: false when there is none, or the file does not know. Looks
 * at each symbol: for reports only. */
bool guest_symbol_find(const struct guest_symbols *symbols, uint64_t address,
		       struct guest_symbol *found);

#endif
