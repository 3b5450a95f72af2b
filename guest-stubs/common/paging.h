/* The page tables that the loader built: 4-level, 2 MiB pages, tables in memory mapped one to one.
 */
#ifndef GUEST_STUBS_COMMON_PAGING_H
#define GUEST_STUBS_COMMON_PAGING_H

#include "guest-stubs/common/stub.h"

#define SIZE_2M 0x200000ull

/* Maps the 2 MiB at `va`, which a page of that size maps already, to those at `pa`, writable and
 * uncached. Ends the stub when there is no such page. */
void paging_map_2m(uint64_t va, uint64_t pa);

/* Lets CPL 3 use the 2 MiB page at `va`, too. */
void paging_allow_user(uint64_t va);

#endif
