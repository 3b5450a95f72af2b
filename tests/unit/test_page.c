/* The page allocator over reserved memory of this process: no block overlaps another or leaves the
 * ranges that were given, everything joins again, wrong frees are caught. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, MAP_NORESERVE */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fakes/panic.h"
#include "mm/hostmap.h"
#include "mm/page.h"

#define ARENA GIB(3) /* address space; pages become real when they are touched */

static uint8_t *arena; /* aligned to 1 GiB */
static uint8_t *state_bytes;

static int arena_create(void **state)
{
	uint8_t *p = mmap(NULL, ARENA + SIZE_1G, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	if (p == MAP_FAILED)
		return -1;
	arena = (uint8_t *)ALIGN_UP((uintptr_t)p, SIZE_1G);
	state_bytes = malloc(ARENA >> PAGE_SHIFT);
	return state_bytes ? 0 : -1;
}

static hpa_t at(uint64_t offset)
{
	return HPA((uintptr_t)arena + offset);
}

static void start_with(uint64_t from, uint64_t to)
{
	memset(state_bytes, 0xff, ARENA >> PAGE_SHIFT);
	page_init(at(0), at(ARENA), state_bytes);
	page_add_range(at(from), at(to));
}

static void test_empty(void **state)
{
	hpa_t block;

	(void)state;
	page_init(at(0), at(ARENA), state_bytes);
	assert_int_equal(page_state_bytes(at(0), at(ARENA)), ARENA / 4096);
	assert_int_equal(page_total_bytes(), 0);
	assert_false(page_alloc(ORDER_4K, &block));
	assert_null(page_alloc_zeroed());
}

/* 'In the largest blocks that alignment allows.' */
static void test_large_blocks(void **state)
{
	hpa_t a, b, c;

	(void)state;
	/* From the middle of the first GiB to the middle of the third: one whole GiB is in between.
	 */
	start_with(SIZE_1G / 2, SIZE_1G * 5 / 2);
	assert_int_equal(page_total_bytes(), 2 * SIZE_1G);
	assert_int_equal(page_free_bytes(), 2 * SIZE_1G);
	assert_true(page_alloc(ORDER_1G, &a));
	assert_int_equal(a.v, at(SIZE_1G).v);
	assert_false(page_alloc(ORDER_1G, &b));
	assert_true(page_alloc(ORDER_1G - 1, &b));
	assert_true(page_alloc(ORDER_1G - 1, &c));
	assert_int_equal(page_free_bytes(), 0);
	assert_false(page_alloc(ORDER_4K, &(hpa_t){0}));
	page_free(a, ORDER_1G);
	page_free(b, ORDER_1G - 1);
	page_free(c, ORDER_1G - 1);
	assert_int_equal(page_free_bytes(), page_total_bytes());
}

/* A hole in a block's buddy keeps it from joining; ranges that adjoin join though added one by one.
 */
static void test_ranges(void **state)
{
	hpa_t block;

	(void)state;
	start_with(0, SIZE_2M - PAGE_SIZE);
	assert_false(page_alloc(ORDER_2M, &block));
	page_add_range(at(SIZE_2M - PAGE_SIZE), at(SIZE_2M));
	assert_true(page_alloc(ORDER_2M, &block));
	assert_int_equal(block.v, at(0).v);
	page_free(block, ORDER_2M);
	/* The buddies of the arena's last blocks lie behind its end. */
	page_init(at(0), at(SIZE_2M + PAGE_SIZE), state_bytes);
	page_add_range(at(SIZE_2M), at(SIZE_2M + PAGE_SIZE));
	assert_true(page_alloc(ORDER_4K, &block));
	page_free(block, ORDER_4K);
	assert_int_equal(page_free_bytes(), PAGE_SIZE);
	/* An arena that begins between buddies. */
	page_init(at(PAGE_SIZE), at(SIZE_2M), state_bytes);
	page_add_range(at(PAGE_SIZE), at(SIZE_2M));
	assert_true(page_alloc(8, &block));
	assert_int_equal(block.v, at(SIZE_2M / 2).v);
	page_free(block, 8);
}

/* 'Blocks do not join across arenas', whose bytes lie apart; a hole between them costs nothing. */
static void test_arenas(void **state)
{
	static uint8_t low[SIZE_2M >> PAGE_SHIFT], high[SIZE_2M >> PAGE_SHIFT];
	hpa_t a, b, c;

	(void)state;
	/* Two halves of a 4 MiB block, and one 2 GiB away. */
	page_init(at(0), at(SIZE_2M), low);
	page_add_arena(at(SIZE_2M), at(2 * SIZE_2M), state_bytes);
	page_add_arena(at(2 * SIZE_1G), at(2 * SIZE_1G + SIZE_2M), high);
	page_add_range(at(0), at(SIZE_2M));
	page_add_range(at(SIZE_2M), at(2 * SIZE_2M));
	page_add_range(at(2 * SIZE_1G), at(2 * SIZE_1G + SIZE_2M));
	assert_int_equal(page_total_bytes(), 3 * SIZE_2M);
	assert_false(page_alloc(ORDER_2M + 1, &a));
	assert_true(page_alloc(ORDER_2M, &a) && page_alloc(ORDER_2M, &b) &&
		    page_alloc(ORDER_2M, &c));
	assert_false(page_alloc(ORDER_4K, &(hpa_t){0}));
	assert_int_equal(a.v + b.v + c.v, at(0).v + at(SIZE_2M).v + at(2 * SIZE_1G).v);
	page_free(b, ORDER_2M);
	page_free(a, ORDER_2M);
	page_free(c, ORDER_2M);
	assert_false(page_alloc(ORDER_2M + 1, &a));
	assert_int_equal(page_free_bytes(), 3 * SIZE_2M);
	/* Nothing lies in two arenas, or in none. */
	expect_assert_failure(page_add_range(at(SIZE_2M - PAGE_SIZE), at(SIZE_2M + PAGE_SIZE)));
	expect_assert_failure(page_add_range(at(SIZE_1G), at(SIZE_1G + PAGE_SIZE)));
	expect_assert_failure(page_add_arena(at(PAGE_SIZE), at(SIZE_1G), state_bytes));
	expect_assert_failure(page_free(at(SIZE_1G), ORDER_4K));
}

/* A terabyte: its pages cost a byte each, and adding it touches one page of each GiB alone. */
static void test_a_terabyte(void **state)
{
	const uint64_t size = 1024 * SIZE_1G;
	uint8_t *p = mmap(NULL, size + SIZE_1G, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *bytes = malloc(size >> PAGE_SHIFT);
	uint64_t start = ALIGN_UP((uintptr_t)p, SIZE_1G);
	hpa_t block;

	(void)state;
	if (p == MAP_FAILED || !bytes) {
		free(bytes);
		skip(); /* no such address space here */
	}
	page_init(HPA(start), HPA(start + size), bytes);
	page_add_range(HPA(start), HPA(start + size));
	assert_int_equal(page_free_bytes(), size);
	for (unsigned i = 0; i < 1024; i++)
		assert_true(page_alloc(ORDER_1G, &block));
	assert_false(page_alloc(ORDER_4K, &block));
	munmap(p, size + SIZE_1G);
	free(bytes);
}

struct held {
	hpa_t block;
	unsigned order;
};

#define HELD_MAX 400u

static void hold(struct held *h, uint8_t *owner, uint64_t bytes, uint8_t mark)
{
	uint64_t size = (uint64_t)PAGE_SIZE << h->order, from = h->block.v - at(0).v;

	assert_true(IS_ALIGNED(h->block.v, size));
	assert_true(from + size <= bytes);
	for (uint64_t page = from >> PAGE_SHIFT; page < (from + size) >> PAGE_SHIFT; page++) {
		assert_int_equal(owner[page], 0);
		owner[page] = mark;
	}
	/* What the holder writes must not harm the allocator. */
	memset(hpa_to_ptr(h->block), 0xee, MIN(size, (uint64_t)64));
	memset((uint8_t *)hpa_to_ptr(h->block) + size - 64, 0xee, 64);
}

static void release(struct held *h, uint8_t *owner)
{
	uint64_t page = (h->block.v - at(0).v) >> PAGE_SHIFT;

	memset(owner + page, 0, 1ull << h->order);
	page_free(h->block, h->order);
}

static void test_random(void **state)
{
	const uint64_t bytes = MIB(32);
	static struct held held[HELD_MAX];
	uint8_t *owner = calloc(bytes >> PAGE_SHIFT, 1);
	uint64_t in_use = 0, refused = 0;
	unsigned n = 0;
	hpa_t block;

	(void)state;
	/* 2 MiB of the 32 are a hole. */
	start_with(0, MIB(13) + 0x5000);
	page_add_range(at(MIB(15) + 0x5000), at(bytes));
	memset(owner + ((MIB(13) + 0x5000) >> PAGE_SHIFT), 0xff, MIB(2) >> PAGE_SHIFT);
	srand(1);
	for (int i = 0; i < 60000; i++) {
		if (rand() % 2 && n < HELD_MAX) {
			struct held *h = &held[n];

			/* Small ones are the most. */
			h->order = (unsigned)(rand() % 11);
			h->order = MIN(h->order, (unsigned)(rand() % 11));
			if (!page_alloc(h->order, &h->block)) {
				refused++;
				continue;
			}
			hold(h, owner, bytes, (uint8_t)(1 + n % 200));
			in_use += (uint64_t)PAGE_SIZE << h->order;
			n++;
		} else if (n) {
			unsigned victim = (unsigned)rand() % n;

			in_use -= (uint64_t)PAGE_SIZE << held[victim].order;
			release(&held[victim], owner);
			held[victim] = held[--n];
		}
		assert_int_equal(page_free_bytes(), MIB(30) - in_use);
	}
	assert_true(refused > 0);
	while (n)
		release(&held[--n], owner);
	/* 'Coalescing back to the largest': eight MiB lie whole in front of the hole, sixteen
	 * behind. */
	assert_int_equal(page_free_bytes(), MIB(30));
	assert_true(page_alloc(12, &block));
	assert_int_equal(block.v, at(MIB(16)).v);
	assert_false(page_alloc(12, &block));
	assert_true(page_alloc(11, &block));
	assert_int_equal(block.v, at(0).v);
	free(owner);
}

static void test_zeroed(void **state)
{
	uint64_t total;
	uint8_t *page, *more;
	hpa_t block;

	(void)state;
	start_with(0, MIB(4));
	total = page_free_bytes();
	assert_true(page_alloc(10, &block));
	memset(hpa_to_ptr(block), 0xaa, MIB(4));
	page_free(block, 10);
	page = page_alloc_zeroed();
	assert_non_null(page);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(page[i], 0);
	/* 'Rounded up to a power of two pages.' */
	more = pages_alloc_zeroed(3 * PAGE_SIZE - 1);
	assert_non_null(more);
	assert_int_equal(page_free_bytes(), total - 5 * PAGE_SIZE);
	for (unsigned i = 0; i < 4 * PAGE_SIZE; i++)
		assert_int_equal(more[i], 0);
	page_free(ptr_to_hpa(more), 2);
	page_free_ptr(page);
	assert_int_equal(page_free_bytes(), total);
	assert_null(pages_alloc_zeroed(MIB(8)));
	assert_null(pages_alloc_zeroed(2 * SIZE_1G));
	assert_null(pages_alloc_zeroed(UINT64_MAX));
}

/* Each of these leaves the allocator's lock held, as a panic does: start_with makes a new one. */
static void test_wrong_frees_panic(void **state)
{
	hpa_t block;

	(void)state;
	start_with(0, MIB(4));
	assert_true(page_alloc(3, &block));
	expect_assert_failure(page_free(block, 2));
	start_with(0, MIB(4));
	assert_true(page_alloc(3, &block));
	page_free(block, 3);
	expect_assert_failure(page_free(block, 3));
	start_with(0, MIB(4));
	assert_true(page_alloc(3, &block));
	expect_assert_failure(page_free(HPA(block.v + PAGE_SIZE), 0));
	assert_non_null(strstr(fake_panic_message(), "assertion failed"));
	start_with(0, MIB(4));
	/* Misaligned; outside; no such order. */
	expect_assert_failure(page_free(HPA(block.v + PAGE_SIZE), 3));
	expect_assert_failure(page_free(HPA(0x1000), 0));
	expect_assert_failure(page_free(block, PAGE_ORDERS));
	expect_assert_failure(assert_false(page_alloc(PAGE_ORDERS, &block)));
}

static void test_wrong_ranges_panic(void **state)
{
	(void)state;
	start_with(0, MIB(4));
	expect_assert_failure(page_add_range(at(0), at(MIB(2))));
	start_with(0, MIB(4));
	expect_assert_failure(page_add_range(at(ARENA - PAGE_SIZE), at(ARENA + PAGE_SIZE)));
	expect_assert_failure(page_add_range(HPA(at(MIB(8)).v + 1), at(MIB(9))));
	/* Page 0 is never mapped. */
	page_init(HPA(0), HPA(MIB(4)), state_bytes);
	expect_assert_failure(page_add_range(HPA(0), HPA(MIB(4))));
}

static void *take_and_give(void *arg)
{
	hpa_t block[8];

	/* Few: a ticket lock is slow where there are more threads than free CPUs. */
	for (int i = 0; i < 60; i++) {
		unsigned order = (unsigned)i % 4;

		for (unsigned k = 0; k < ARRAY_SIZE(block); k++)
			if (page_alloc(order, &block[k]))
				*(void **)((char *)hpa_to_ptr(block[k]) + 64) = arg;
			else
				block[k].v = 0;
		for (unsigned k = 0; k < ARRAY_SIZE(block); k++) {
			if (!block[k].v)
				continue;
			if (*(void **)((char *)hpa_to_ptr(block[k]) + 64) != arg)
				abort();
			page_free(block[k], order);
		}
	}
	return NULL;
}

/* 'Any pCPU; takes LOCK_PAGES.' */
static void test_threads(void **state)
{
	pthread_t thread[2];
	char mark[2];
	hpa_t block;

	(void)state;
	start_with(0, MIB(1));
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &mark[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_true(page_alloc(8, &block));
	assert_int_equal(page_free_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_large_blocks),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_arenas),
		cmocka_unit_test(test_a_terabyte),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_wrong_frees_panic),
		cmocka_unit_test(test_wrong_ranges_panic),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, arena_create, NULL);
}
