/* The 16550A; rules from the PC16550D data sheet, and what Linux's 8250 driver probes. */
#include <linux/serial_reg.h>
#include <string.h>

#include "device_rig.h"
#include "devices/uart16550.h"

#define HZ   1843200000ull /* 1000 TSC ticks a clock of the UART */
#define BASE 0x3f8

static struct fake_platform fake;
static struct wire irq;
static struct uart uart;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, HZ);
	uart_init(&uart, &fake.platform, wire_line(&irq, 4));
	return 0;
}

static uint8_t in(uint16_t reg)
{
	return uart_read(&uart, reg);
}

static void out(uint16_t reg, uint8_t value)
{
	uart_write(&uart, reg, value);
}

static void receive(const char *text)
{
	while (*text)
		assert_true(uart_receive(&uart, (uint8_t)*text++));
}

/* 'Master Reset' states. */
static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(in(UART_LCR), 0);
	assert_int_equal(in(UART_MCR), 0);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	assert_int_equal(irq.rises, 0);
}

static void test_transmit_and_divisor_latch(void **state)
{
	(void)state;
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	assert_int_equal(in(UART_DLL), 0x34);
	assert_int_equal(in(UART_DLM), 0x12);
	assert_int_equal(fake.console_len, 0);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), 0);
	out(UART_TX, 'h');
	out(UART_TX, 0xff);
	assert_int_equal(fake.console_len, 2);
	assert_memory_equal(fake.console, "h\xff", 2);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}

/* Registers hold exactly the bits they have. */
static void test_register_bits(void **state)
{
	(void)state;
	out(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0x0f);
	out(UART_IER, 0);
	out(UART_MCR, 0xff);
	assert_int_equal(in(UART_MCR), 0x1f);
	out(UART_MCR, 0);
	out(UART_SCR, 0xa5);
	assert_int_equal(in(UART_SCR), 0xa5);
	out(UART_LCR, 0x7f);
	assert_int_equal(in(UART_LCR), 0x7f);
	out(UART_LSR, 0xff);
	out(UART_MSR, 0x00);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
}

/* The probes of Linux's autoconfig(), in its order, end in PORT_16550A. */
static void test_linux_autoconfig(void **state)
{
	(void)state;
	out(UART_IER, 0);
	assert_int_equal(in(UART_IER)&0x0f, 0);
	out(UART_IER, 0x0f);
	assert_int_equal(in(UART_IER)&0x0f, 0x0f);
	out(UART_IER, 0);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, 0);
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	out(UART_EFR, 0);
	out(UART_LCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR) >> 6, 3); /* 16550A */
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	assert_int_not_equal(in(UART_EFR), 0); /* not a 16650 */
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	assert_int_not_equal(in(UART_EFR), 0); /* nor an 'interesting' one */
	out(UART_LCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(UART_IIR) >> 5, 6); /* not a 16750 */
	out(UART_IER, 0x40);
	assert_int_equal(in(UART_IER), 0); /* no XScale unit-enable bit */
}

/* serial8250_do_startup: UART_BUG_THRE and UART_BUG_TXEN must not be found. */
static void test_linux_thre_test(void **state)
{
	uint8_t first, second;

	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_IER, UART_IER_THRI);
	first = in(UART_IIR);
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	second = in(UART_IIR);
	out(UART_IER, 0);
	assert_int_equal(first & 0x0f, UART_IIR_THRI);
	assert_int_equal(second & 0x0f, UART_IIR_THRI);
	out(UART_IER, UART_IER_THRI);
	assert_true(in(UART_LSR)&UART_LSR_TEMT);
	assert_false(in(UART_IIR)&UART_IIR_NO_INT);
}

/* 'Reading the IIR (if source of interrupt) or writing into the THR' resets it; each byte that
 * leaves raises it anew, as an edge. */
