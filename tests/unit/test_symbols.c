/* A function's name by an address in it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/symbols.h"

static const struct symbol symbols[] = {
	{0x1000, "one"}, {0x1010, "two"}, {0x1011, "three"}, {0x2000, "four"}, {0x9000, "five"}};

static const char *name(uint32_t count, uint64_t address)
{
	const struct symbol_table table = {.count = count, .symbol = symbols};
	const struct symbol *symbol = symbol_find(&table, address);

	return symbol ? symbol->name : "-";
}

static void test_each_address_has_the_function_it_is_in(void **state)
{
	(void)state;
	/* Whatever the number of entries: the search's halves come out even or odd. */
	for (uint32_t count = 1; count <= 5; count++) {
		for (uint32_t i = 0; i < count; i++) {
			uint64_t end = i + 1 < count ? symbols[i + 1].address : UINT64_MAX;

			assert_string_equal(name(count, symbols[i].address), symbols[i].name);
			assert_string_equal(name(count, end - 1), symbols[i].name);
		}
		assert_string_equal(name(count, 0xfff), "-");
		assert_string_equal(name(count, 0), "-");
	}
	assert_string_equal(name(0, 0x1000), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_address_has_the_function_it_is_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
