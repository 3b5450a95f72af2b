/* Looking up a function's name by an address in it. */
#include "cpu/symbols.h"

const struct symbol *symbol_find(const struct symbol_table *table, uint64_t address)
{
	uint32_t low = 0, high = table->count; /* what is sought is in [low - 1, high) */

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->symbol[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->symbol[low - 1] : NULL;
}