static void test_thre_interrupt(void **state)
{
	(void)state;
	out(UART_IER, UART_IER_THRI);
	assert_true(irq.level);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_false(irq.level);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_IER, UART_IER_THRI); /* enabled before: no new one */
	assert_false(irq.level);
	out(UART_TX, 'a');
	assert_true(irq.level);
	assert_int_equal(irq.rises, 2);
	out(UART_TX, 'b'); /* without reading IIR: falls and rises */
	assert_true(irq.level);
	assert_int_equal(irq.rises, 3);
	out(UART_IER, 0);
	assert_false(irq.level);
}

static void test_receive_without_fifo(void **state)
{
	(void)state;
	out(UART_IER, UART_IER_RDI);
	assert_int_equal(uart_room(&uart), 1);
	assert_true(uart_receive(&uart, 'x'));
	assert_true(irq.level);
	assert_false(uart_receive(&uart, 'y'));
	assert_int_equal(in(UART_LSR), UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(UART_RX), 'x');
	assert_false(irq.level);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	assert_int_equal(in(UART_RX), 'x'); /* RBR keeps its byte */
	assert_true(uart_receive(&uart, 'y'));
}

static void test_fifo_triggers(void **state)
{
	static const struct {
		uint8_t fcr, level;
	} rows[] = {{UART_FCR_TRIGGER_1, 1},
		    {UART_FCR_TRIGGER_4, 4},
		    {UART_FCR_TRIGGER_8, 8},
		    {UART_FCR_TRIGGER_14, 14}};

	(void)state;
	for (unsigned r = 0; r < ARRAY_SIZE(rows); r++) {
		setup(NULL);
		out(UART_FCR, UART_FCR_ENABLE_FIFO | rows[r].fcr);
		out(UART_IER, UART_IER_RDI);
		for (uint8_t i = 0; i < 16; i++) {
			assert_int_equal(irq.level, i >= rows[r].level);
			assert_true(uart_receive(&uart, i));
		}
		assert_int_equal(uart_room(&uart), 0);
		assert_false(uart_receive(&uart, 99));
		assert_int_equal(in(UART_IIR), 0xc0 | UART_IIR_RDI);
		for (uint8_t i = 0; i < 16; i++) {
			assert_int_equal(irq.level, 16 - i >= rows[r].level);
			assert_int_equal(in(UART_RX), i);
		}
		assert_false(irq.level);
	}
}

/* 'At least one character is in the FIFO; the last character received was longer than 4 continuous
 * character times ago; the last read of the FIFO was longer than 4 continuous character times ago.'
 * 8N1 at divisor 2: 10 bits of 32 clocks. */
static void test_character_timeout(void **state)
{
	const uint64_t four = 4 * 10 * 32 * 1000;

	(void)state;
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 2);
	out(UART_LCR, UART_LCR_WLEN8);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(UART_IER, UART_IER_RDI);
	receive("a");
	fake_platform_run_until(&fake, four - 1);
	assert_false(irq.level);
	receive("bc"); /* restarts it */
	fake_platform_run_until(&fake, 2 * four - 2);
	assert_false(irq.level);
	fake_platform_run_until(&fake, 2 * four - 1);
	assert_true(irq.level);
	assert_int_equal(in(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	assert_int_equal(in(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	assert_int_equal(in(UART_RX), 'a'); /* 'cleared and the timer reset when one is read' */
	assert_false(irq.level);
	fake_platform_run_until(&fake, 3 * four - 1);
	assert_true(irq.level);
	assert_int_equal(in(UART_RX), 'b');
	assert_int_equal(in(UART_RX), 'c');
	fake_platform_run_until(&fake, 9 * four);
	assert_false(irq.level);
	assert_false(uart.timeout.is_armed);
}

static void test_timeout_starts_when_enabled(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	receive("a");
	assert_false(uart.timeout.is_armed);
	out(UART_IER, UART_IER_RDI);
	assert_true(uart.timeout.is_armed);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_false(uart.timeout.is_armed);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
}

/* 'Resetting FCR0 will clear all bytes in both FIFOs'; the others are not programmed without it. */
static void test_fifo_switch_clears(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	receive("abc");
	out(UART_FCR, UART_FCR_TRIGGER_4 | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(uart_room(&uart), 1);
	receive("d");
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	out(UART_IER, UART_IER_RDI);
	receive("e");
	assert_true(irq.level); /* the trigger of before was not kept */
	/* A new trigger level alone clears nothing; nor does an error outlive its byte. */
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
	assert_true(uart_receive_break(&uart));
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}

/* 'If the FIFO mode data continues to fill the FIFO beyond the trigger level, an overrun error will
 * occur only after the FIFO is full': the FIFO keeps its bytes, the new one is lost. */
static void test_overrun_in_loopback(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_IER, UART_IER_RLSI);
	for (uint8_t i = 0; i < 16; i++)
		out(UART_TX, i);
	assert_false(irq.level);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, 0);
	out(UART_TX, 16);
	assert_true(irq.level);
	assert_int_equal(in(UART_IIR), 0xc0 | UART_IIR_RLSI);
	assert_true(in(UART_LSR)&UART_LSR_OE);
	assert_false(irq.level);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, 0);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(in(UART_RX), i);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);

	/* Without FIFOs the character in RBR is 'destroyed'. */
	out(UART_FCR, 0);
	out(UART_TX, 1);
	out(UART_TX, 2);
	assert_true(in(UART_LSR)&UART_LSR_OE);
	assert_int_equal(in(UART_RX), 2);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	assert_int_equal(fake.console_len, 0);
}

