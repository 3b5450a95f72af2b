/* The keyboard controller, as drivers and A20 code talk to it (IBM's 'PS/2 Hardware Interface
 * Technical Reference'), and the system control ports (PIIX4 and ICH data sheets). */
#include "device_rig.h"
#include "devices/i8042.h"
#include "devices/sysctl.h"

#define OBF     0x01
#define SYS     0x04
#define CMD     0x08
#define KEYLOCK 0x10
#define AUX     0x20
#define TIMEOUT 0x40

static struct fake_platform fake;
static struct wire irq1, irq12;
static struct i8042 kbc;
static struct sysctl sysctl;
static struct bus ports;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, NSEC_PER_SEC);
	i8042_init(&kbc, &fake.platform, wire_line(&irq1, 1), wire_line(&irq12, 12));
	sysctl_init(&sysctl, &fake.platform);
	bus_init(&ports);
	assert_int_equal(i8042_attach(&kbc, &ports), 0);
	assert_int_equal(sysctl_attach(&sysctl, &ports), 0);
	return 0;
}

static uint8_t status(void)
{
	return (uint8_t)port_in(&ports, 0x64, 1);
}

static uint8_t data(void)
{
	return (uint8_t)port_in(&ports, 0x60, 1);
}

static void command(uint8_t value)
{
	port_out(&ports, 0x64, 1, value);
}

static void write_data(uint8_t value)
{
	port_out(&ports, 0x60, 1, value);
}

/* The answer to a command: in the output buffer at once. */
static uint8_t ask(uint8_t value)
{
	command(value);
	assert_true(status() & OBF);
	return data();
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(status(), KEYLOCK | SYS); /* empty, not locked, self test passed */
	command(0xae);
	assert_int_equal(status(), KEYLOCK | SYS | CMD);
	(void)ask(0x20);
	write_data(0xf4);
	assert_int_equal(status() & CMD, 0);
}

/* What Linux's i8042 driver does before it believes: flush, self test, the command byte, the
 * keyboard and auxiliary interface tests, the AUX loop with its interrupt, the search for a
 * multiplexer. */
static void test_linux_probe(void **state)
{
	static const uint8_t mux[] = {0xf0, 0x56, 0xa4};
	unsigned rises;
	uint8_t ctr;

	(void)state;
	assert_false(status() & OBF);
	assert_int_equal(ask(0xaa), 0x55);
	assert_int_equal(ask(0xab), 0x00);
	ctr = ask(0x20);
	assert_int_equal(ctr, ask(0x20));
	assert_true(ctr & 0x40); /* translates */
	command(0x60);
	write_data((ctr | 0x10) & (uint8_t)~0x01);
	assert_int_equal(ask(0x20), (ctr | 0x10) & ~0x01);

	command(0xd3);
	write_data(0x5a);
	assert_int_equal(status() & (AUX | OBF), AUX | OBF);
	assert_int_equal(data(), 0x5a);
	assert_int_equal(ask(0xa9), 0x00);
	command(0xa7);
	assert_true(ask(0x20) & 0x20);
	command(0xa8);
	assert_false(ask(0x20) & 0x20);
	command(0x60);
	write_data(0x42);
	assert_int_equal(irq12.rises, 0);
	rises = irq1.rises;
	command(0xd3);
	write_data(0xa5);
	assert_true(irq12.level);
	assert_int_equal(irq12.pin, 12);
	assert_int_equal(data(), 0xa5);
	assert_false(irq12.level);
	assert_int_equal(irq1.rises, rises);
	for (unsigned i = 0; i < ARRAY_SIZE(mux); i++) {
		command(0xd3);
		write_data(mux[i]);
		assert_int_equal(data(), mux[i]); /* the last would differ on a multiplexer */
	}
}

/* Nobody is there: RESEND and the time-out bit, at once, so that no driver waits. */
static void test_absent_devices(void **state)
{
	(void)state;
	command(0xad);
	write_data(0xff);
	assert_int_equal(status() & (OBF | AUX | TIMEOUT), OBF | TIMEOUT);
	assert_true(irq1.level);
	assert_int_equal(irq1.pin, 1);
	assert_false(ask(0x20) & 0x10); /* sending has enabled the interface */
	write_data(0xf2);
	write_data(0xed); /* an edge for each byte */
	assert_int_equal(data(), 0xfe);
	assert_false(irq1.level);
	assert_int_equal(status() & (OBF | TIMEOUT), 0);

	command(0xa7);
	command(0xd4);
	write_data(0xff);
	assert_int_equal(status() & (OBF | AUX | TIMEOUT), OBF | AUX | TIMEOUT);
	assert_int_equal(data(), 0xfe);
	assert_false(ask(0x20) & 0x20);
	/* The next data byte is the keyboard's again. */
	write_data(0xee);
	assert_int_equal(status() & AUX, 0);
}

