/* The page-table mapper, in the host's format and EPT's, against one value for each page of a
 * window of the address space. SDM, 'Hierarchical Paging Structures' and 'The Extended Page Table
 * Mechanism': nine bits of the address at each of four levels, PS (bit 7) marks a 2M or 1G leaf in
 * both. */
#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/errno.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "mm/pt.h"

#define P  0x1ull
#define RW 0x2ull
#define PS 0x80ull
#define NX 0x8000000000000000ull

static const struct pt_format host = {
	.present_mask = P, .table_flags = P | RW, .leaf_large = PS, .has_1g = true};
/* EPT: an entry with any of read, write, execute is present. */
static const struct pt_format ept = {
	.present_mask = 7, .table_flags = 7, .leaf_large = PS, .has_1g = true};
static const struct pt_format host_no_1g = {
	.present_mask = P, .table_flags = P | RW, .leaf_large = PS, .has_1g = false};

#define ARENA MIB(8)

static uint8_t *arena, state_bytes[ARENA >> PAGE_SHIFT];

static int arena_create(void **state)
{
	(void)state;
	arena = aligned_alloc(ARENA, ARENA);
	return arena ? 0 : -1;
}

static int arena_free(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

/* A fresh allocator with `pages` pages. */
static int memory_init(uint64_t pages)
{
	hpa_t start = ptr_to_hpa(arena);

	/* Dirty: 'Zero new tables' is the mapper's doing. */
	memset(arena, 0xff, ARENA);
	page_init(start, HPA(start.v + ARENA), state_bytes);
	page_add_range(start, HPA(start.v + pages * PAGE_SIZE));
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return memory_init(ARENA / PAGE_SIZE);
}

/* The translation by the SDM's rule, written independently of the code under test. */
static uint64_t walk(const struct pt *pt, uint64_t va, uint64_t *flags)
{
	const uint64_t *table = pt->root;

	for (int shift = 39;; shift -= 9) {
		uint64_t entry = table[va >> shift & 511], offset = (1ull << shift) - 1;

		if (!(entry & pt->format->present_mask))
			return UINT64_MAX;
		if (shift == 12 || (entry & PS)) {
			assert_true(shift < 39);
			*flags = entry & ~(PT_ADDRESS_MASK & ~offset);
			if (shift > 12)
				*flags &= ~PS;
			return (entry & PT_ADDRESS_MASK & ~offset) | (va & offset);
		}
		assert_int_equal(entry & ~PT_ADDRESS_MASK, pt->format->table_flags);
		table = (const uint64_t *)(uintptr_t)(entry & PT_ADDRESS_MASK);
	}
}

static void check(const struct pt *pt, uint64_t va, uint64_t pa, uint64_t flags)
{
	uint64_t seen_flags = 0;

	assert_int_equal(walk(pt, va, &seen_flags), pa);
	if (pa != UINT64_MAX)
		assert_int_equal(seen_flags, flags);
}

static uint64_t leaf_size(const struct pt *pt, uint64_t va)
{
	uint64_t size = 0;

	return pt_lookup(pt, va, &size) ? size : 0;
}

/* 'With the largest leaves that alignment and `max_leaf` allow.' */
static void test_largest_leaves(void **state)
{
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt.tables, 1);
	assert_int_equal(pt_map(&pt, SIZE_1G - SIZE_2M - PAGE_SIZE, SIZE_1G - SIZE_2M - PAGE_SIZE,
				PAGE_SIZE + SIZE_2M + 2 * SIZE_1G + SIZE_2M + PAGE_SIZE,
				P | RW | NX, SIZE_1G),
			 0);
	assert_int_equal(leaf_size(&pt, SIZE_1G - SIZE_2M - PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(leaf_size(&pt, SIZE_1G - SIZE_2M), SIZE_2M);
	assert_int_equal(leaf_size(&pt, SIZE_1G), SIZE_1G);
	assert_int_equal(leaf_size(&pt, 3 * SIZE_1G - 1), SIZE_1G);
	assert_int_equal(leaf_size(&pt, 3 * SIZE_1G), SIZE_2M);
	assert_int_equal(leaf_size(&pt, 3 * SIZE_1G + SIZE_2M), PAGE_SIZE);
	assert_int_equal(leaf_size(&pt, 3 * SIZE_1G + SIZE_2M + PAGE_SIZE), 0);
	check(&pt, 2 * SIZE_1G + 0x12345678, 2 * SIZE_1G + 0x12345678, P | RW | NX);
	check(&pt, SIZE_1G - SIZE_2M - 1, SIZE_1G - SIZE_2M - 1, P | RW | NX);
	check(&pt, SIZE_1G - SIZE_2M - PAGE_SIZE - 1, UINT64_MAX, 0);
	/* Root, one table of 1G entries, two of 2M entries, two of 4K entries. */
	assert_int_equal(pt.tables, 6);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), page_total_bytes());

	/* The physical address must be aligned as well. */
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt_map(&pt, 0, SIZE_2M, 2 * SIZE_1G, P, SIZE_1G), 0);
	assert_int_equal(leaf_size(&pt, SIZE_1G), SIZE_2M);
	assert_int_equal(pt_map(&pt, 0, PAGE_SIZE, SIZE_2M, P, SIZE_1G), 0);
	assert_int_equal(leaf_size(&pt, 0), PAGE_SIZE);
	check(&pt, SIZE_2M - 1, SIZE_2M + PAGE_SIZE - 1, P);
	pt_destroy(&pt);
}