/* Loopback: outputs feed inputs, outside bytes wait; deltas; TERI is RI's trailing edge. */
static void test_loopback_modem(void **state)
{
	static const struct {
		uint8_t mcr, msr;
	} rows[] = {{UART_MCR_DTR, UART_MSR_DSR},
		    {UART_MCR_RTS, UART_MSR_CTS},
		    {UART_MCR_OUT1, UART_MSR_RI},
		    {UART_MCR_OUT2, UART_MSR_DCD}};

	(void)state;
	out(UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in(UART_MSR), UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	assert_false(uart_receive(&uart, 'x'));
	out(UART_IER, UART_IER_MSI);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t delta = rows[i].msr >> 4;

		out(UART_MCR, UART_MCR_LOOP | rows[i].mcr);
		assert_int_equal(irq.level, rows[i].msr != UART_MSR_RI);
		assert_int_equal(in(UART_MSR),
				 rows[i].msr | (rows[i].msr == UART_MSR_RI ? 0 : delta));
		assert_false(irq.level);
		out(UART_MCR, UART_MCR_LOOP);
		assert_true(irq.level);
		assert_int_equal(in(UART_IIR), UART_IIR_MSI);
		assert_int_equal(in(UART_MSR), delta);
		assert_int_equal(in(UART_MSR), 0);
	}
	out(UART_MCR, 0);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	assert_true(uart_receive(&uart, 'x'));
}

/* An error 'is revealed to the CPU when its associated character is at the top of the FIFO'; LSR
 * bit 7 is set while there is one in it. */
static void test_break_in_fifo(void **state)
{
	(void)state;
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	out(UART_IER, UART_IER_RLSI);
	receive("a");
	assert_true(uart_receive_break(&uart));
	assert_false(irq.level);
	assert_int_equal(in(UART_LSR),
			 UART_LSR_FIFOE | UART_LSR_THRE | UART_LSR_TEMT | UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'a');
	assert_true(irq.level);
	assert_int_equal(in(UART_LSR), UART_LSR_FIFOE | UART_LSR_THRE | UART_LSR_TEMT |
					       UART_LSR_DR | UART_LSR_BI | UART_LSR_FE);
	assert_false(irq.level);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT | UART_LSR_DR);
	assert_int_equal(in(UART_RX), 0);

	/* 'Set break' in loopback reaches the receiver, once. */
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_LCR, UART_LCR_SBC);
	out(UART_LCR, UART_LCR_SBC | UART_LCR_WLEN8);
	assert_true(in(UART_LSR)&UART_LSR_BI);
	assert_int_equal(in(UART_RX), 0);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
}

