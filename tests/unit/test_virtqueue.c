/* Split virtqueues. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Split Virtqueues': what
 * a driver must not do costs the device, and nothing else. */
#include "virtio_rig.h"

#include "devices/virtio_pci.h"

#define TYPE 60u /* of no device */

/* A device that copies what it reads to what it writes, and says what it saw. */
static struct {
	struct virtio_device dev;
	struct virtio_pci pci;
	unsigned served, chains, per_turn;
	uint8_t read[256];
	uint64_t read_len;
	struct virtq_chain last;
} echo;

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	echo.served++;
	for (unsigned i = 0; i < echo.per_turn; i++) {
		int64_t len;

		if (!virtqueue_pop(vq, &dev->chain))
			return false;
		echo.chains++;
		echo.last = dev->chain;
		len = virtq_read(vq, &dev->chain, echo.read, sizeof(echo.read));
		if (len < 0)
			return false;
		echo.read_len = (uint64_t)len;
		if (virtq_write(vq, &dev->chain, echo.read, echo.read_len) < 0)
			return false;
		virtqueue_push(vq, &dev->chain);
	}
	return true;
}

static const struct virtio_ops ops = {.serve = serve};

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	memset(&echo, 0, sizeof(echo));
	echo.per_turn = 64;
	echo.dev.name = "echo";
	echo.dev.type = TYPE;
	echo.dev.offered = virtio_common_features();
	virtio_init(&echo.dev, &rig.fake.platform, &ops, 2, 64);
	assert_int_equal(virtio_pci_add(&echo.pci, &pci_rig.pci, SLOT, &echo.dev, 0xff0000), 0);
	drv_find();
	drv_start(0, 1);
	return 0;
}

static void put(uint64_t at, const char *text)
{
	memcpy(rig.fake.ram + at, text, strlen(text));
}

/* --- chains */

static void test_a_chain(void **state)
{
	(void)state;
	put(BUFFERS, "abc");
	put(BUFFERS + 0x100, "defg");
	set_desc(0, 3, BUFFERS, 3, VRING_DESC_F_NEXT, 7);
	set_desc(0, 7, BUFFERS + 0x100, 4, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, BUFFERS + 0x200, 5, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0);
	set_desc(0, 0, BUFFERS + 0x300, 50, VRING_DESC_F_WRITE, 0);
	make_available(0, 3);
	notify(0);
	assert_int_equal(take_used(0, 3), 7);
	assert_int_equal(echo.last.count, 4);
	assert_int_equal(echo.last.read_count, 2);
	assert_int_equal(echo.last.readable, 7);
	assert_int_equal(echo.last.writable, 55);
	assert_memory_equal(rig.fake.ram + BUFFERS + 0x200, "abcde\0", 6);
	assert_memory_equal(rig.fake.ram + BUFFERS + 0x300, "fg\0", 3);
	assert_int_equal(take_used(0, 0), -1);
}

/* 'idx ... always increments, and wraps naturally at 65536' */
static void test_indices_wrap(void **state)
{
	(void)state;
	set_desc(0, 5, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	for (unsigned i = 0; i < 65536 + 3; i++) {
		make_available(0, 5);
		notify(0);
		assert_int_equal(take_used(0, 5), 0);
	}
	assert_int_equal(used_of(0)->idx, 3);
	assert_false(needs_reset());
}

static void put_table(uint64_t at, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
		      uint16_t next)
{
	const struct vring_desc desc = {.addr = addr, .len = len, .flags = flags, .next = next};

	memcpy(rig.fake.ram + at + i * sizeof(desc), &desc, sizeof(desc));
}

/* 'A driver MAY ... zero or more normal chained descriptors followed by a single descriptor with
 * flags&VIRTQ_DESC_F_INDIRECT'; 'The device MUST ignore the write-only flag in the descriptor that
 * refers to an indirect table'. */
static void test_indirect(void **state)
{
	uint64_t table = BUFFERS + 0x1000;

	(void)state;
	drv_start(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC), 1);
	put(BUFFERS, "xyz");
	put_table(table, 0, BUFFERS + 1, 2, VRING_DESC_F_NEXT, 20);
	put_table(table, 20, BUFFERS + 0x100, 9, VRING_DESC_F_WRITE, 0);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, table, 21 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), 3);
	assert_memory_equal(rig.fake.ram + BUFFERS + 0x100, "xyz\0", 4);
}

