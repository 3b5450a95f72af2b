/* The page allocator at boot: what of the free memory it gets, low and high, and where the bytes
 * for its own pages lie. boot/memory.h's words are the rules. */
#define _GNU_SOURCE /* MAP_FIXED_NOREPLACE */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "boot/memory.h"
#include "fakes/log.h"
#include "lib/errno.h"
#include "mm/page.h"
#include "mm/space.h"

#define LOW  0x10000000ull
#define HIGH (1ull << 45)

const uint8_t image_start[1], image_end[1];

static int space_error;
static unsigned spaces;

int space_init(const struct memmap *ram)
{
	(void)ram;
	spaces++;
	/* 'Out of reach before the switch' is what is high. */
	assert_true(page_free_bytes() < MIB(16));
	return space_error;
}

static struct boot boot;

static int setup(void **state)
{
	static const uint64_t at[] = {LOW, HIGH};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		void *p = mmap((void *)at[i], MIB(16), PROT_READ | PROT_WRITE, // NOLINT
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		assert_true(p == (void *)at[i]); // NOLINT
	}
	boot = (struct boot){0};
	space_error = 0;
	spaces = 0;
	fake_log_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap((void *)LOW, MIB(16));  // NOLINT
	munmap((void *)HIGH, MIB(16)); // NOLINT
	return 0;
}

/* All that the allocator gives, page by page: in which range each lies. */
static void count_pages(uint64_t *low, uint64_t *high, uint64_t low_from)
{
	hpa_t page;

	*low = *high = 0;
	while (page_alloc(0, &page)) {
		if (page.v >= HIGH && page.v < HIGH + MIB(16)) {
			++*high;
			continue;
		}
		assert_true(page.v >= low_from && page.v < LOW + MIB(16));
		++*low;
	}
}

/* Low: the first place that has room for a byte a page up to the last free one is the allocator's.
 * High: each range's last pages are. */
static void test_low_and_high(void **state)
{
	uint64_t low, high, state_pages = ((LOW + MIB(16)) / PAGE_SIZE + PAGE_SIZE - 1) / PAGE_SIZE;

	(void)state;
	assert_int_equal(memmap_add(&boot.free, LOW, MIB(16)), 0);
	assert_int_equal(memmap_add(&boot.free, HIGH, MIB(8)), 0);
	assert_int_equal(memmap_add(&boot.free, HIGH + MIB(12), 2 * PAGE_SIZE), 0);
	assert_int_equal(memmap_add(&boot.free, HIGH + MIB(14), PAGE_SIZE), 0); /* not worth it */
	boot.free.range[0].end = LOW + MIB(16);
	/* The last range decides how far the low pages' bytes reach: up to 4 GiB here. */
	state_pages = GIB(4) / PAGE_SIZE / PAGE_SIZE;
	assert_int_equal(memory_init(&boot), 0);
	assert_int_equal(spaces, 1);
	count_pages(&low, &high, LOW + state_pages * PAGE_SIZE);
	assert_int_equal(low, MIB(16) / PAGE_SIZE - state_pages);
	assert_int_equal(high, MIB(8) / PAGE_SIZE - 1 + 1);
	assert_int_equal(page_total_bytes(), (low + high) * PAGE_SIZE);
}

/* Only low memory: bytes up to its end. */
static void test_low_alone(void **state)
{
	uint64_t low, high, state_pages = (LOW + MIB(16)) / PAGE_SIZE / PAGE_SIZE;

	(void)state;
	assert_int_equal((LOW + MIB(16)) % (PAGE_SIZE * PAGE_SIZE), 0);
	assert_int_equal(memmap_add(&boot.free, LOW, MIB(16)), 0);
	assert_int_equal(memory_init(&boot), 0);
	assert_string_equal(fake_log_text(), "");
	count_pages(&low, &high, LOW + state_pages * PAGE_SIZE);
	assert_int_equal(low, MIB(16) / PAGE_SIZE - state_pages);
	assert_int_equal(high, 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(memory_init(&boot), -ENOMEM);
	assert_int_equal(
		fake_log_count(
			"no 0 KiB of memory in one piece below 4 GiB for the page allocator"),
		1);
	/* The bytes for the pages do not fit: 17 pages are needed, 16 are there. */
	fake_log_clear();
	assert_int_equal(memmap_add(&boot.free, LOW + MIB(4), 16 * PAGE_SIZE), 0);
	assert_int_equal(memory_init(&boot), -ENOMEM);
	assert_int_equal(fake_log_count("no 68 KiB of memory in one piece"), 1);
	assert_int_equal(spaces, 0);
	/* Nothing below 4 GiB. */
	boot.free = (struct memmap){0};
	assert_int_equal(memmap_add(&boot.free, HIGH, MIB(8)), 0);
	assert_int_equal(memory_init(&boot), -ENOMEM);
	assert_int_equal(spaces, 0);
}

static void test_no_address_space(void **state)
{
	(void)state;
	assert_int_equal(memmap_add(&boot.free, LOW, MIB(16)), 0);
	space_error = -ENOSPC;
	assert_int_equal(memory_init(&boot), -ENOSPC);
	assert_int_equal(fake_log_count("the address space cannot be built (error -28)"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_low_and_high),
		TEST(test_low_alone),
		TEST(test_no_memory),
		TEST(test_no_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
