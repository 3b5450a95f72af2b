/* The page allocator. Free blocks hang in one list for each order; the list's node lies in the
 * block itself. One byte for each page says what begins there, so that a buddy is found without a
 * search and a wrong free is caught. */
#include "cpu/panic.h"
#include "lib/checked.h"
#include "lib/fault.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "mm/page.h"

/* page_state: 0 where no block begins, else one of these and the block's order. */
#define STATE_FREE 0x40u
#define STATE_USED 0x80u

/* Memory without large holes: one byte of `page_state` for each of its pages. */
struct arena {
	uint64_t start, end; /* (i) bytes */
	uint8_t *page_state;
};

static struct {
	struct spinlock lock; /* all that follows, page_state's bytes and the nodes in the blocks */
	uint32_t arena_count;
	struct arena arena[PAGE_ARENAS_MAX];
	struct list free[PAGE_ORDERS];
	uint64_t free_bytes, total_bytes; /* (a) for readers */
} pages;

static uint64_t block_bytes(unsigned order)
{
	return (uint64_t)PAGE_SIZE << order;
}

/* The arena that all of [start, start+len) lies in, or NULL. */
static const struct arena *arena_of(uint64_t start, uint64_t len)
{
	for (uint32_t i = 0; i < pages.arena_count; i++)
		if (range_is_inside(start, len, pages.arena[i].start,
				    pages.arena[i].end - pages.arena[i].start))
			return &pages.arena[i];
	return NULL;
}

static uint8_t *block_state(const struct arena *arena, uint64_t block)
{
	return &arena->page_state[(block - arena->start) >> PAGE_SHIFT];
}

static void free_list_push(const struct arena *arena, uint64_t block, unsigned order)
{
	*block_state(arena, block) = (uint8_t)(STATE_FREE | order);
	list_push_front(&pages.free[order], hpa_to_ptr(HPA(block)));
}

static void free_list_remove(const struct arena *arena, uint64_t block)
{
	*block_state(arena, block) = 0;
	list_remove(hpa_to_ptr(HPA(block)));
}

/* Frees a block and joins it with its buddy as long as that is free and whole. */
static void block_release(const struct arena *arena, uint64_t block, unsigned order)
{
	__atomic_store_n(&pages.free_bytes, pages.free_bytes + block_bytes(order),
			 __ATOMIC_RELAXED);
	for (; order < ORDER_1G; order++) {
		uint64_t buddy = block ^ block_bytes(order);

		if (!range_is_inside(buddy, block_bytes(order), arena->start,
				     arena->end - arena->start) ||
		    *block_state(arena, buddy) != (STATE_FREE | order))
			break;
		free_list_remove(arena, buddy);
		block = MIN(block, buddy);
	}
	free_list_push(arena, block, order);
}

void page_add_arena(hpa_t start, hpa_t end, uint8_t *page_state)
{
	ASSERT(IS_ALIGNED(start.v | end.v, PAGE_SIZE) && start.v <= end.v);
	ASSERT(pages.arena_count < PAGE_ARENAS_MAX);
	for (uint32_t i = 0; i < pages.arena_count; i++)
		ASSERT(end.v <= pages.arena[i].start || start.v >= pages.arena[i].end);
	memset(page_state, 0, page_state_bytes(start, end));
	pages.arena[pages.arena_count++] =
		(struct arena){.start = start.v, .end = end.v, .page_state = page_state};
}

void page_init(hpa_t start, hpa_t end, uint8_t *page_state)
{
	memset(&pages, 0, sizeof(pages));
	pages.lock = (struct spinlock)SPINLOCK_INIT(LOCK_PAGES);
	for (unsigned order = 0; order < PAGE_ORDERS; order++)
		list_init(&pages.free[order]);
	page_add_arena(start, end, page_state);
}

void page_add_range(hpa_t start, hpa_t end)
{
	const struct arena *arena;

	ASSERT(IS_ALIGNED(start.v | end.v, PAGE_SIZE) && start.v <= end.v);
	ASSERT(start.v > 0);
	arena = arena_of(start.v, end.v - start.v);
	ASSERT(arena);
	spin_lock(&pages.lock);
	__atomic_store_n(&pages.total_bytes, pages.total_bytes + (end.v - start.v),
			 __ATOMIC_RELAXED);
	for (uint64_t at = start.v; at < end.v;) {
		unsigned order = ORDER_1G;

		while (!IS_ALIGNED(at, block_bytes(order)) || block_bytes(order) > end.v - at)
			order--;
		ASSERT(*block_state(arena, at) == 0);
		block_release(arena, at, order);
		at += block_bytes(order);
	}
	spin_unlock(&pages.lock);
}

bool page_alloc(unsigned order, hpa_t *block)
{
	unsigned from = order;
	const struct arena *arena;
	uint64_t at;

	ASSERT(order < PAGE_ORDERS);
	if (fault_is_due(FAULT_PAGE))
		return false;
	spin_lock(&pages.lock);
	while (from < PAGE_ORDERS && list_is_empty(&pages.free[from]))
		from++;
	if (from == PAGE_ORDERS) {
		spin_unlock(&pages.lock);
		return false;
	}
	at = ptr_to_hpa(pages.free[from].next).v;
	arena = arena_of(at, block_bytes(from));
	free_list_remove(arena, at);
	/* The upper halves go back, the lower one is split on. */
	while (from > order) {
		from--;
		free_list_push(arena, at + block_bytes(from), from);
	}
	*block_state(arena, at) = (uint8_t)(STATE_USED | order);
	__atomic_store_n(&pages.free_bytes, pages.free_bytes - block_bytes(order),
			 __ATOMIC_RELAXED);
	spin_unlock(&pages.lock);
	*block = HPA(at);
	return true;
}

void page_free(hpa_t block, unsigned order)
{
	const struct arena *arena;

	ASSERT(order < PAGE_ORDERS && IS_ALIGNED(block.v, block_bytes(order)));
	arena = arena_of(block.v, block_bytes(order));
	ASSERT(arena);
	spin_lock(&pages.lock);
	/* A double free, or one with another order than it was allocated with. */
	ASSERT(*block_state(arena, block.v) == (STATE_USED | order));
	*block_state(arena, block.v) = 0;
	block_release(arena, block.v, order);
	spin_unlock(&pages.lock);
}

/* The smallest order whose blocks hold `size` bytes; PAGE_ORDERS when none does. */
static unsigned order_for(uint64_t size)
{
	unsigned order = 0;

	while (order < PAGE_ORDERS && block_bytes(order) < size)
		order++;
	return order;
}

void *pages_alloc_zeroed(uint64_t size)
{
	unsigned order = order_for(size);
	hpa_t block;
	void *p;

	if (order == PAGE_ORDERS || !page_alloc(order, &block))
		return NULL;
	p = hpa_to_ptr(block);
	memset(p, 0, block_bytes(order));
	return p;
}

void pages_free(void *p, uint64_t size)
{
	page_free(ptr_to_hpa(p), order_for(size));
}

void *page_alloc_zeroed(void)
{
	return pages_alloc_zeroed(PAGE_SIZE);
}

void page_free_ptr(void *page)
{
	page_free(ptr_to_hpa(page), ORDER_4K);
}

uint64_t page_free_bytes(void)
{
	return __atomic_load_n(&pages.free_bytes, __ATOMIC_RELAXED);
}

uint64_t page_total_bytes(void)
{
	return __atomic_load_n(&pages.total_bytes, __ATOMIC_RELAXED);
}
