/* Virtio's console. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Console Device'. */
#include "virtio_rig.h"

#include "devices/virtio_console.h"

enum { RECEIVE, TRANSMIT };

static struct virtio_console console;

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	assert_int_equal(virtio_console_add(&console, &rig.fake.platform, &pci_rig.pci, SLOT), 0);
	drv_find();
	return 0;
}

static void test_transmits(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, PCI_DEVICE_ID, 2), 0x1043);
	drv_start(0, 2);
	memcpy(rig.fake.ram + BUFFERS, "hello, world", 12);
	set_desc(TRANSMIT, 0, BUFFERS, 7, VRING_DESC_F_NEXT, 1);
	set_desc(TRANSMIT, 1, BUFFERS + 7, 5, 0, 0);
	make_available(TRANSMIT, 0);
	notify(TRANSMIT);
	assert_int_equal(take_used(TRANSMIT, 0), 0);
	assert_int_equal(rig.fake.console_len, 12);
	assert_memory_equal(rig.fake.console, "hello, world", 12);
}

/* A buffer of 4 GiB cannot be; one of 3 KiB takes turns, in order. Each byte may be a line. */
static void test_long_output_takes_turns(void **state)
{
	unsigned turns = 0;

	(void)state;
	rig.fake.look_ticks = WORK_NS / 500;
	drv_start(0, 2);
	for (uint32_t i = 0; i < 3000; i++)
		rig.fake.ram[BUFFERS + i] = (uint8_t)('a' + i % 26);
	set_desc(TRANSMIT, 0, BUFFERS, 3000, 0, 0);
	make_available(TRANSMIT, 0);
	notify(TRANSMIT);
	assert_in_range(rig.fake.console_len, 1, 500);
	for (; take_used(TRANSMIT, 0) < 0; turns++) {
		assert_in_range(turns, 0, 10);
		a_turn();
	}
	assert_int_equal(rig.fake.console_len, 3000);
	assert_memory_equal(rig.fake.console, rig.fake.ram + BUFFERS, 3000);
}

/* 'False when the guest is faster than the port: what a model can keep back it should.' */
static void test_slow_console_gets_no_more(void **state)
{
	(void)state;
	drv_start(0, 2);
	memcpy(rig.fake.ram + BUFFERS, "slow", 4);
	set_desc(TRANSMIT, 0, BUFFERS, 4, 0, 0);
	make_available(TRANSMIT, 0);
	rig.fake.is_console_slow = true;
	notify(TRANSMIT);
	assert_int_equal(rig.fake.console_len, 1);
	a_turn();
	assert_int_equal(rig.fake.console_len, 2);
	assert_int_equal(take_used(TRANSMIT, 0), -1);
	rig.fake.is_console_slow = false;
	a_turn();
	assert_int_equal(take_used(TRANSMIT, 0), 0);
	assert_memory_equal(rig.fake.console, "slow", 4);
	assert_int_equal(rig.fake.console_len, 4);
}

static void test_receives(void **state)
{
	(void)state;
	assert_false(virtio_console_is_open(&console));
	assert_false(virtio_console_receive(&console, 'x'));
	drv_start(0, 2);
	assert_true(virtio_console_is_open(&console));
	/* No buffer yet; and an empty one takes nothing. */
	assert_false(virtio_console_receive(&console, 'x'));
	set_desc(RECEIVE, 0, BUFFERS, 0, VRING_DESC_F_WRITE, 0);
	set_desc(RECEIVE, 1, BUFFERS, 100, VRING_DESC_F_WRITE, 0);
	make_available(RECEIVE, 0);
	notify(RECEIVE);
	assert_false(virtio_console_receive(&console, 'x'));
	assert_int_equal(take_used(RECEIVE, 0), 0);
	make_available(RECEIVE, 1);
	notify(RECEIVE);
	assert_int_equal(take_used(RECEIVE, 1), -1);
	mem_in(drv.isr, 1);
	assert_true(virtio_console_receive(&console, 'x'));
	assert_int_equal(take_used(RECEIVE, 1), 1);
	assert_int_equal(rig.fake.ram[BUFFERS], 'x');
	assert_int_equal(mem_in(drv.isr, 1), 1);
	SET(device_status, 0);
	assert_false(virtio_console_is_open(&console));
}