static void test_max_leaf_and_no_1g(void **state)
{
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &ept), 0);
	assert_int_equal(pt_map(&pt, 0, 0, SIZE_1G, 7, SIZE_2M), 0);
	assert_int_equal(leaf_size(&pt, 0), SIZE_2M);
	assert_int_equal(pt_map(&pt, SIZE_2M, SIZE_2M, SIZE_2M, 1, PAGE_SIZE), 0);
	assert_int_equal(leaf_size(&pt, SIZE_2M), PAGE_SIZE);
	check(&pt, SIZE_2M + 0x5000, SIZE_2M + 0x5000, 1);
	pt_destroy(&pt);
	assert_int_equal(pt_init(&pt, &host_no_1g), 0);
	assert_int_equal(pt_map(&pt, 0, 0, SIZE_1G, P, SIZE_1G), 0);
	assert_int_equal(leaf_size(&pt, 0), SIZE_2M);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), page_total_bytes());
}

/* 'A larger leaf in the way is split': what is around the new piece stays, flags and all. */
static void test_split_keeps_flags(void **state)
{
	const uint64_t va = 5 * SIZE_1G, old = 6 | 6 << 3 | 1 << 8,
		       piece = va + SIZE_2M * 7 + 0x3000;
	uint64_t size = 0;
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &ept), 0);
	assert_int_equal(pt_map(&pt, va, 0, SIZE_1G, old, SIZE_1G), 0);
	assert_int_equal(*pt_lookup(&pt, va, &size), 0 | old | PS);
	assert_int_equal(pt_map(&pt, piece, 0x123456000, PAGE_SIZE, 1, SIZE_1G), 0);
	check(&pt, piece, 0x123456000, 1);
	check(&pt, piece - 1, piece - 1 - va, old);
	check(&pt, piece + PAGE_SIZE, piece + PAGE_SIZE - va, old);
	check(&pt, va, 0, old);
	check(&pt, va + SIZE_1G - 1, SIZE_1G - 1, old);
	/* The 2M leaves have PS, the 4K ones do not: there bit 7 means something else. */
	assert_int_equal(*pt_lookup(&pt, va, &size), 0 | old | PS);
	assert_int_equal(size, SIZE_2M);
	assert_int_equal(*pt_lookup(&pt, piece - 1, &size) & PS, 0);
	assert_int_equal(size, PAGE_SIZE);
	/* 'What was mapped there is replaced': a 1G leaf over it gives the tables back. */
	assert_int_equal(pt.tables, 4);
	assert_int_equal(pt_map(&pt, va, SIZE_1G, SIZE_1G, 5, SIZE_1G), 0);
	assert_int_equal(pt.tables, 2);
	check(&pt, piece, SIZE_1G + piece - va, 5);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), page_total_bytes());
}

