/* A vCPU's last exits as a report tells them: 'the last 32 exits with reason and RIP, and how often
 * if repeated'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "guest/exit_log.h"

#define IO 30u

static struct vcpu vcpu;
static struct exit_run run[VCPU_EXIT_LOG];

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof(vcpu));
	return 0;
}

static void add(uint32_t reason, uint64_t rip, uint32_t info)
{
	vcpu_log_exit(&vcpu, reason, rip);
	vcpu_last_exit(&vcpu)->info = info;
}

static void assert_run(uint32_t i, uint32_t reason, uint64_t rip, uint32_t info, uint32_t times)
{
	assert_int_equal(run[i].exit.reason, reason);
	assert_int_equal(run[i].exit.rip, rip);
	assert_int_equal(run[i].exit.info, info);
	assert_int_equal(run[i].times, times);
}

static void test_a_short_log(void **state)
{
	(void)state;
	assert_int_equal(exit_log_runs(&vcpu, IO, run), 0);
	add(10, 0x1000, 0);
	add(0, 0x2000, 0); /* reason 0 is one, too */
	assert_int_equal(exit_log_runs(&vcpu, IO, run), 2);
	assert_run(0, 10, 0x1000, 0, 1);
	assert_run(1, 0, 0x2000, 0, 1);
}

static void test_equal_ones_are_counted(void **state)
{
	(void)state;
	add(IO, 0x1000, 0x3f8);
	add(IO, 0x1000, 0x3f8);
	add(IO, 0x1000, 0x3fd); /* another port */
	add(10, 0x1000, 0x3fd);
	add(10, 0x1000, 0x60); /* what an older I/O left is not CPUID's */
	add(10, 0x1002, 0);
	assert_int_equal(exit_log_runs(&vcpu, IO, run), 4);
	assert_run(0, IO, 0x1000, 0x3f8, 2);
	assert_run(1, IO, 0x1000, 0x3fd, 1);
	assert_run(2, 10, 0x1000, 0, 2);
	assert_run(3, 10, 0x1002, 0, 1);
}

static void test_a_full_log_tells_the_last_ones(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 40; i++)
		add(12, i, 0);
	assert_int_equal(exit_log_runs(&vcpu, IO, run), VCPU_EXIT_LOG);
	assert_run(0, 12, 9, 0, 1);
	assert_run(VCPU_EXIT_LOG - 1, 12, 40, 0, 1);
	for (uint32_t i = 0; i < VCPU_EXIT_LOG; i++)
		add(12, 0x77, 0);
	assert_int_equal(exit_log_runs(&vcpu, IO, run), 1);
	assert_run(0, 12, 0x77, 0, VCPU_EXIT_LOG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_short_log, setup),
		cmocka_unit_test_setup(test_equal_ones_are_counted, setup),
		cmocka_unit_test_setup(test_a_full_log_tells_the_last_ones, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
