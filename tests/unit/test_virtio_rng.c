/* Virtio's entropy device. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Entropy Device'.
 */
#include "virtio_rig.h"

#include "devices/virtio_rng.h"

static struct virtio_rng rng;

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	assert_int_equal(virtio_rng_add(&rng, &rig.fake.platform, &pci_rig.pci, SLOT), 0);
	drv_find();
	return 0;
}

/* 'The driver MUST examine the length written by the device': it is what was filled. */
static void test_fills_a_buffer(void **state)
{
	(void)state;
	drv_start(0, 1);
	set_desc(0, 0, BUFFERS, 5, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	assert_int_equal(take_used(0, 0), -1);
	notify(0);
	assert_int_equal(take_used(0, 0), 5);
	assert_memory_equal(rig.fake.ram + BUFFERS, "\1\2\3\4\5\0", 6);
	assert_true(pci_rig.wire[SLOT % PCI_LINES].level);
}

/* 'The device MUST place one or more random bytes into the buffer, but it MAY use less random data
 * than the entire buffer length.' */
static void test_large_buffers_are_filled_in_part(void **state)
{
	int64_t len;

	(void)state;
	drv_start(0, 1);
	set_desc(0, 0, BUFFERS, 0x10000, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	len = take_used(0, 0);
	assert_in_range(len, 1, 0x10000);
	assert_int_equal(rig.fake.ram[BUFFERS + len], 0);
}

/* A full ring takes more than one turn: the next comes with time. */
static void test_goes_on_by_a_timer(void **state)
{
	(void)state;
	rig.fake.look_ticks = WORK_NS / 10;
	drv_start(0, 1);
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		set_desc(0, i, BUFFERS + i * 16u, 16, VRING_DESC_F_WRITE, 0);
		make_available(0, i);
	}
	notify(0);
	assert_in_range(used_of(0)->idx, 1, 10);
	a_turn();
	for (uint16_t i = 0; i < RING_SIZE; i++)
		assert_int_equal(take_used(0, i), 16);
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_fills_a_buffer, setup),
		cmocka_unit_test_setup(test_large_buffers_are_filled_in_part, setup),
		cmocka_unit_test_setup(test_goes_on_by_a_timer, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