static void test_empty_descriptors(void **state)
{
	(void)state;
	put(BUFFERS, "k");
	set_desc(0, 0, 0xffffffffffff, 0, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, BUFFERS, 1, VRING_DESC_F_NEXT, 2);
	set_desc(0, 2, BUFFERS, 0, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	set_desc(0, 3, BUFFERS + 1, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), 1);
	assert_memory_equal(rig.fake.ram + BUFFERS, "kk", 2);
}

/* --- who is told when */

static uint32_t interrupts(void)
{
	return mem_in(drv.isr, 1) & 1;
}

static void echo_one(void)
{
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), 0);
}

/* 'If flags is 1, the device SHOULD NOT send a notification.' */
static void test_no_interrupt_flag(void **state)
{
	(void)state;
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	echo_one();
	assert_int_equal(interrupts(), 1);
	avail_of(0)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	echo_one();
	assert_int_equal(interrupts(), 0);
	avail_of(0)->flags = 0;
	echo_one();
	assert_int_equal(interrupts(), 1);
}

static uint16_t *used_event(void)
{
	return &avail_of(0)->ring[RING_SIZE];
}

static uint16_t avail_event(void)
{
	return *(uint16_t *)(void *)&used_of(0)->ring[RING_SIZE];
}

/* 'the device MUST send a notification ... If the idx field in the used ring (which determined
 * where that descriptor index was placed) was equal to used_event'; flags are ignored. */
static void test_used_event(void **state)
{
	(void)state;
	drv_start(BIT_ULL(VIRTIO_RING_F_EVENT_IDX), 1);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	avail_of(0)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	*used_event() = 0;
	echo_one();
	assert_int_equal(interrupts(), 1);
	echo_one();
	assert_int_equal(interrupts(), 0);
	*used_event() = 4;
	echo_one();
	echo_one();
	assert_int_equal(interrupts(), 0);
	echo_one();
	assert_int_equal(interrupts(), 1);
}

/* 'The device MUST use avail_event': it asks to be notified of the next one that comes. */
static void test_avail_event(void **state)
{
	(void)state;
	drv_start(BIT_ULL(VIRTIO_RING_F_EVENT_IDX), 1);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	for (uint16_t i = 1; i < 40; i++) {
		echo_one();
		assert_int_equal(avail_event(), i);
	}
	drv_start(0, 1);
	echo_one();
	assert_int_equal(avail_event(), 0);
}

/* What one turn leaves comes by the timer, and a notification in between does not do it sooner. */
static void test_bounded_turns(void **state)
{
	(void)state;
	echo.per_turn = 3;
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	for (unsigned i = 0; i < 8; i++)
		make_available(0, 0);
	notify(0);
	notify(0);
	assert_int_equal(echo.chains, 3);
	a_turn();
	assert_int_equal(echo.chains, 6);
	a_turn();
	a_turn();
	assert_int_equal(echo.chains, 8);
	/* A reset takes the rest away. */
	for (unsigned i = 0; i < 8; i++)
		make_available(0, 0);
	notify(0);
	assert_int_equal(echo.chains, 11);
	SET(device_status, 0);
	assert_false(echo.dev.more.is_armed);
	a_turn();
	assert_int_equal(echo.chains, 11);
}

/* --- drivers that break the rules */

