/* The bus: 'Reads that nobody claims are all ones, writes that nobody claims vanish',
 * devices/bus.h. */
#include "device_rig.h"
#include "lib/errno.h"

struct seen {
	uint64_t offset, value;
	unsigned size, reads, writes;
};

static uint64_t seen_read(void *dev, uint64_t offset, unsigned size)
{
	struct seen *seen = dev;

	seen->offset = offset;
	seen->size = size;
	seen->reads++;
	return 0x1122334455667788ull & bus_unclaimed(size);
}

static void seen_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	struct seen *seen = dev;

	seen->offset = offset;
	seen->size = size;
	seen->value = value;
	seen->writes++;
}

static int add(struct bus *bus, uint64_t base, uint64_t len, struct seen *seen)
{
	struct bus_region region = {
		.base = base, .len = len, .dev = seen, .read = seen_read, .write = seen_write};

	return bus_add(bus, &region);
}

static void test_empty(void **state)
{
	struct bus bus;
	uint64_t value = 5;

	(void)state;
	bus_init(&bus);
	assert_null(bus_find(&bus, 0, 1));
	assert_null(bus_find(&bus, UINT64_MAX, 1));
	assert_false(bus_read(&bus, 0x80, 4, &value));
	assert_int_equal(value, 0xffffffff);
	assert_false(bus_write(&bus, 0x80, 8, 1));
	assert_false(bus_read(&bus, 0x80, 8, &value));
	assert_true(value == UINT64_MAX);
}

static void test_refusals(void **state)
{
	struct bus bus;
	struct seen seen = {0};

	(void)state;
	bus_init(&bus);
	assert_int_equal(add(&bus, 0x100, 0, &seen), -EINVAL);
	assert_int_equal(add(&bus, UINT64_MAX - 3, 8, &seen), -EINVAL);
	assert_int_equal(add(&bus, 0x100, 8, &seen), 0);
	assert_int_equal(add(&bus, 0x107, 1, &seen), -EEXIST);
	assert_int_equal(add(&bus, 0xff, 2, &seen), -EEXIST);
	assert_int_equal(add(&bus, 0x0, 0x1000, &seen), -EEXIST);
	assert_int_equal(add(&bus, 0x108, 8, &seen), 0);
	assert_int_equal(add(&bus, 0xf8, 8, &seen), 0);
	assert_int_equal(bus.count, 3);
}

/* What is taken out is not found any more, the others are; its place is free. */
static void test_remove(void **state)
{
	struct seen seen[3] = {{0}};
	struct bus bus;
	uint64_t value;

	(void)state;
	bus_init(&bus);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(add(&bus, i * 0x10, 0x10, &seen[i]), 0);
	bus_remove(&bus, 0x18); /* begins no region */
	assert_int_equal(bus.count, 3);
	assert_true(bus_read(&bus, 0x14, 1, &value)); /* the next look would begin there */
	bus_remove(&bus, 0x10);
	assert_false(bus_read(&bus, 0x14, 1, &value));
	assert_false(bus_write(&bus, 0x14, 1, 0));
	assert_int_equal(seen[1].reads, 1);
	assert_int_equal(seen[1].writes, 0);
	assert_int_equal(bus.count, 2);
	assert_null(bus_find(&bus, 0x10, 1));
	assert_ptr_equal(bus_find(&bus, 0, 1)->dev, &seen[0]);
	assert_ptr_equal(bus_find(&bus, 0x20, 1)->dev, &seen[2]);
	bus_remove(&bus, 0x20);
	assert_null(bus_find(&bus, 0x20, 1));
	bus_remove(&bus, 0x20);
	assert_int_equal(add(&bus, 0x8000, 0x10, &seen[2]), 0);
	assert_int_equal(add(&bus, 0x10, 0x20, &seen[1]), 0);
	assert_ptr_equal(bus_find(&bus, 0x2f, 1)->dev, &seen[1]);
	bus_remove(&bus, 0);
	bus_remove(&bus, 0x10);
	bus_remove(&bus, 0x8000);
	assert_int_equal(bus.count, 0);
	assert_null(bus_find(&bus, 0, 1));
}

