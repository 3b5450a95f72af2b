/* The names of the hypervisor's functions, for a panic's report. Pure. */
#ifndef CPU_SYMBOLS_H
#define CPU_SYMBOLS_H

#include "lib/types.h"

struct symbol {
	uint64_t address;
	const char *name;
};

/* Ascending by address. */
struct symbol_table {
	uint32_t count;
	const struct symbol *symbol;
};

/* The image's own, by tools/make-symbols. */
extern const struct symbol_table symbol_table;

/* The last symbol at or below `address`, or NULL. Whether the address lies in the text is the
 * caller's to know. */
const struct symbol *symbol_find(const struct symbol_table *table, uint64_t address);

#endif
