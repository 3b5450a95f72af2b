/* The parallel port: what is written where, and in which order ('compatibility mode': the byte,
 * then the strobe, which falls and rises again). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "drivers/parport.h"
#include "fakes/ports.h"
#include "lib/errno.h"

#define NOT_BUSY 0x80

static int setup(void **state)
{
	(void)state;
	fake_ports_clear();
	return 0;
}

/* Nobody drives the bus. */
static void test_no_port(void **state)
{
	struct parport port;

	(void)state;
	fake_port_set(0x378, 0xff);
	assert_int_equal(parport_open(&port, PARPORT_LPT1), -ENODEV);
	assert_string_equal(fake_ports_text(), "outb 37a c; outb 378 55; ");
}

static void test_bytes_by_strobe(void **state)
{
	struct parport port = {.base = PARPORT_LPT1};

	(void)state;
	fake_port_set(0x379, NOT_BUSY);
	assert_true(parport_write(&port, "AB", 2));
	assert_string_equal(fake_ports_text(), "outb 378 41; outb 37a d; outb 37a c; "
					       "outb 378 42; outb 37a d; outb 37a c; ");
}

/* A printer that is off or out of paper is busy for ever: the wait ends, and is not repeated. */
static void test_busy_for_ever(void **state)
{
	struct parport port = {.base = PARPORT_LPT1};

	(void)state;
	assert_false(parport_write(&port, "AB", 2));
	assert_true(port.is_dead);
	fake_port_set(0x379, NOT_BUSY);
	assert_false(parport_write(&port, "C", 1));
	assert_string_equal(fake_ports_text(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_port, setup),
		cmocka_unit_test_setup(test_bytes_by_strobe, setup),
		cmocka_unit_test_setup(test_busy_for_ever, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