static void test_unmap(void **state)
{
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt_unmap(&pt, 0, 1ull << 48), 0);
	assert_int_equal(pt_map(&pt, 0, 0, 4 * SIZE_1G, P | RW, SIZE_1G), 0);
	/* Splits at both ends, takes whole leaves between. */
	assert_int_equal(pt_unmap(&pt, SIZE_1G - PAGE_SIZE, SIZE_1G + 2 * PAGE_SIZE), 0);
	check(&pt, SIZE_1G - PAGE_SIZE - 1, SIZE_1G - PAGE_SIZE - 1, P | RW);
	check(&pt, SIZE_1G - PAGE_SIZE, UINT64_MAX, 0);
	check(&pt, SIZE_1G + SIZE_1G / 2, UINT64_MAX, 0);
	check(&pt, 2 * SIZE_1G + PAGE_SIZE - 1, UINT64_MAX, 0);
	check(&pt, 2 * SIZE_1G + PAGE_SIZE, 2 * SIZE_1G + PAGE_SIZE, P | RW);
	assert_int_equal(leaf_size(&pt, 3 * SIZE_1G), SIZE_1G);
	assert_int_equal(pt_unmap(&pt, 0, 1ull << 48), 0);
	/* Whole entries take their tables with them. */
	assert_int_equal(pt.tables, 1);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), page_total_bytes());
}

#define WINDOW_VA    (SIZE_1G - 4 * SIZE_2M)
#define WINDOW_PAGES 4096u

/* Random maps and unmaps of a window that straddles a 1G boundary; each page's translation is
 * known. */
static void test_random(void **state)
{
	static uint64_t pa[WINDOW_PAGES], flags[WINDOW_PAGES];
	static const uint64_t leaf[] = {PAGE_SIZE, SIZE_2M, SIZE_1G};
	struct pt pt;

	(void)state;
	for (unsigned i = 0; i < WINDOW_PAGES; i++)
		pa[i] = UINT64_MAX;
	srand(1);
	assert_int_equal(pt_init(&pt, &host), 0);
	for (int step = 0; step < 600; step++) {
		unsigned first = (unsigned)rand() % WINDOW_PAGES;
		unsigned n = 1 + (unsigned)rand() % (rand() % 2 ? 8 : 1500);
		uint64_t new_pa = (uint64_t)(rand() % 4) * SIZE_1G, new_flags = P;

		if (rand() % 2)
			first = ALIGN_DOWN(first, 512u);
		n = MIN(n, WINDOW_PAGES - first);
		/* Often aligned as the address is, so that large leaves come and go. */
		new_pa += rand() % 3 ? (WINDOW_VA + first * (uint64_t)PAGE_SIZE) % SIZE_1G
				     : (uint64_t)rand() * PAGE_SIZE;
		new_flags |= (rand() % 2 ? RW : 0) | (rand() % 2 ? NX : 0);
		if (rand() % 4) {
			assert_int_equal(pt_map(&pt, WINDOW_VA + first * (uint64_t)PAGE_SIZE,
						new_pa, n * (uint64_t)PAGE_SIZE, new_flags,
						leaf[rand() % 3]),
					 0);
			for (unsigned i = 0; i < n; i++) {
				pa[first + i] = new_pa + i * (uint64_t)PAGE_SIZE;
				flags[first + i] = new_flags;
			}
		} else {
			assert_int_equal(pt_unmap(&pt, WINDOW_VA + first * (uint64_t)PAGE_SIZE,
						  n * (uint64_t)PAGE_SIZE),
					 0);
			for (unsigned i = 0; i < n; i++)
				pa[first + i] = UINT64_MAX;
		}
		for (unsigned i = 0; i < WINDOW_PAGES; i++)
			check(&pt, WINDOW_VA + i * (uint64_t)PAGE_SIZE, pa[i], flags[i]);
	}
	check(&pt, WINDOW_VA - 1, UINT64_MAX, 0);
	check(&pt, WINDOW_VA + WINDOW_PAGES * (uint64_t)PAGE_SIZE, UINT64_MAX, 0);
	/* `tables` is what the allocator says. */
	assert_int_equal(pt.tables * PAGE_SIZE, page_total_bytes() - page_free_bytes());
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), page_total_bytes());
}