/* Every region is found at its first and last byte and not beside, whatever the order of adding and
 * however many there are. */
static void test_find_in_any_number(void **state)
{
	static struct seen seen[BUS_REGIONS_MAX];

	(void)state;
	for (unsigned n = 1; n <= BUS_REGIONS_MAX; n++) {
		struct bus bus;

		bus_init(&bus);
		for (unsigned i = 0; i < n; i++) {
			/* 7 and n may share a factor: then the order is plain. */
			unsigned place = n % 7 ? i * 7 % n : i;

			assert_int_equal(add(&bus, place * 0x10 + 4, 8, &seen[place]), 0);
		}
		for (unsigned i = 0; i < n; i++) {
			assert_ptr_equal(bus_find(&bus, i * 0x10 + 4, 1)->dev, &seen[i]);
			assert_ptr_equal(bus_find(&bus, i * 0x10 + 11, 1)->dev, &seen[i]);
			assert_ptr_equal(bus_find(&bus, i * 0x10 + 4, 8)->dev, &seen[i]);
			assert_null(bus_find(&bus, i * 0x10 + 3, 1));
			assert_null(bus_find(&bus, i * 0x10 + 12, 1));
			assert_null(bus_find(&bus, i * 0x10 + 11, 2));
		}
		assert_null(bus_find(&bus, UINT64_MAX, 1));
		if (n == BUS_REGIONS_MAX)
			assert_int_equal(add(&bus, 0x10000, 1, &seen[0]), -ENOSPC);
	}
}

static void test_whole_access_goes_as_one(void **state)
{
	struct bus bus;
	struct seen seen = {0};
	uint64_t value;

	(void)state;
	bus_init(&bus);
	assert_int_equal(add(&bus, 0x3f8, 8, &seen), 0);
	assert_true(bus_read(&bus, 0x3fa, 4, &value));
	assert_int_equal(value, 0x55667788);
	assert_int_equal(seen.offset, 2);
	assert_int_equal(seen.size, 4);
	assert_true(bus_write(&bus, 0x3fb, 2, 0xabcd));
	assert_int_equal(seen.value, 0xabcd);
	assert_int_equal(seen.offset, 3);
	assert_int_equal(seen.writes, 1);
}

/* 'An access of a size that crosses regions is split into bytes.' */
static void test_crossing_access_is_split(void **state)
{
	struct bus bus;
	struct seen low = {0}, high = {0};
	uint64_t value;

	(void)state;
	bus_init(&bus);
	assert_int_equal(add(&bus, 0x60, 1, &low), 0);
	assert_int_equal(add(&bus, 0x62, 2, &high), 0);
	assert_true(bus_read(&bus, 0x60, 4, &value));
	assert_int_equal(value, 0x8888ff88);
	assert_int_equal(low.reads, 1);
	assert_int_equal(high.reads, 2);
	assert_int_equal(high.offset, 1);
	assert_true(bus_write(&bus, 0x5f, 4, 0x44332211));
	assert_int_equal(low.value, 0x22);
	assert_int_equal(high.value, 0x44);
	assert_int_equal(high.writes, 1);
	assert_false(bus_read(&bus, 0x5c, 4, &value));
	assert_int_equal(value, 0xffffffff);
}

static void test_add_all_stops_at_the_first_error(void **state)
{
	struct bus bus;
	struct seen seen = {0};
	const struct bus_region regions[] = {
		{.base = 1, .len = 1, .read = seen_read, .write = seen_write},
		{.base = 1, .len = 1, .read = seen_read, .write = seen_write},
		{.base = 2, .len = 1, .read = seen_read, .write = seen_write},
	};

	(void)state;
	bus_init(&bus);
	assert_int_equal(bus_add_all(&bus, &seen, regions, 3), -EEXIST);
	assert_int_equal(bus.count, 1);
	assert_ptr_equal(bus.region[0].dev, &seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_find_in_any_number),
		cmocka_unit_test(test_whole_access_goes_as_one),
		cmocka_unit_test(test_crossing_access_is_split),
		cmocka_unit_test(test_add_all_stops_at_the_first_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