static void test_interrupt_enable(void **state)
{
	unsigned rises;

	(void)state;
	command(0x60);
	write_data(0x00);
	command(0xd2);
	write_data(0x1c);
	assert_false(irq1.level);
	command(0x60);
	write_data(0x01); /* enabled while the buffer is full */
	assert_true(irq1.level);
	assert_int_equal(data(), 0x1c);
	rises = irq1.rises;
	command(0xd2);
	write_data(0x1d);
	command(0xd2);
	write_data(0x1e);
	assert_int_equal(irq1.rises, rises + 2);
	assert_int_equal(data(), 0x1e);
}

static void test_memory_and_ports(void **state)
{
	(void)state;
	command(0x7f);
	write_data(0x77);
	assert_int_equal(ask(0x3f), 0x77);
	assert_int_equal(ask(0xa4), 0xf1);
	assert_int_equal(ask(0xc0), 0x80);
	assert_int_equal(ask(0xe0), 0x00);
	command(0xb8); /* unknown: silence */
	assert_int_equal(status() & OBF, 0);
	/* The output port shows the buffer: bit 4 full. */
	assert_int_equal(ask(0xd0) & 0x33, 0x03);
	command(0xd2);
	write_data(1);
	assert_int_equal(ask(0xd0) & 0x30, 0x10);
}

/* The usual A20 code: read the output port, set bit 1, write it back. */
static void test_a20(void **state)
{
	uint8_t port;

	(void)state;
	port = ask(0xd0);
	assert_int_equal(port & 3, 3);
	command(0xd1);
	write_data(port | 2);
	assert_int_equal(ask(0xd0) & 3, 3);
	assert_int_equal(fake.notes, 0);
	command(0xdd);
	assert_int_equal(ask(0xd0) & 3, 1);
	assert_int_equal(fake.notes, 1);
	command(0xdf);
	assert_int_equal(ask(0xd0) & 3, 3);
	assert_false(fake.has_ended);
}

static void test_keyboard_resets(void **state)
{
	(void)state;
	command(0xff); /* pulses nothing */
	command(0xf1);
	assert_false(fake.has_ended);
	command(0xfe);
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_RESET);
	setup(NULL);
	command(0xd1);
	write_data(0x02);
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_RESET);
}

static void test_port92(void **state)
{
	(void)state;
	assert_int_equal(port_in(&ports, 0x92, 1), 2);
	port_out(&ports, 0x92, 1, 0);
	assert_int_equal(fake.notes, 1);
	port_out(&ports, 0x92, 1, 0xfe);
	assert_int_equal(port_in(&ports, 0x92, 1), 2);
	assert_false(fake.has_ended);
	port_out(&ports, 0x92, 1, 3); /* 'INIT_NOW: 0 to 1' */
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_RESET);
}

/* 'RST_CPU: the transition from 0 to 1 resets', as Linux and the FADT's reset register write it. */
static void test_reset_control(void **state)
{
	(void)state;
	port_out(&ports, 0xcf9, 1, 0x02);
	assert_int_equal(port_in(&ports, 0xcf9, 1), 0x02);
	assert_false(fake.has_ended);
	port_out(&ports, 0xcf9, 1, 0x06);
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_RESET);
	fake.has_ended = false;
	port_out(&ports, 0xcf9, 1, 0x0e); /* still 1 */
	assert_false(fake.has_ended);
	port_out(&ports, 0xcf9, 1, 0x08);
	port_out(&ports, 0xcf9, 1, 0xfe);
	assert_true(fake.has_ended);
	assert_int_equal(port_in(&ports, 0xcf9, 1), 0x0e);
}

/* PCI's CONFIG_ADDRESS shares the double word: only bytes at 0xcf9 are for the reset control. */
static void test_reset_control_is_not_config_address(void **state)
{
	(void)state;
	port_out(&ports, 0xcf8, 4, 0x80000600);
	port_out(&ports, 0xcf8, 2, 0x0600);
	port_out(&ports, 0xcf9, 2, 0x0006);
	port_out(&ports, 0xcfb, 1, 0x01);
	assert_false(fake.has_ended);
	assert_int_equal(port_in(&ports, 0xcf9, 1), 0);
	assert_int_equal(port_in(&ports, 0xcf8, 4), 0xffffffff);
	assert_int_equal(port_in(&ports, 0xcf8, 1), 0xff);
}

static void test_post_and_delay(void **state)
{
	(void)state;
	port_out(&ports, 0x80, 1, 0x31);
	port_out(&ports, 0xed, 1, 0x32);
	assert_int_equal(port_in(&ports, 0x80, 1), 0x31);
	assert_int_equal(port_in(&ports, 0xed, 1), 0x32);
	assert_int_equal(sysctl.post, 0x31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_status, setup),
		cmocka_unit_test_setup(test_linux_probe, setup),
		cmocka_unit_test_setup(test_absent_devices, setup),
		cmocka_unit_test_setup(test_interrupt_enable, setup),
		cmocka_unit_test_setup(test_memory_and_ports, setup),
		cmocka_unit_test_setup(test_a20, setup),
		cmocka_unit_test_setup(test_keyboard_resets, setup),
		cmocka_unit_test_setup(test_port92, setup),
		cmocka_unit_test_setup(test_reset_control, setup),
		cmocka_unit_test_setup(test_reset_control_is_not_config_address, setup),
		cmocka_unit_test_setup(test_post_and_delay, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
