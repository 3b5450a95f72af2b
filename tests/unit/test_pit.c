/* The 8254's modes; rules from its data sheet. */
#include "pit_rig.h"

/* Nothing happens before a channel is programmed, and programming alone makes no edge. */
static void test_silent_until_programmed(void **state)
{
	(void)state;
	go(1000000);
	control(0x34);
	go(1000000);
	assert_int_equal(irq.rises, 0);
	assert_false(pit.timer.is_armed);
}

/* Mode 0: 'OUT is initially low, and will remain low until the Counter reaches zero'; it 'does not
 * go high until N + 1 CLK pulses after the initial count is written', and stays so. */
static void test_mode0(void **state)
{
	(void)state;
	control(0x30);
	assert_false(out(0));
	count(0, 500);
	go(500);
	assert_int_equal(irq.rises, 0);
	assert_false(out(0));
	assert_int_equal(read_count(0), 1);
	go(1);
	assert_int_equal(irq.rises, 1);
	assert_true(out(0));
	go(10);
	assert_int_equal(read_count(0), 65536 - 10); /* goes on */
	go(200000);
	assert_int_equal(irq.rises, 1);

	/* Linux's pit_next_event: a new count without a control word. 'Writing the first byte
	 * disables counting; OUT is set low immediately.' */
	pit_write(&pit, 0x40, 10);
	assert_false(irq.level);
	assert_false(out(0));
	go(1000);
	assert_int_equal(irq.rises, 1);
	pit_write(&pit, 0x40, 0);
	go(11);
	assert_int_equal(irq.rises, 2);

	/* A control word sets OUT low and forgets the count that ran. */
	count(0, 10);
	control(0x30);
	assert_false(irq.level);
	go(100);
	assert_int_equal(irq.rises, 2);
	control(0x70); /* another channel's does not */
	count(0, 10);
	control(0xb0);
	go(11);
	assert_int_equal(irq.rises, 3);
}

/* Mode 2: 'OUT goes low for one CLK pulse' when the count is 1, 'then goes high again, the Counter
 * reloads the initial count and the process is repeated'. */
static void test_mode2(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	go(1);
	assert_int_equal(read_count(0), 1000);
	go(998);
	assert_int_equal(read_count(0), 2);
	assert_true(out(0));
	go(1);
	assert_int_equal(read_count(0), 1);
	assert_false(out(0));
	assert_int_equal(irq.rises, 0); /* the line was never told of a rise */
	go(1);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(read_count(0), 1000);
	go(9999);
	assert_int_equal(irq.rises, 10);
	go(1);
	assert_int_equal(irq.rises, 11);
}

/* 'The counter is loaded with the new count at the end of the current counting cycle.' */
static void test_mode2_new_count(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	go(1 + 400);
	count(0, 300);
	assert_int_equal(read_count(0), 600);
	assert_true(read_status(0) & 0x40); /* null count: not yet loaded */
	go(600);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(read_count(0), 300);
	assert_false(read_status(0) & 0x40);
	go(300);
	assert_int_equal(irq.rises, 2);
}

/* Mode 3: 'OUT will be high for (N + 1)/2 counts and low for (N - 1)/2'; counts by two. */
static void test_mode3(void **state)
{
	(void)state;
	for (unsigned n = 600; n <= 601; n++) {
		setup(NULL);
		control(0x36);
		count(0, (uint16_t)n);
		go(1);
		assert_int_equal(read_count(0), 600);
		go(100);
		assert_int_equal(read_count(0), 400);
		go((n + 1) / 2 - 101);
		assert_true(out(0));
		go(1);
		assert_false(out(0));
		assert_int_equal(read_count(0), 600);
		go(n / 2 - 1);
		assert_false(out(0));
		assert_int_equal(irq.rises, 0);
		go(1);
		assert_true(out(0));
		assert_int_equal(irq.rises, 1);
		go(n * 7);
		assert_int_equal(irq.rises, 8);
	}
}