static void refused(void)
{
	uint32_t notes = rig.fake.notes;
	uint16_t used = used_of(0)->idx;

	make_available(0, 0);
	notify(0);
	assert_true(needs_reset());
	assert_int_equal(rig.fake.notes, notes + 1);
	assert_int_equal(used_of(0)->idx, used);
	/* 'the device MUST send a device configuration change notification' */
	assert_true(mem_in(drv.isr, 1) & VIRTIO_PCI_ISR_CONFIG);
	/* It is over until the reset, and says nothing more. */
	notify(0);
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	notify(0);
	assert_true(needs_reset());
	assert_int_equal(rig.fake.notes, notes + 1);
	drv_start(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC), 1);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	echo_one();
	assert_false(needs_reset());
}

static void test_bad_chains(void **state)
{
	uint64_t table = BUFFERS + 0x1000;

	(void)state;
	/* A descriptor's number beyond the table: at the head, and as next. */
	avail_of(0)->ring[0] = RING_SIZE;
	drv.avail_idx[0] = avail_of(0)->idx = 1;
	notify(0);
	assert_true(needs_reset());
	drv_start(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC), 1);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_NEXT, RING_SIZE);
	refused();
	/* A loop. */
	set_desc(0, 0, BUFFERS, 0, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, BUFFERS, 0, VRING_DESC_F_NEXT, 0);
	refused();
	/* 'after any device-readable descriptor elements' */
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, BUFFERS, 1, 0, 0);
	refused();
	/* 'the total length of all ... MUST NOT exceed 2^32 bytes' */
	set_desc(0, 0, BUFFERS, UINT32_MAX, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, BUFFERS, 2, 0, 0);
	refused();
	/* Buffers that are not RAM, or wrap. */
	set_desc(0, 0, FAKE_RAM_SIZE - 1, 2, 0, 0);
	refused();
	set_desc(0, 0, UINT64_MAX, 2, 0, 0);
	refused();
	put(BUFFERS, "1");
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, FAKE_RAM_SIZE, 1, VRING_DESC_F_WRITE, 0);
	refused();
	/* Indirect tables: in a table, with NEXT, of a wrong length, outside RAM, with a next that
	 * is beyond it, with a loop. */
	set_desc(0, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
	put_table(table, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
	refused();
	set_desc(0, 0, table, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	refused();
	set_desc(0, 0, table, 17, VRING_DESC_F_INDIRECT, 0);
	refused();
	set_desc(0, 0, table, 0, VRING_DESC_F_INDIRECT, 0);
	refused();
	set_desc(0, 0, FAKE_RAM_SIZE, 16, VRING_DESC_F_INDIRECT, 0);
	refused();
	set_desc(0, 0, UINT64_MAX - 15, 0xfffffff0, VRING_DESC_F_INDIRECT, 0);
	refused();
	set_desc(0, 0, table, 32, VRING_DESC_F_INDIRECT, 0);
	put_table(table, 0, BUFFERS, 1, VRING_DESC_F_NEXT, 2);
	refused();
	set_desc(0, 0, table, 32, VRING_DESC_F_INDIRECT, 0);
	put_table(table, 0, BUFFERS, 0, VRING_DESC_F_NEXT, 0);
	refused();
}

/* 'The driver MUST NOT set the VIRTQ_DESC_F_INDIRECT flag unless ... was negotiated'. */
static void test_indirect_without_the_feature(void **state)
{
	(void)state;
	set_desc(0, 0, BUFFERS, 16, VRING_DESC_F_INDIRECT, 0);
	refused();
}

/* More chains than there are descriptors. */
static void test_index_runs_ahead(void **state)
{
	(void)state;
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	avail_of(0)->idx = RING_SIZE;
	notify(0);
	assert_false(needs_reset());
	assert_int_equal(echo.chains, RING_SIZE);
	avail_of(0)->idx = RING_SIZE + RING_SIZE + 1;
	notify(0);
	assert_true(needs_reset());
	assert_int_equal(echo.chains, RING_SIZE);
}

static void place(uint32_t field, uint64_t value)
{
	drv_start(0, 0);
	SET(device_status, 0);
	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	drv_accept(BIT_ULL(VIRTIO_F_VERSION_1));
	SET(device_status, ALL_OK);
	SET(queue_select, 0);
	SET(queue_desc_lo, ring_at(0));
	SET(queue_avail_lo, ring_at(0) + AVAIL_AT);
	SET(queue_used_lo, ring_at(0) + USED_AT);
	mem_out(drv.common + field, 4, value);
	mem_out(drv.common + field + 4, 4, value >> 32);
	SET(queue_enable, 1);
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	set_desc(0, 0, BUFFERS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
}

static void test_rings_in_bad_places(void **state)
{
	static const uint32_t fields[] = {offsetof(struct virtio_pci_common_cfg, queue_desc_lo),
					  offsetof(struct virtio_pci_common_cfg, queue_avail_lo),
					  offsetof(struct virtio_pci_common_cfg, queue_used_lo)};
	static const uint64_t places[] = {FAKE_RAM_SIZE, 0xfee00000, 0x100000000,
					  0xfffffffffffffff0, FAKE_RAM_SIZE - 2};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		place(fields[i], ring_at(0) + 1); /* 'Alignment': 16, 2 and 4 */
		assert_true(needs_reset());
		assert_int_equal(used_of(0)->idx, 0);
		for (unsigned k = 0; k < ARRAY_SIZE(places); k++) {
			place(fields[i], places[k]);
			assert_true(needs_reset());
		}
	}
}

/* --- anything at all: nothing is touched but the guest's memory (the sanitizers watch), and it
 * ends */

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(random_state >> 8) * limit >> 24);
}

