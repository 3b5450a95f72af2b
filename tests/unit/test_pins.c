/* The REALTIME hint's condition: each vCPU alone on its pCPU, by all VMs' pin=. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "loader/config.h"

static struct config config;

static struct vm_config *add_vm(uint32_t vcpus, uint32_t pin_count, uint32_t pin0, uint32_t pin1)
{
	struct vm_config *vm = &config.vm[config.vm_count++];

	vm->vcpus = vcpus;
	vm->pin_count = pin_count;
	vm->pin[0] = pin0;
	vm->pin[1] = pin1;
	return vm;
}

static int clear(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	return 0;
}

static void test_unpinned_is_not_alone(void **state)
{
	(void)state;
	add_vm(1, 0, 0, 0);
	assert_false(config_is_alone(&config, 0));
}

static void test_each_on_its_own(void **state)
{
	(void)state;
	add_vm(2, 2, 0, 1);
	assert_true(config_is_alone(&config, 0));
}

static void test_two_of_one_vm_on_one_pcpu(void **state)
{
	(void)state;
	add_vm(2, 1, 0, 0);
	add_vm(2, 2, 1, 1);
	add_vm(3, 2, 2, 3);
	assert_false(config_is_alone(&config, 0));
	assert_false(config_is_alone(&config, 1));
	assert_false(config_is_alone(&config, 2));
}

static void test_others_count(void **state)
{
	struct vm_config *other;

	(void)state;
	add_vm(2, 2, 0, 1);
	other = add_vm(1, 1, 2, 0);
	assert_true(config_is_alone(&config, 0));
	assert_true(config_is_alone(&config, 1));
	other->pin[0] = 1;
	assert_false(config_is_alone(&config, 0));
	assert_false(config_is_alone(&config, 1));
	/* One that may run anywhere may run there. */
	other->pin_count = 0;
	assert_false(config_is_alone(&config, 0));
	/* One that will not run does not count. */
	strcpy(other->error, "bad");
	assert_true(config_is_alone(&config, 0));
}

/* What pin= lists beyond the vCPUs is not used. */
static void test_unused_pins_do_not_count(void **state)
{
	(void)state;
	add_vm(1, 2, 0, 1);
	add_vm(1, 1, 1, 0);
	assert_true(config_is_alone(&config, 0));
	assert_true(config_is_alone(&config, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unpinned_is_not_alone, clear),
		cmocka_unit_test_setup(test_each_on_its_own, clear),
		cmocka_unit_test_setup(test_two_of_one_vm_on_one_pcpu, clear),
		cmocka_unit_test_setup(test_others_count, clear),
		cmocka_unit_test_setup(test_unused_pins_do_not_count, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