/* What the platform has of input comes while there are buffers, and by the timer when it takes
 * longer than one go: a buffer for one byte can be a long chain. */
static uint32_t typed;

static bool type_one(struct fake_platform *unused)
{
	(void)unused;
	if (!typed || !virtio_console_receive(&console, 'a'))
		return false;
	return --typed;
}

static void test_input_takes_turns(void **state)
{
	(void)state;
	drv_start(0, 2);
	rig.fake.console_room = type_one;
	typed = 3;
	for (uint16_t i = 0; i < 5; i++) {
		set_desc(RECEIVE, i, BUFFERS + i, 1, VRING_DESC_F_WRITE, 0);
		make_available(RECEIVE, i);
	}
	virtio_console_input_waits(&console);
	assert_int_equal(typed, 2);
	/* Asked for again, it waits for its turn. */
	virtio_console_input_waits(&console);
	assert_int_equal(typed, 2);
	a_turn();
	assert_int_equal(typed, 1);
	a_turn();
	assert_int_equal(typed, 0);
	a_turn();
	assert_int_equal(used_of(RECEIVE)->idx, 3);
	typed = 1;
	virtio_console_input_waits(&console);
	assert_int_equal(used_of(RECEIVE)->idx, 4);
}

/* Input in the middle of an output that goes on. */
static void test_both_at_once(void **state)
{
	(void)state;
	rig.fake.look_ticks = WORK_NS / 900;
	drv_start(0, 2);
	set_desc(TRANSMIT, 0, BUFFERS, 2000, 0, 0);
	make_available(TRANSMIT, 0);
	notify(TRANSMIT);
	set_desc(RECEIVE, 0, BUFFERS + 0x4000, 1, VRING_DESC_F_WRITE, 0);
	make_available(RECEIVE, 0);
	assert_true(virtio_console_receive(&console, 'y'));
	assert_int_equal(take_used(RECEIVE, 0), 1);
	for (unsigned i = 0; i < 4; i++)
		a_turn();
	assert_int_equal(take_used(TRANSMIT, 0), 0);
	assert_int_equal(rig.fake.console_len, 2000);
}

/* What a reset interrupts is not gone on with. */
static void test_reset_forgets_the_output(void **state)
{
	size_t sent;

	(void)state;
	rig.fake.look_ticks = WORK_NS / 900;
	drv_start(0, 2);
	set_desc(TRANSMIT, 0, BUFFERS, 2000, 0, 0);
	make_available(TRANSMIT, 0);
	notify(TRANSMIT);
	drv_start(0, 2);
	sent = rig.fake.console_len;
	assert_in_range(sent, 1, 1999);
	set_desc(TRANSMIT, 1, BUFFERS, 3, 0, 0);
	make_available(TRANSMIT, 1);
	notify(TRANSMIT);
	assert_int_equal(take_used(TRANSMIT, 1), 0);
	assert_int_equal(rig.fake.console_len, sent + 3);
}

static void test_bad_buffers(void **state)
{
	(void)state;
	drv_start(0, 2);
	set_desc(RECEIVE, 0, FAKE_RAM_SIZE, 1, VRING_DESC_F_WRITE, 0);
	make_available(RECEIVE, 0);
	assert_false(virtio_console_receive(&console, 'x'));
	assert_true(needs_reset());
	drv_start(0, 2);
	set_desc(TRANSMIT, 0, FAKE_RAM_SIZE - 1, 100, 0, 0);
	make_available(TRANSMIT, 0);
	notify(TRANSMIT);
	assert_true(needs_reset());
	assert_int_equal(take_used(TRANSMIT, 0), -1);
	drv_start(0, 2);
	test_transmits(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_transmits, setup),
		cmocka_unit_test_setup(test_long_output_takes_turns, setup),
		cmocka_unit_test_setup(test_slow_console_gets_no_more, setup),
		cmocka_unit_test_setup(test_receives, setup),
		cmocka_unit_test_setup(test_input_takes_turns, setup),
		cmocka_unit_test_setup(test_both_at_once, setup),
		cmocka_unit_test_setup(test_reset_forgets_the_output, setup),
		cmocka_unit_test_setup(test_bad_buffers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
