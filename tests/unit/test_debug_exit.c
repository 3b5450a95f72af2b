/* The test kernels' ports, as QEMU's documentation of isa-debug-exit and isa-debugcon, and Bochs's
 * of its shutdown port, describe them. */
#include "device_rig.h"
#include "devices/debug_exit.h"

static struct fake_platform fake;
static struct debug_exit debug;
static struct bus ports;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, NSEC_PER_SEC);
	debug_exit_init(&debug, &fake.platform);
	bus_init(&ports);
	assert_int_equal(debug_exit_attach(&debug, &ports), 0);
	return 0;
}

static void say(const char *text)
{
	while (*text)
		port_out(&ports, 0x8900, 1, (uint8_t)*text++);
}

static void test_exit_value(void **state)
{
	static const struct {
		unsigned size;
		uint32_t value;
	} rows[] = {{1, 0}, {1, 0xff}, {2, 0xbeef}, {4, 0xdeadbeef}, {4, 0}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(NULL);
		fake.end_value = 77;
		port_out(&ports, 0xf4, rows[i].size, rows[i].value);
		assert_true(fake.has_ended);
		assert_int_equal(fake.end_how, VM_END_DEBUG_EXIT);
		assert_int_equal(fake.end_value, rows[i].value);
	}
}

static void test_exit_port_reads_zero(void **state)
{
	(void)state;
	assert_int_equal(port_in(&ports, 0xf4, 1), 0);
	assert_int_equal(port_in(&ports, 0xf4, 4), 0);
	assert_false(fake.has_ended);
}

static void test_debugcon(void **state)
{
	(void)state;
	assert_int_equal(port_in(&ports, 0xe9, 1), 0xe9);
	port_out(&ports, 0xe9, 1, 'o');
	port_out(&ports, 0xe9, 1, 'k');
	assert_int_equal(fake.console_len, 2);
	assert_memory_equal(fake.console, "ok", 2);
}

static void test_shutdown_string(void **state)
{
	(void)state;
	say("Shutdow");
	assert_false(fake.has_ended);
	say("n");
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_SHUTDOWN);
	assert_int_equal(port_in(&ports, 0x8900, 1), 0xff);
}

static void test_shutdown_string_starts_over(void **state)
{
	(void)state;
	say("shutdown");
	say("Shut down");
	say("Shutdo");
	assert_false(fake.has_ended);
	say("Shutdown"); /* its S begins anew */
	assert_true(fake.has_ended);
	fake.has_ended = false;
	say("n");
	assert_false(fake.has_ended);
	say("SShutdown");
	assert_true(fake.has_ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_exit_value, setup),
		cmocka_unit_test_setup(test_exit_port_reads_zero, setup),
		cmocka_unit_test_setup(test_debugcon, setup),
		cmocka_unit_test_setup(test_shutdown_string, setup),
		cmocka_unit_test_setup(test_shutdown_string_starts_over, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
