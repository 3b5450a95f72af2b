/* The memory map against one flag for each unit of a small address space. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/errno.h"
#include "mm/memmap.h"

#define SPACE 400u

/* 'Sorted, disjoint, coalesced', and the same bytes as the model. */
static void check(const struct memmap *map, const bool *is_free)
{
	uint64_t total = 0;
	uint32_t r = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		assert_true(map->range[i].start < map->range[i].end);
		if (i)
			assert_true(map->range[i - 1].end < map->range[i].start);
	}
	for (uint64_t at = 0; at < SPACE; at++) {
		while (r < map->count && map->range[r].end <= at)
			r++;
		assert_int_equal(r < map->count && map->range[r].start <= at, is_free[at]);
		total += is_free[at];
	}
	assert_int_equal(memmap_total(map), total);
}

static void check_find(const struct memmap *map, const bool *is_free, uint64_t len, uint64_t align,
		       uint64_t min, uint64_t max)
{
	uint64_t want, found = 0;

	for (want = (min + align - 1) / align * align; want + len <= max; want += align) {
		uint64_t n = 0;

		while (n < len && is_free[want + n])
			n++;
		if (n == len)
			break;
	}
	assert_int_equal(memmap_find(map, len, align, min, max, &found), want + len <= max);
	if (want + len <= max)
		assert_int_equal(found, want);
}

static void test_random(void **state)
{
	static struct memmap map;
	bool is_free[SPACE] = {false};

	(void)state;
	memmap_init(&map);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		uint64_t start = (uint64_t)rand() % SPACE, len = 1 + (uint64_t)rand() % 20;
		bool is_add = rand() % 2;

		len = MIN(len, SPACE - start);
		assert_int_equal(
			is_add ? memmap_add(&map, start, len) : memmap_remove(&map, start, len), 0);
		memset(is_free + start, is_add, len);
		check(&map, is_free);
		check_find(&map, is_free, 1 + (uint64_t)rand() % 30, 1ull << (rand() % 6),
			   (uint64_t)rand() % SPACE, (uint64_t)rand() % (SPACE + 1));
	}
}

static void test_refuses(void **state)
{
	static struct memmap map;

	(void)state;
	memmap_init(&map);
	/* 'An empty or wrapping range is -EINVAL.' */
	assert_int_equal(memmap_add(&map, 5, 0), -EINVAL);
	assert_int_equal(memmap_add(&map, UINT64_MAX, 2), -EINVAL);
	assert_int_equal(memmap_remove(&map, 5, 0), -EINVAL);
	assert_int_equal(memmap_remove(&map, UINT64_MAX, 2), -EINVAL);
	assert_int_equal(memmap_add(&map, UINT64_MAX - 10, 10), 0);
	assert_int_equal(memmap_total(&map), 10);
	assert_int_equal(memmap_remove(&map, 0, UINT64_MAX), 0);
	assert_int_equal(map.count, 0);
}

/* '-ENOSPC when the table is full', and the map is as it was. */
static void test_full(void **state)
{
	static struct memmap map;

	(void)state;
	memmap_init(&map);
	for (uint64_t i = 0; i < MEMMAP_MAX; i++)
		assert_int_equal(memmap_add(&map, i * 100, 50), 0);
	assert_int_equal(memmap_add(&map, 60, 10), -ENOSPC);
	assert_int_equal(memmap_remove(&map, 110, 10), -ENOSPC);
	assert_int_equal(map.count, MEMMAP_MAX);
	assert_int_equal(memmap_total(&map), MEMMAP_MAX * 50);
	/* What merges, or cuts off an end, needs no place. */
	assert_int_equal(memmap_add(&map, 50, 10), 0);
	assert_int_equal(memmap_remove(&map, 100, 10), 0);
	assert_int_equal(memmap_add(&map, 0, MEMMAP_MAX * 100), 0);
	assert_int_equal(map.count, 1);
}

static void test_trim(void **state)
{
	static struct memmap map;

	(void)state;
	memmap_init(&map);
	assert_int_equal(memmap_add(&map, 0x1, 0x9fbff), 0);       /* both ends inside pages */
	assert_int_equal(memmap_add(&map, 0xa0001, 0x1ffe), 0);    /* less than any whole page */
	assert_int_equal(memmap_add(&map, 0x100000, 0x200000), 0); /* whole */
	assert_int_equal(memmap_add(&map, UINT64_MAX - 0x800, 0x700), 0);
	memmap_trim_to_pages(&map);
	assert_int_equal(map.count, 2);
	assert_int_equal(map.range[0].start, 0x1000);
	assert_int_equal(map.range[0].end, 0x9f000);
	assert_int_equal(map.range[1].start, 0x100000);
	assert_int_equal(map.range[1].end, 0x300000);
}

/* No overflow at the end of the address space. */
static void test_find_at_the_end(void **state)
{
	static struct memmap map;
	uint64_t start;

	(void)state;
	memmap_init(&map);
	assert_int_equal(memmap_add(&map, UINT64_MAX - 0x2000, 0x2000), 0);
	assert_false(memmap_find(&map, 0x10, 0x10000, 0, UINT64_MAX, &start));
	assert_false(memmap_find(&map, UINT64_MAX, 1, 0, UINT64_MAX, &start));
	assert_true(memmap_find(&map, 0x1000, 0x1000, 0, UINT64_MAX, &start));
	assert_int_equal(start, UINT64_MAX - 0x1fff);
	assert_false(memmap_find(&map, 0x1000, 0x1000, 0, 0x1000, &start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_find_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