static uint64_t random_address(void)
{
	switch (random_below(8)) {
	case 0:
		return FAKE_RAM_SIZE - random_below(64);
	case 1:
		return (uint64_t)random_below(UINT32_MAX) << random_below(33);
	default:
		return BUFFERS + 16 * random_below(1024);
	}
}

static void random_descriptors(struct vring_desc *desc, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		desc[i] = (struct vring_desc){
			.addr = random_address(),
			.len = random_below(10) ? 16 * random_below(64) : random_below(UINT32_MAX),
			.flags = (uint16_t)random_below(random_below(4) ? 4 : 8),
			.next = (uint16_t)random_below(RING_SIZE + (random_below(20) == 0)),
		};
}

static void test_random_rings(void **state)
{
	unsigned broken = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		drv_start(random_below(4) << VIRTIO_RING_F_INDIRECT_DESC, 2);
		for (uint32_t q = 0; q < 2; q++) {
			random_descriptors(desc_of(q, 0), RING_SIZE);
			for (uint32_t i = 0; i < RING_SIZE; i++)
				avail_of(q)->ring[i] = (uint16_t)random_below(RING_SIZE);
			avail_of(q)->idx = (uint16_t)random_below(RING_SIZE + 2);
		}
		random_descriptors((struct vring_desc *)(rig.fake.ram + BUFFERS), 64);
		notify(random_below(2));
		notify(random_below(2));
		a_turn();
		broken += needs_reset();
	}
	/* Neither all good nor all bad: then the test would be worth little. */
	assert_in_range(broken, 5000, 19500);
	assert_in_range(echo.chains, 10000, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_chain, setup),
		cmocka_unit_test_setup(test_indices_wrap, setup),
		cmocka_unit_test_setup(test_indirect, setup),
		cmocka_unit_test_setup(test_empty_descriptors, setup),
		cmocka_unit_test_setup(test_no_interrupt_flag, setup),
		cmocka_unit_test_setup(test_used_event, setup),
		cmocka_unit_test_setup(test_avail_event, setup),
		cmocka_unit_test_setup(test_bounded_turns, setup),
		cmocka_unit_test_setup(test_bad_chains, setup),
		cmocka_unit_test_setup(test_indirect_without_the_feature, setup),
		cmocka_unit_test_setup(test_index_runs_ahead, setup),
		cmocka_unit_test_setup(test_rings_in_bad_places, setup),
		cmocka_unit_test_setup(test_random_rings, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
