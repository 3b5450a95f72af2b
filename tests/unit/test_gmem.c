/* Guest memory: 'reached only through checked copies (address and length against the VM's slots,
 * overflow checked)', docs/architecture.md, 'Guests are not trusted'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "guest/gmem.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

/* RAM as a PC has it: [0, 0x2000), then two chunks that adjoin, [0x10000, 0x11000) and
 * [0x11000, 0x14000), and one that ends with the address space. Each is a malloc of its own, so
 * that a byte too far is the sanitizer's. */
struct ram {
	struct gmem gmem;
	uint8_t *host[4];
};

static const struct {
	uint64_t base, len;
} layout[4] = {{0, 0x2000}, {0x10000, 0x1000}, {0x11000, 0x3000}, {0ull - 0x1000, 0x1000}};

static int setup(void **state)
{
	struct ram *ram = calloc(1, sizeof(*ram));

	for (unsigned i = 0; i < 4; i++) {
		ram->host[i] = malloc(layout[i].len);
		memset(ram->host[i], (int)(0x10 + i), layout[i].len);
		ram->gmem.chunk[i] = (struct gmem_chunk){
			.base = GPA(layout[i].base),
			.len = layout[i].len,
			.host = ptr_to_hpa(ram->host[i]),
		};
	}
	ram->gmem.count = 4;
	*state = ram;
	return 0;
}

static int teardown(void **state)
{
	struct ram *ram = *state;

	for (unsigned i = 0; i < 4; i++)
		free(ram->host[i]);
	free(ram);
	return 0;
}

static void test_find_knows_both_ends(void **state)
{
	const struct gmem *g = &((struct ram *)*state)->gmem;

	assert_ptr_equal(gmem_find(g, GPA(0)), &g->chunk[0]);
	assert_ptr_equal(gmem_find(g, GPA(0x1fff)), &g->chunk[0]);
	assert_null(gmem_find(g, GPA(0x2000)));
	assert_null(gmem_find(g, GPA(0xffff)));
	assert_ptr_equal(gmem_find(g, GPA(0x10000)), &g->chunk[1]);
	assert_ptr_equal(gmem_find(g, GPA(0x10fff)), &g->chunk[1]);
	assert_ptr_equal(gmem_find(g, GPA(0x11000)), &g->chunk[2]);
	assert_ptr_equal(gmem_find(g, GPA(0x13fff)), &g->chunk[2]);
	assert_null(gmem_find(g, GPA(0x14000)));
	assert_null(gmem_find(g, GPA(0ull - 0x1001)));
	assert_ptr_equal(gmem_find(g, GPA(UINT64_MAX)), &g->chunk[3]);
	assert_int_equal(gmem_total(g), 0x2000 + 0x1000 + 0x3000 + 0x1000);
}

static void test_find_in_every_size_of_table(void **state)
{
	struct gmem *g = calloc(1, sizeof(*g));

	(void)state;
	assert_null(gmem_find(g, GPA(0)));
	for (uint32_t n = 1; n <= GMEM_CHUNKS_MAX; n++) {
		g->chunk[n - 1].base = GPA(n * 0x2000ull);
		g->chunk[n - 1].len = 0x1000;
		g->count = n;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t base = g->chunk[i].base.v;

			assert_null(gmem_find(g, GPA(base - 1)));
			assert_ptr_equal(gmem_find(g, GPA(base)), &g->chunk[i]);
			assert_ptr_equal(gmem_find(g, GPA(base + 0xfff)), &g->chunk[i]);
			assert_null(gmem_find(g, GPA(base + 0x1000)));
		}
	}
	free(g);
}

