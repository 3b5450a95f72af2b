/* The small headers of lib/: bitmaps, lists, checked arithmetic, each against a plain model. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitmap.h"
#include "lib/checked.h"
#include "lib/list.h"

#define BITS 200u

static void check_bitmap(const uint64_t *map, const bool *model)
{
	unsigned bit, seen = 0;
	int highest = -1;

	for (unsigned i = 0; i < BITS; i++) {
		assert_int_equal(bitmap_is_set(map, i), model[i]);
		if (model[i])
			highest = (int)i;
	}
	assert_int_equal(bitmap_highest(map, BITMAP_WORDS(BITS)), highest);
	for (unsigned from = 0; from <= BITS; from++) {
		unsigned next = from;

		while (next < BITS && !model[next])
			next++;
		assert_int_equal(bitmap_next(map, BITS, from), next);
	}
	bitmap_for_each (bit, map, BITS) {
		while (!model[seen])
			seen++;
		assert_int_equal(bit, seen++);
	}
	while (seen < BITS)
		assert_false(model[seen++]);
}

static void test_bitmap(void **state)
{
	uint64_t map[BITMAP_WORDS(BITS)] = {0};
	bool model[BITS] = {false};

	(void)state;
	assert_int_equal(BITMAP_WORDS(0), 0);
	assert_int_equal(BITMAP_WORDS(64), 1);
	assert_int_equal(BITMAP_WORDS(65), 2);
	check_bitmap(map, model);
	srand(1);
	for (int i = 0; i < 500; i++) {
		unsigned bit = (unsigned)rand() % BITS;

		switch (rand() % 3) {
		case 0:
			bitmap_set(map, bit);
			model[bit] = true;
			break;
		case 1:
			bitmap_clear(map, bit);
			model[bit] = false;
			break;
		default:
			/* 'The bit's value before'. */
			assert_int_equal(bitmap_set_atomic(map, bit), model[bit]);
			model[bit] = true;
		}
		check_bitmap(map, model);
	}
}

/* A length that ends inside a word: the bits behind it do not count. */
static void test_bitmap_ends_inside_a_word(void **state)
{
	uint64_t map[2] = {0, UINT64_MAX};

	(void)state;
	assert_int_equal(bitmap_next(map, 64, 0), 64);
	assert_int_equal(bitmap_next(map, 70, 0), 64);
	assert_int_equal(bitmap_next(map, 70, 69), 69);
	map[1] = BIT_ULL(10);
	assert_int_equal(bitmap_next(map, 70, 0), 70);
	assert_int_equal(bitmap_next(map, 75, 0), 74);
}

struct item {
	int value;
	struct list node;
};

static void check_list(struct list *head, const int *want, int n)
{
	struct item *pos;
	int i = 0;

	list_for_each_entry (pos, head, node) {
		assert_true(i < n);
		assert_int_equal(pos->value, want[i++]);
		assert_ptr_equal(pos->node.next->prev, &pos->node);
		assert_ptr_equal(pos->node.prev->next, &pos->node);
	}
	assert_int_equal(i, n);
	assert_int_equal(list_is_empty(head), n == 0);
}

static void test_list(void **state)
{
	struct list head = LIST_INIT(head);
	struct item item[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}}, *pos, *tmp;

	(void)state;
	check_list(&head, NULL, 0);
	list_push_back(&head, &item[1].node);
	list_push_back(&head, &item[2].node);
	list_push_front(&head, &item[0].node);
	list_push_back(&head, &item[3].node);
	check_list(&head, (int[]){0, 1, 2, 3}, 4);
	list_remove(&item[1].node);
	/* 'A second removal is harmless.' */
	list_remove(&item[1].node);
	check_list(&head, (int[]){0, 2, 3}, 3);
	list_push_front(&head, &item[1].node);
	check_list(&head, (int[]){1, 0, 2, 3}, 4);
	list_for_each_entry_safe (pos, tmp, &head, node) {
		if (pos->value % 2)
			list_remove(&pos->node);
	}
	check_list(&head, (int[]){0, 2}, 2);
	list_for_each_entry_safe (pos, tmp, &head, node)
		list_remove(&pos->node);
	check_list(&head, NULL, 0);
}

static void test_checked(void **state)
{
	uint64_t u = 0;
	uint32_t w = 0;

	(void)state;
	assert_true(checked_add(UINT64_MAX - 1, 1ull, &u));
	assert_int_equal(u, UINT64_MAX);
	assert_false(checked_add(UINT64_MAX, 1ull, &u));
	assert_true(checked_mul(1ull << 32, (1ull << 32) - 1, &u));
	assert_false(checked_mul(1ull << 32, 1ull << 32, &u));
	/* The result's type counts, not the operands'. */
	assert_false(checked_add(1ull << 32, 0ull, &w));
	assert_true(checked_mul(1ull << 16, 65535ull, &w));
	assert_int_equal(w, 65535u << 16);
}

/* Against 128-bit arithmetic, with all kinds of edges. */
static void test_ranges(void **state)
{
	static const uint64_t edge[] = {0, 1, 2, 0xfff, 0x1000, 0x1001, UINT64_MAX - 1, UINT64_MAX};

	(void)state;
	for (size_t a = 0; a < ARRAY_SIZE(edge); a++)
		for (size_t b = 0; b < ARRAY_SIZE(edge); b++)
			for (size_t c = 0; c < ARRAY_SIZE(edge); c++)
				for (size_t d = 0; d < ARRAY_SIZE(edge); d++) {
					unsigned __int128 addr = edge[a], len = edge[b];
					unsigned __int128 base = edge[c], size = edge[d];

					assert_int_equal(
						range_is_inside(edge[a], edge[b], edge[c], edge[d]),
						addr >= base && addr + len <= base + size);
					assert_int_equal(range_is_overlapping(edge[a], edge[b],
									      edge[c], edge[d]),
							 len && size && addr < base + size &&
								 base < addr + len);
				}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bitmap), cmocka_unit_test(test_bitmap_ends_inside_a_word),
		cmocka_unit_test(test_list),   cmocka_unit_test(test_checked),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
