/* The page allocator: buddy blocks from 4 KiB to 1 GiB of host-physical memory. */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "lib/types.h"

/* log2 of the pages in a block. */
enum page_order { ORDER_4K = 0, ORDER_2M = 9, ORDER_1G = 18, PAGE_ORDERS };

/* An arena is [start, end) with one byte for each of its pages at `page_state`, provided by the
 * caller, zeroed here. Blocks do not join across arenas. page_init makes the first one;
 * page_add_arena others that do not overlap, on the boot CPU: RAM behind a large hole need not pay
 * for the hole. */
#define PAGE_ARENAS_MAX 256
void page_init(hpa_t start, hpa_t end, uint8_t *page_state);
void page_add_arena(hpa_t start, hpa_t end, uint8_t *page_state);
static inline uint64_t page_state_bytes(hpa_t start, hpa_t end)
{
	return (end.v - start.v) >> PAGE_SHIFT;
}

/* Gives [start, end) to the allocator, in the largest blocks that alignment allows. The range must
 * lie inside one arena, not have been added before, and not hold page 0, which is never mapped. */
void page_add_range(hpa_t start, hpa_t end);

/* A block of 4096 << order bytes, aligned to its size, contents undefined; false when there is
 * none. Any pCPU; takes LOCK_PAGES. */
bool __must_check page_alloc(unsigned order, hpa_t *block);
void page_free(hpa_t block, unsigned order);

/* One zeroed page, as a pointer, or NULL. */
void *page_alloc_zeroed(void);
void page_free_ptr(void *page);

/* Zeroed memory of `size` bytes, page-granular and contiguous (rounded up to a power of two pages),
 * for tables and structures. NULL when there is none. */
void *pages_alloc_zeroed(uint64_t size);
void pages_free(void *pages, uint64_t size);

uint64_t page_free_bytes(void);
uint64_t page_total_bytes(void);

#endif