/* 'Copies len bytes, across chunks where they adjoin.' */
static void test_copy_across_chunks(void **state)
{
	struct ram *ram = *state;
	uint8_t buf[0x20];

	assert_int_equal(gmem_read(&ram->gmem, GPA(0x10ff0), buf, sizeof(buf)), 0);
	for (unsigned i = 0; i < 0x20; i++)
		assert_int_equal(buf[i], i < 0x10 ? 0x11 : 0x12);

	for (unsigned i = 0; i < 0x20; i++)
		buf[i] = (uint8_t)(0x80 + i);
	assert_int_equal(gmem_write(&ram->gmem, GPA(0x10ff0), buf, sizeof(buf)), 0);
	assert_int_equal(ram->host[1][0xfef], 0x11);
	assert_memory_equal(ram->host[1] + 0xff0, buf, 0x10);
	assert_memory_equal(ram->host[2], buf + 0x10, 0x10);
	assert_int_equal(ram->host[2][0x10], 0x12);

	assert_int_equal(gmem_zero(&ram->gmem, GPA(0x10fff), 2), 0);
	assert_int_equal(ram->host[1][0xffe], 0x8e);
	assert_int_equal(ram->host[1][0xfff], 0);
	assert_int_equal(ram->host[2][0], 0);
	assert_int_equal(ram->host[2][1], 0x91);
}

/* '-EFAULT when any byte is not RAM; then nothing was copied.' */
static void test_a_hole_copies_nothing(void **state)
{
	struct ram *ram = *state;
	uint8_t buf[0x20];

	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(gmem_read(&ram->gmem, GPA(0x1ff0), buf, 0x11), -EFAULT);
	assert_int_equal(gmem_read(&ram->gmem, GPA(0xfff0), buf, 0x20), -EFAULT);
	assert_int_equal(gmem_read(&ram->gmem, GPA(0x2000), buf, 1), -EFAULT);
	for (unsigned i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0xee);

	assert_int_equal(gmem_write(&ram->gmem, GPA(0x1ff0), buf, 0x11), -EFAULT);
	assert_int_equal(gmem_zero(&ram->gmem, GPA(0x1ff0), 0x11), -EFAULT);
	for (unsigned i = 0; i < 0x10; i++)
		assert_int_equal(ram->host[0][0x1ff0 + i], 0x10);
	assert_int_equal(gmem_read(&ram->gmem, GPA(0x1ff0), buf, 0x10), 0);
}

/* 'Overflow checked': the end of the address space does not go on at 0, though both are RAM. */
static void test_addresses_do_not_wrap(void **state)
{
	struct ram *ram = *state;
	uint8_t buf[0x20] = {0};

	assert_int_equal(gmem_read(&ram->gmem, GPA(UINT64_MAX), buf, 1), 0);
	assert_int_equal(buf[0], 0x13);
	assert_int_equal(gmem_read(&ram->gmem, GPA(UINT64_MAX), buf, 2), -EFAULT);
	assert_int_equal(gmem_read(&ram->gmem, GPA(0x1000), buf, SIZE_MAX), -EFAULT);
	assert_int_equal(gmem_write(&ram->gmem, GPA(0ull - 0x10), buf, 0x11), -EFAULT);
	assert_int_equal(gmem_zero(&ram->gmem, GPA(0), SIZE_MAX), -EFAULT);
	assert_null(gmem_ptr(&ram->gmem, GPA(0), SIZE_MAX));
	assert_null(gmem_ptr(&ram->gmem, GPA(UINT64_MAX), 2));
}

static void test_empty_copy_is_nothing(void **state)
{
	struct ram *ram = *state;

	assert_int_equal(gmem_read(&ram->gmem, GPA(0x5000), NULL, 0), 0);
	assert_int_equal(gmem_write(&ram->gmem, GPA(0x5000), NULL, 0), 0);
	assert_int_equal(gmem_zero(&ram->gmem, GPA(UINT64_MAX), 0), 0);
}

/* 'A pointer to len bytes that lie in one chunk, or NULL.' */
static void test_ptr_stays_in_one_chunk(void **state)
{
	struct ram *ram = *state;

	assert_ptr_equal(gmem_ptr(&ram->gmem, GPA(0x10ff0), 0x10), ram->host[1] + 0xff0);
	assert_null(gmem_ptr(&ram->gmem, GPA(0x10ff0), 0x11));
	assert_ptr_equal(gmem_ptr(&ram->gmem, GPA(0x11000), 0x3000), ram->host[2]);
	assert_null(gmem_ptr(&ram->gmem, GPA(0x2000), 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find_knows_both_ends, setup, teardown),
		cmocka_unit_test(test_find_in_every_size_of_table),
		cmocka_unit_test_setup_teardown(test_copy_across_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_hole_copies_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses_do_not_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_copy_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ptr_stays_in_one_chunk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