/* 'Interrupt Control Functions': line status, data, THR empty, modem status. */
static void test_priorities(void **state)
{
	(void)state;
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_TX, 'a');
	out(UART_TX, 'b');
	out(UART_IER, 0x0f);
	assert_int_equal(in(UART_IIR), UART_IIR_RLSI);
	(void)in(UART_LSR);
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	(void)in(UART_RX);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(UART_IIR), UART_IIR_MSI);
	assert_true(irq.level);
	(void)in(UART_MSR);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	assert_false(irq.level);
	assert_int_equal(irq.rises, 1);
}

static const char *typed; /* what waits for room */

static bool type_more(struct fake_platform *unused)
{
	(void)unused;
	while (*typed && uart_room(&uart))
		assert_true(uart_receive(&uart, (uint8_t)*typed++));
	return false;
}

/* 'The console's UART may have room for input again': what waits comes as the guest reads, all of
 * it, in order, and each byte's interrupt is an edge. */
static void test_input_that_waits(void **state)
{
	static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	(void)state;
	fake.console_room = type_more;
	for (unsigned has_fifo = 0; has_fifo < 2; has_fifo++) {
		typed = text;
		out(UART_IER, UART_IER_RDI);
		out(UART_FCR, has_fifo ? UART_FCR_ENABLE_FIFO : 0);
		type_more(&fake);
		irq.rises = 0;
		for (unsigned i = 0; i < sizeof(text) - 1; i++) {
			assert_int_equal(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
			assert_true(irq.level);
			assert_int_equal(in(UART_RX), text[i]);
			if (!has_fifo)
				assert_int_equal(irq.rises, MIN(i + 1, sizeof(text) - 2));
		}
		assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_OE), 0);
		assert_false(irq.level);
	}
}

/* Room is made by clearing the FIFO and by leaving loopback, too. */
static void test_room_without_reading(void **state)
{
	(void)state;
	fake.console_room = type_more;
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	typed = "0123456789abcdefgh";
	type_more(&fake);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(UART_RX), 'g');
	assert_int_equal(in(UART_RX), 'h');
	out(UART_MCR, UART_MCR_LOOP);
	typed = "x";
	type_more(&fake);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	out(UART_MCR, 0);
	assert_int_equal(in(UART_RX), 'x');
}

static void test_ports(void **state)
{
	static struct bus ports;

	(void)state;
	bus_init(&ports);
	assert_int_equal(uart_attach(&uart, &ports, BASE), 0);
	assert_int_not_equal(uart_attach(&uart, &ports, BASE + 7), 0);
	port_out(&ports, BASE, 1, 'c');
	assert_int_equal(fake.console[0], 'c');
	/* A word access is two byte cycles. */
	port_out(&ports, BASE + UART_LCR, 2, UART_MCR_DTR << 8 | UART_LCR_WLEN7);
	assert_int_equal(in(UART_MCR), UART_MCR_DTR);
	assert_int_equal(port_in(&ports, BASE + UART_LCR, 2), UART_MCR_DTR << 8 | UART_LCR_WLEN7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_transmit_and_divisor_latch, setup),
		cmocka_unit_test_setup(test_register_bits, setup),
		cmocka_unit_test_setup(test_linux_autoconfig, setup),
		cmocka_unit_test_setup(test_linux_thre_test, setup),
		cmocka_unit_test_setup(test_thre_interrupt, setup),
		cmocka_unit_test_setup(test_receive_without_fifo, setup),
		cmocka_unit_test_setup(test_fifo_triggers, setup),
		cmocka_unit_test_setup(test_character_timeout, setup),
		cmocka_unit_test_setup(test_timeout_starts_when_enabled, setup),
		cmocka_unit_test_setup(test_fifo_switch_clears, setup),
		cmocka_unit_test_setup(test_overrun_in_loopback, setup),
		cmocka_unit_test_setup(test_loopback_modem, setup),
		cmocka_unit_test_setup(test_break_in_fifo, setup),
		cmocka_unit_test_setup(test_priorities, setup),
		cmocka_unit_test_setup(test_input_that_waits, setup),
		cmocka_unit_test_setup(test_room_without_reading, setup),
		cmocka_unit_test_setup(test_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
