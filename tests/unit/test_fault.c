/* Faults of the host on purpose, and what they do to the making of a VM. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/vcpu_arch.h"
#include "lib/fault.h"
#include "mm/page.h"

#define ALLOCATIONS_MAX 1000

static bool parse(const char *text, enum fault_kind *kind, uint64_t *n)
{
	/* Not terminated, as a word of a command line. */
	char buf[32];
	size_t len = strlen(text);

	memset(buf, '9', sizeof(buf));
	memcpy(buf, text, len);
	return fault_parse(buf, len, kind, n);
}

static void test_words(void **state)
{
	static const char *const bad[] = {"",       "page",     "page:", ":1",      "page:0",
					  "page:x", "pages:1",  "pag:1", "page:1 ", "page:-1",
					  "none:1", "vmread:0", "stop:0"};
	enum fault_kind kind = FAULT_NONE;
	uint64_t n = 0;

	(void)state;
	assert_true(parse("page:7", &kind, &n));
	assert_int_equal(kind, FAULT_PAGE);
	assert_int_equal(n, 7);
	assert_true(parse("ipi-late:1", &kind, &n));
	assert_int_equal(kind, FAULT_IPI_LATE);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		kind = FAULT_LOG;
		n = 5;
		assert_false(parse(bad[i], &kind, &n));
		assert_int_equal(kind, FAULT_LOG);
		assert_int_equal(n, 5);
	}
}

static void test_counts(void **state)
{
	(void)state;
	fault_set(FAULT_PAGE, 3);
	assert_int_equal(fault_n(FAULT_PAGE), 3);
	assert_int_equal(fault_n(FAULT_MC), 0);
	assert_false(fault_is_due(FAULT_MC)); /* another kind counts nothing */
	assert_false(fault_is_due(FAULT_PAGE));
	assert_false(fault_is_due(FAULT_PAGE));
	assert_true(fault_is_due(FAULT_PAGE));
	for (unsigned i = 0; i < 10; i++)
		assert_false(fault_is_due(FAULT_PAGE)); /* once */
	fault_set(FAULT_NONE, 0);
	assert_false(fault_is_due(FAULT_NONE));
	assert_false(fault_is_due(FAULT_PAGE));
}

/* Was occasion `n` among those so far? Counts on. */
static bool has_come(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fault_is_due(FAULT_PAGE))
			return false;
	return true;
}

/* Whichever allocation fails: the VM is refused by name, and nothing is lost. */
static void test_vm_without_page(void **state)
{
	struct vm_params params = {
		.name = "starved",
		.mem = MIB(4),
		.vcpus = 2,
		.topology = {1, 2, 1},
		.slice = 1000,
		.weight = 1,
		.has_virtio_console = true,
		.has_virtio_rng = true,
		.restarts = 1,
		.nic_count = 1,
		.nic = {{.lan = "lan"}},
	};
	uint64_t free_bytes;
	bool has_failed = true;
	unsigned n, refused = 0;

	(void)state;
	fake_machine_start(1000000);
	free_bytes = page_free_bytes();
	for (n = 1; has_failed; n++) {
		char error[256] = "";
		struct vm *vm;

		assert_true(n < ALLOCATIONS_MAX);
		fault_set(FAULT_PAGE, n);
		if (vm_create(&params, &vm, error, sizeof(error))) {
			assert_null(vm);
			assert_non_null(strstr(error, "vm 'starved'"));
			refused++;
		} else {
			/* RAM that is not there in one block is looked for in smaller ones. */
			vm_destroy(vm);
		}
		has_failed = has_come(n);
		assert_int_equal(page_free_bytes(), free_bytes);
	}
	assert_true(refused >= 2); /* the VM itself, its network's card */
	fault_set(FAULT_NONE, 0);
	fake_machine_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_vm_without_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