/* 'Otherwise, the new count will be loaded at the end of the current half-cycle.' */
static void test_mode3_new_count(void **state)
{
	(void)state;
	control(0x36);
	count(0, 1000);
	go(1 + 100); /* in the high half: low from 500 on, for half of the new count */
	count(0, 400);
	go(400);
	assert_false(out(0));
	go(199);
	assert_false(out(0));
	assert_int_equal(irq.rises, 0);
	go(1);
	assert_true(out(0));
	assert_int_equal(irq.rises, 1);
	go(300);
	count(0, 800); /* in the low half: the cycle ends as it was */
	go(100);
	assert_int_equal(irq.rises, 2);
	go(399);
	assert_true(out(0));
	go(1);
	assert_false(out(0));
	go(400);
	assert_int_equal(irq.rises, 3);

	go(400); /* just as the low half begins */
	count(0, 200);
	go(399);
	assert_false(out(0));
	go(1);
	assert_int_equal(irq.rises, 4);
	go(200);
	assert_int_equal(irq.rises, 5);
}

/* Mode 4: 'OUT will go low for one CLK pulse' N + 1 pulses after the count, once. */
static void test_mode4(void **state)
{
	(void)state;
	control(0x38);
	count(0, 200);
	go(200);
	assert_true(out(0));
	go(1);
	assert_false(out(0));
	go(1);
	assert_true(out(0));
	assert_int_equal(irq.rises, 1);
	go(70000);
	assert_int_equal(irq.rises, 1);
	count(0, 200);
	go(202);
	assert_int_equal(irq.rises, 2);
}

/* Mode 1: the gate's rising edge starts a low pulse of N; it can be retriggered. Mode 5: a strobe.
 */
static void test_triggered_modes(void **state)
{
	(void)state;
	control(0xb2); /* channel 2, mode 1 */
	count(2, 100);
	go(1000);
	assert_true(out(2));
	gate2(true);
	go(1);
	assert_false(out(2));
	gate2(false); /* no effect */
	go(99);
	assert_false(out(2));
	go(1);
	assert_true(out(2));
	gate2(true);
	go(51);
	count(2, 30); /* 'not affected unless the Counter is retriggered' */
	assert_int_equal(read_count(2), 50);
	gate2(false);
	gate2(true);
	go(1);
	assert_int_equal(read_count(2), 30);
	assert_false(out(2));
	go(30);
	assert_true(out(2));

	control(0xba); /* mode 5 */
	count(2, 10);
	gate2(false);
	gate2(true);
	go(10);
	assert_true(out(2));
	go(1);
	assert_false(out(2));
	go(1);
	assert_true(out(2));

	control(0x32); /* channel 0's gate never rises */
	count(0, 10);
	go(100);
	assert_int_equal(irq.rises, 0);
	assert_false(pit.timer.is_armed);
}

/* Modes 2 and 3: 'GATE = 0 disables counting. If GATE goes low during an output pulse, OUT is set
 * high immediately. A trigger reloads the Counter with the initial count on the next CLK pulse.' */
static void test_gate_in_periodic_modes(void **state)
{
	(void)state;
	for (unsigned mode = 2; mode <= 3; mode++) {
		setup(NULL);
		gate2(true);
		control((uint8_t)(0xb0 | mode << 1));
		count(2, 100);
		go(1 + 99);
		assert_false(out(2));
		gate2(false);
		assert_true(out(2));
		go(1000);
		assert_true(out(2));
		gate2(true);
		go(1);
		assert_int_equal(read_count(2), 100);
		go(99);
		assert_false(out(2));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_silent_until_programmed, setup),
		cmocka_unit_test_setup(test_mode0, setup),
		cmocka_unit_test_setup(test_mode2, setup),
		cmocka_unit_test_setup(test_mode2_new_count, setup),
		cmocka_unit_test_setup(test_mode3, setup),
		cmocka_unit_test_setup(test_mode3_new_count, setup),
		cmocka_unit_test_setup(test_mode4, setup),
		cmocka_unit_test_setup(test_triggered_modes, setup),
		cmocka_unit_test_setup(test_gate_in_periodic_modes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
