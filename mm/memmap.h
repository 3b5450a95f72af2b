/* The map of physical memory: what firmware says is RAM, less what must not be handed out. Pure. */
#ifndef MM_MEMMAP_H
#define MM_MEMMAP_H

#include "lib/types.h"

#define MEMMAP_MAX 256

struct mem_range {
	uint64_t start, end; /* bytes, end exclusive */
};

/* Sorted, disjoint, coalesced. */
struct memmap {
	uint32_t count;
	struct mem_range range[MEMMAP_MAX];
};

void memmap_init(struct memmap *map);

/* Adds [start, start+len) as free RAM; overlap with what is there is merged. -ENOSPC when the table
 * is full; an empty or wrapping range is -EINVAL. */
int __must_check memmap_add(struct memmap *map, uint64_t start, uint64_t len);

/* Takes [start, start+len) out, wherever it overlaps. -ENOSPC when a split does not fit, -EINVAL.
 */
int __must_check memmap_remove(struct memmap *map, uint64_t start, uint64_t len);

/* Shrinks every range to whole pages. */
void memmap_trim_to_pages(struct memmap *map);

/* The lowest aligned free place of `len` bytes inside [min, max), or false. `align` a power of two.
 */
bool __must_check memmap_find(const struct memmap *map, uint64_t len, uint64_t align, uint64_t min,
			      uint64_t max, uint64_t *start);

uint64_t memmap_total(const struct memmap *map);

#endif
