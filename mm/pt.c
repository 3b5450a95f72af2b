/* The walker and mapper of four-level tables. Levels count from 0, whose entries map 4 KiB each, to
 * 3, the root's. Tables come from mm/page.h and are reached through mm/hostmap.h. */
#include "lib/checked.h"
#include "lib/errno.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "mm/pt.h"

#define PT_ENTRIES  512u
#define PT_ROOT     3u
#define PT_VA_LIMIT (1ull << 48)

/* The bytes that one entry at this level spans. */
static uint64_t span_of(unsigned level)
{
	return (uint64_t)PAGE_SIZE << (9 * level);
}

static uint64_t *entry_of(uint64_t *table, uint64_t va, unsigned level)
{
	return &table[va >> (PAGE_SHIFT + 9 * level) & (PT_ENTRIES - 1)];
}

static bool is_present(const struct pt *pt, uint64_t entry)
{
	return entry & pt->format->present_mask;
}

/* Is a present entry a leaf, or does it point to a table? */
static bool is_leaf(const struct pt *pt, uint64_t entry, unsigned level)
{
	return level == 0 || (level < PT_ROOT && (entry & pt->format->leaf_large));
}

static uint64_t *table_of(uint64_t entry)
{
	return hpa_to_ptr(HPA(entry & PT_ADDRESS_MASK));
}

/* What is set aside goes first. */
static uint64_t *table_alloc(struct pt *pt)
{
	uint64_t *table = pt->spare;

	if (table) {
		pt->spare = *(void **)table;
		pt->spares--;
		table[0] = 0;
	} else {
		table = page_alloc_zeroed();
	}
	pt->tables += table != NULL;
	return table;
}

/* Frees a table whose entries are of `level`, and all below it. */
static void table_free(struct pt *pt, uint64_t *table, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < PT_ENTRIES; i++)
		if (is_present(pt, table[i]) && !is_leaf(pt, table[i], level))
			table_free(pt, table_of(table[i]), level - 1);
	page_free_ptr(table);
	pt->tables--;
}

/* Stores `value` in an entry; the tables that hung there are freed after that. */
static void entry_replace(struct pt *pt, uint64_t *entry, uint64_t value, unsigned level)
{
	uint64_t old = *entry;

	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	if (is_present(pt, old) && !is_leaf(pt, old, level))
		table_free(pt, table_of(old), level - 1);
}

/* Makes a leaf of `level` a table of leaves one level down that map the same with the same flags.
 */
static uint64_t *entry_split(struct pt *pt, uint64_t *entry, unsigned level)
{
	uint64_t *table = table_alloc(pt);
	uint64_t pa = *entry & PT_ADDRESS_MASK & ~(span_of(level) - 1);
	uint64_t flags = *entry & ~(PT_ADDRESS_MASK & ~(span_of(level) - 1));

	if (!table)
		return NULL;
	if (level == 1)
		flags &= ~pt->format->leaf_large;
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		table[i] = (pa + i * span_of(level - 1)) | flags;
	__atomic_store_n(entry, ptr_to_hpa(table).v | pt->format->table_flags, __ATOMIC_RELEASE);
	return table;
}

/* The table below an entry: the one that is there, a leaf split up, or a new empty one. */
static uint64_t *entry_descend(struct pt *pt, uint64_t *entry, unsigned level)
{
	uint64_t *table;

	if (is_present(pt, *entry))
		return is_leaf(pt, *entry, level) ? entry_split(pt, entry, level)
						  : table_of(*entry);
	table = table_alloc(pt);
	if (table)
		__atomic_store_n(entry, ptr_to_hpa(table).v | pt->format->table_flags,
				 __ATOMIC_RELEASE);
	return table;
}

int pt_init(struct pt *pt, const struct pt_format *format)
{
	*pt = (struct pt){.format = format};
	pt->root = table_alloc(pt);
	return pt->root ? 0 : -ENOMEM;
}

/* The tables below a leaf of `size` when all of it is in leaves of 4 KiB. */
static void count_splits(void *ctx, uint64_t va, uint64_t entry, uint64_t size)
{
	uint64_t *sum = ctx;

	(void)va;
	(void)entry;
	for (uint64_t span = SIZE_2M; span <= size; span *= PT_ENTRIES)
		*sum += size / span;
}

int pt_reserve_splits(struct pt *pt)
{
	uint64_t needed = 0;

	pt_for_each_leaf(pt, count_splits, &needed);
	while (pt->spares < needed) {
		void **page = page_alloc_zeroed();

		if (!page)
			return -ENOMEM;
		*page = pt->spare;
		pt->spare = page;
		pt->spares++;
	}
	return 0;
}

void pt_destroy(struct pt *pt)
{
	table_free(pt, pt->root, PT_ROOT);
	pt->root = NULL;
	while (pt->spare) {
		void *page = pt->spare;

		pt->spare = *(void **)page;
		page_free_ptr(page);
	}
	pt->spares = 0;
}

/* What is being mapped, the same on all levels. */
struct mapping {
	uint64_t offset; /* pa - va */
	uint64_t flags, max_leaf;
	bool has_1g;
};