static void test_refuses(void **state)
{
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt_map(&pt, 1, 0, PAGE_SIZE, P, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_map(&pt, 0, 1, PAGE_SIZE, P, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_map(&pt, 0, 0, 1, P, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_map(&pt, 0, 0, PAGE_SIZE, P | 0x1000, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_map(&pt, 0, 0, PAGE_SIZE, P, 0), -EINVAL);
	assert_int_equal(pt_map(&pt, (1ull << 48) - PAGE_SIZE, 0, 2 * PAGE_SIZE, P, PAGE_SIZE),
			 -EINVAL);
	assert_int_equal(pt_map(&pt, ~0ull << 12, 0, PAGE_SIZE, P, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_map(&pt, 0, (1ull << 52) - PAGE_SIZE, 2 * PAGE_SIZE, P, PAGE_SIZE),
			 -EINVAL);
	assert_int_equal(pt_unmap(&pt, 1, PAGE_SIZE), -EINVAL);
	assert_int_equal(pt_unmap(&pt, 0, 1ull << 49), -EINVAL);
	assert_int_equal(pt.tables, 1);
	assert_null(pt_lookup(&pt, 1ull << 48, &(uint64_t){0}));
	/* The very last of both is fine. */
	assert_int_equal(pt_map(&pt, (1ull << 48) - PAGE_SIZE, (1ull << 52) - PAGE_SIZE, PAGE_SIZE,
				P, PAGE_SIZE),
			 0);
	check(&pt, (1ull << 48) - 1, (1ull << 52) - 1, P);
	pt_destroy(&pt);
}

/* -ENOMEM at every possible place: nothing is lost, and what was mapped before and not touched
 * stays. */
static void test_no_memory(void **state)
{
	(void)state;
	for (uint64_t pages = 0; pages < 8; pages++) {
		struct pt pt;
		int err;

		memory_init(pages);
		if (pt_init(&pt, &ept)) {
			assert_int_equal(pages, 0);
			continue;
		}
		err = pt_map(&pt, 0, 0, SIZE_1G, 7, SIZE_1G);
		assert_int_equal(err, pages < 2 ? -ENOMEM : 0);
		err = err ? err : pt_unmap(&pt, 0x3000, PAGE_SIZE);
		assert_int_equal(err, pages < 4 ? -ENOMEM : 0);
		if (pages >= 2) {
			check(&pt, 0x2000, 0x2000, 7);
			check(&pt, 0x3000, err ? 0x3000 : UINT64_MAX, 7);
		}
		pt_destroy(&pt);
		assert_int_equal(page_free_bytes(), page_total_bytes());
	}
}

struct visited {
	unsigned n;
	uint64_t va[8], entry[8], size[8];
};

static void visit(void *ctx, uint64_t va, uint64_t entry, uint64_t size)
{
	struct visited *v = ctx;

	assert_true(v->n < ARRAY_SIZE(v->va));
	v->va[v->n] = va;
	v->entry[v->n] = entry;
	v->size[v->n++] = size;
}

/* 'Each leaf, ascending.' */
static void test_for_each_leaf(void **state)
{
	struct visited v = {0};
	struct pt pt;

	(void)state;
	assert_int_equal(pt_init(&pt, &ept), 0);
	pt_for_each_leaf(&pt, visit, &v);
	assert_int_equal(v.n, 0);
	assert_int_equal(pt_map(&pt, 1ull << 47, SIZE_1G, SIZE_1G, 3, SIZE_1G), 0);
	assert_int_equal(pt_map(&pt, 0x7000, 0x9000, PAGE_SIZE, 1, SIZE_1G), 0);
	/* Execute-only is present in EPT. */
	assert_int_equal(pt_map(&pt, SIZE_2M, 0, SIZE_2M, 4, SIZE_1G), 0);
	pt_for_each_leaf(&pt, visit, &v);
	assert_int_equal(v.n, 3);
	assert_int_equal(v.va[0], 0x7000);
	assert_int_equal(v.entry[0], 0x9000 | 1);
	assert_int_equal(v.size[0], PAGE_SIZE);
	assert_int_equal(v.va[1], SIZE_2M);
	assert_int_equal(v.entry[1], PS | 4);
	assert_int_equal(v.size[1], SIZE_2M);
	assert_int_equal(v.va[2], 1ull << 47);
	assert_int_equal(v.entry[2], SIZE_1G | PS | 3);
	assert_int_equal(v.size[2], SIZE_1G);
	pt_destroy(&pt);
}

/* An identity map of all that can be mapped: with 1G leaves a table for 512 GiB and the root; with
 * 2M leaves one for each GiB besides. */
static void test_terabytes(void **state)
{
	const uint64_t tera = 1024 * SIZE_1G;
	struct pt pt;
	uint64_t size;

	(void)state;
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt_map(&pt, SIZE_1G, SIZE_1G, 128 * tera - SIZE_1G, 3, SIZE_1G), 0);
	assert_int_equal(pt.tables, 1 + 256);
	assert_non_null(pt_lookup(&pt, 127 * tera + 12345, &size));
	assert_int_equal(size, SIZE_1G);
	pt_destroy(&pt);
	assert_int_equal(pt_init(&pt, &host), 0);
	assert_int_equal(pt_map(&pt, 0, 0, tera, 3, SIZE_2M), 0);
	assert_int_equal(pt.tables, 1 + 2 + 1024);
	pt_destroy(&pt);
}

/* Whoever else takes all memory meanwhile: no order of splits, down to 4 KiB or 2 MiB, of the same
 * page again or of all, needs more than was set aside; all of them need just that; and it goes with
 * the rest. */
static void test_reserved_splits(void **state)
{
	const uint64_t end = 3 * SIZE_1G, split = 5 * SIZE_2M;
	uint64_t random = 1, free, size;
	struct pt pt;
	hpa_t block;

	(void)state;
	memory_init(ARENA / PAGE_SIZE - 1);
	free = page_free_bytes();
	assert_int_equal(pt_init(&pt, &ept), 0);
	assert_int_equal(pt_map(&pt, 0, 0, PAGE_SIZE * 3, 3, SIZE_1G), 0);
	assert_int_equal(pt_map(&pt, SIZE_2M, SIZE_2M, SIZE_1G - SIZE_2M, 3, SIZE_1G), 0);
	assert_int_equal(pt_map(&pt, SIZE_1G, SIZE_1G, 2 * SIZE_1G, 3, SIZE_1G), 0);
	assert_int_equal(pt_reserve_splits(&pt), 0);
	assert_int_equal(pt.spares, 511 + 2 * (1 + 512));
	assert_int_equal(pt_reserve_splits(&pt), 0);
	assert_int_equal(pt.spares, 511 + 2 * (1 + 512));
	while (page_alloc(ORDER_4K, &block))
		;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t at = SIZE_2M + (random >> 20) % ((end - SIZE_2M) / PAGE_SIZE) * PAGE_SIZE;
		uint64_t start = ALIGN_DOWN(at, SIZE_2M);

		random = random * 6364136223846793005 + 1442695040888963407;
		assert_int_equal(pt_map(&pt, start, start, SIZE_2M, 7, PAGE_SIZE), 0);
		assert_non_null(pt_lookup(&pt, at, &size));
		assert_int_equal(size, PAGE_SIZE);
	}
	for (uint64_t at = SIZE_2M; at < end; at += SIZE_2M)
		assert_int_equal(pt_map(&pt, at, at, SIZE_2M, 7, PAGE_SIZE), 0);
	assert_int_equal(pt.spares, 0);
	assert_null(pt.spare);
	assert_null(pt_lookup(&pt, PAGE_SIZE * 3, &size));
	pt_destroy(&pt);

	/* One that is destroyed early, and one for which there is not enough. */
	memory_init(16);
	free = page_free_bytes();
	assert_int_equal(pt_init(&pt, &ept), 0);
	assert_int_equal(pt_map(&pt, 0, 0, split, 3, SIZE_1G), 0);
	assert_int_equal(pt_reserve_splits(&pt), 0);
	assert_int_equal(pt_map(&pt, 0, 0, SIZE_2M, 7, PAGE_SIZE), 0);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), free);
	assert_int_equal(pt_init(&pt, &ept), 0);
	assert_int_equal(pt_map(&pt, 0, 0, 20 * SIZE_2M, 3, SIZE_1G), 0);
	assert_int_equal(pt_reserve_splits(&pt), -ENOMEM);
	pt_destroy(&pt);
	assert_int_equal(page_free_bytes(), free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_largest_leaves, setup),
		cmocka_unit_test_setup(test_max_leaf_and_no_1g, setup),
		cmocka_unit_test_setup(test_split_keeps_flags, setup),
		cmocka_unit_test_setup(test_unmap, setup),
		cmocka_unit_test_setup(test_random, setup),
		cmocka_unit_test_setup(test_refuses, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
		cmocka_unit_test_setup(test_for_each_leaf, setup),
		cmocka_unit_test_setup(test_reserved_splits, setup),
		cmocka_unit_test_setup(test_terabytes, setup),
	};

	return cmocka_run_group_tests(tests, arena_create, arena_free);
}