static bool is_mappable(const struct mapping *m, uint64_t va, uint64_t len, unsigned level)
{
	return len == span_of(level) && level < PT_ROOT && span_of(level) <= m->max_leaf &&
	       (level < 2 || m->has_1g) && IS_ALIGNED(va + m->offset, span_of(level));
}

/* Maps [va, end), which `table` with entries of `level` covers. */
static int map_range(struct pt *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end,
		     const struct mapping *m)
{
	while (va < end) {
		uint64_t *entry = entry_of(table, va, level);
		uint64_t next = MIN(ALIGN_DOWN(va, span_of(level)) + span_of(level), end);

		if (is_mappable(m, va, next - va, level)) {
			entry_replace(pt, entry,
				      (va + m->offset) | m->flags |
					      (level ? pt->format->leaf_large : 0),
				      level);
		} else {
			uint64_t *below = entry_descend(pt, entry, level);
			int err = below ? map_range(pt, below, level - 1, va, next, m) : -ENOMEM;

			if (err)
				return err;
		}
		va = next;
	}
	return 0;
}

static bool is_va_range(uint64_t va, uint64_t len)
{
	return IS_ALIGNED(va | len, PAGE_SIZE) && range_is_inside(va, len, 0, PT_VA_LIMIT);
}

int pt_map(struct pt *pt, uint64_t va, uint64_t pa, uint64_t len, uint64_t flags, uint64_t max_leaf)
{
	struct mapping m = {.offset = pa - va,
			    .flags = flags,
			    .max_leaf = max_leaf,
			    .has_1g = pt->format->has_1g};

	if (!is_va_range(va, len) || !IS_ALIGNED(pa, PAGE_SIZE) ||
	    !range_is_inside(pa, len, 0, PT_ADDRESS_MASK + PAGE_SIZE) ||
	    (flags & PT_ADDRESS_MASK) || max_leaf < PAGE_SIZE)
		return -EINVAL;
	return map_range(pt, pt->root, PT_ROOT, va, va + len, &m);
}

static int unmap_range(struct pt *pt, uint64_t *table, unsigned level, uint64_t va, uint64_t end)
{
	while (va < end) {
		uint64_t *entry = entry_of(table, va, level);
		uint64_t next = MIN(ALIGN_DOWN(va, span_of(level)) + span_of(level), end);

		if (is_present(pt, *entry)) {
			if (next - va == span_of(level)) {
				entry_replace(pt, entry, 0, level);
			} else {
				uint64_t *below = entry_descend(pt, entry, level);
				int err = below ? unmap_range(pt, below, level - 1, va, next)
						: -ENOMEM;

				if (err)
					return err;
			}
		}
		va = next;
	}
	return 0;
}

int pt_unmap(struct pt *pt, uint64_t va, uint64_t len)
{
	if (!is_va_range(va, len))
		return -EINVAL;
	return unmap_range(pt, pt->root, PT_ROOT, va, va + len);
}

uint64_t *pt_lookup(const struct pt *pt, uint64_t va, uint64_t *size)
{
	uint64_t *table = pt->root;

	if (va >= PT_VA_LIMIT)
		return NULL;
	for (unsigned level = PT_ROOT;; level--) {
		uint64_t *entry = entry_of(table, va, level);

		if (!is_present(pt, *entry))
			return NULL;
		if (is_leaf(pt, *entry, level)) {
			*size = span_of(level);
			return entry;
		}
		table = table_of(*entry);
	}
}

static void visit_table(const struct pt *pt, const uint64_t *table, unsigned level, uint64_t va,
			void (*visit)(void *ctx, uint64_t va, uint64_t entry, uint64_t size),
			void *ctx)
{
	for (unsigned i = 0; i < PT_ENTRIES; i++, va += span_of(level)) {
		if (!is_present(pt, table[i]))
			continue;
		if (is_leaf(pt, table[i], level))
			visit(ctx, va, table[i], span_of(level));
		else
			visit_table(pt, table_of(table[i]), level - 1, va, visit, ctx);
	}
}

void pt_for_each_leaf(const struct pt *pt,
		      void (*visit)(void *ctx, uint64_t va, uint64_t entry, uint64_t size),
		      void *ctx)
{
	visit_table(pt, pt->root, PT_ROOT, 0, visit, ctx);
}

static void visit_tables(const struct pt *pt, uint64_t *table, unsigned level,
			 void (*visit)(void *ctx, hpa_t table), void *ctx)
{
	visit(ctx, ptr_to_hpa(table));
	for (unsigned i = 0; level > 0 && i < PT_ENTRIES; i++)
		if (is_present(pt, table[i]) && !is_leaf(pt, table[i], level))
			visit_tables(pt, table_of(table[i]), level - 1, visit, ctx);
}

void pt_for_each_table(const struct pt *pt, void (*visit)(void *ctx, hpa_t table), void *ctx)
{
	visit_tables(pt, pt->root, PT_ROOT, visit, ctx);
}
