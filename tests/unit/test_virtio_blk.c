/* Virtio's block device. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Block Device'. */
#include "virtio_rig.h"

#include "devices/virtio_blk.h"

#define SECTOR  512u
#define SECTORS 4096u
#define AT      (BUFFERS + 0x1000)
#define HEADER  BUFFERS
#define STATUS  (BUFFERS + 0x800)
#define UNTOLD  0xee

static struct virtio_blk blk;
static uint8_t image[SECTORS * SECTOR];

static void make(bool is_read_only)
{
	struct virtio_blk_disk disk = {
		.data = image, .size = sizeof(image), .is_read_only = is_read_only};

	pci_rig_init();
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 7 % 251);
	memcpy(disk.serial, "the serial", 10);
	assert_int_equal(virtio_blk_add(&blk, &rig.fake.platform, &pci_rig.pci, SLOT, &disk), 0);
	drv_find();
	drv_start(0, 1);
}

static int setup(void **state)
{
	(void)state;
	make(false);
	return 0;
}

static void put_header(uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};

	memcpy(rig.fake.ram + HEADER, &header, sizeof(header));
	rig.fake.ram[STATUS] = UNTOLD;
}

/* Header, `len` bytes of data at AT, status: makes it available and notifies. */
static void send(uint32_t type, uint64_t sector, uint32_t len)
{
	bool is_in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	put_header(type, sector);
	set_desc(0, 0, HEADER, sizeof(struct virtio_blk_outhdr), VRING_DESC_F_NEXT, len ? 1 : 2);
	set_desc(0, 1, AT, len, (is_in ? VRING_DESC_F_WRITE : 0) | VRING_DESC_F_NEXT, 2);
	set_desc(0, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	send(type, sector, len);
	assert_true(take_used(0, 0) >= 1);
	return rig.fake.ram[STATUS];
}

static void test_configuration(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, PCI_DEVICE_ID, 2), 0x1042);
	assert_int_equal(mem_in(drv.device, 8), SECTORS);
	assert_int_equal(mem_in(drv.device + offsetof(struct virtio_blk_config, blk_size), 4), 512);
	assert_int_equal(mem_in(drv.device + offsetof(struct virtio_blk_config, seg_max), 4), 126);
	assert_true(drv_offered() & BIT(VIRTIO_BLK_F_FLUSH));
	assert_true(drv_offered() & BIT(VIRTIO_BLK_F_DISCARD));
	assert_false(drv_offered() & BIT(VIRTIO_BLK_F_RO));
}

static void test_read(void **state)
{
	(void)state;
	send(VIRTIO_BLK_T_IN, 3, 2 * SECTOR);
	assert_int_equal(take_used(0, 0), 2 * SECTOR + 1);
	assert_int_equal(rig.fake.ram[STATUS], VIRTIO_BLK_S_OK);
	assert_memory_equal(rig.fake.ram + AT, image + 3 * SECTOR, 2 * SECTOR);
	assert_int_equal(rig.fake.ram[AT + 2 * SECTOR], 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, SECTOR), VIRTIO_BLK_S_OK);
}

static void test_write(void **state)
{
	(void)state;
	memset(rig.fake.ram + AT, 0x5a, 2 * SECTOR);
	send(VIRTIO_BLK_T_OUT, 7, SECTOR);
	assert_int_equal(take_used(0, 0), 1);
	assert_int_equal(rig.fake.ram[STATUS], VIRTIO_BLK_S_OK);
	assert_memory_equal(image + 7 * SECTOR, rig.fake.ram + AT, SECTOR);
	assert_int_equal(image[7 * SECTOR - 1], (7 * SECTOR - 1) * 7 % 251);
	assert_int_equal(image[8 * SECTOR], 8 * SECTOR * 7 % 251);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

/* 'The device MUST NOT make assumptions about the particular arrangement of descriptors' */
static void test_any_arrangement(void **state)
{
	(void)state;
	put_header(VIRTIO_BLK_T_IN, 9);
	set_desc(0, 0, HEADER, 7, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, HEADER + 7, 9, VRING_DESC_F_NEXT, 2);
	set_desc(0, 2, AT, 100, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 3);
	set_desc(0, 3, AT + 0x1000, SECTOR - 100 + 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), SECTOR + 1);
	assert_memory_equal(rig.fake.ram + AT, image + 9 * SECTOR, 100);
	assert_memory_equal(rig.fake.ram + AT + 0x1000, image + 9 * SECTOR + 100, SECTOR - 100);
	assert_int_equal(rig.fake.ram[AT + 0x1000 + SECTOR - 100], VIRTIO_BLK_S_OK);
	/* Header and data of a write in one. */
	put_header(VIRTIO_BLK_T_OUT, 11);
	memset(rig.fake.ram + HEADER + 16, 0xa5, SECTOR);
	set_desc(0, 0, HEADER, 16 + SECTOR, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_int_equal(take_used(0, 0), 1);
	assert_int_equal(image[11 * SECTOR], 0xa5);
	assert_int_equal(image[12 * SECTOR - 1], 0xa5);
}

/* 'A driver MUST NOT submit a request which would cause a read or write beyond capacity' and of
 * what is not a multiple of 512: IOERR, and nothing is done. */
static void test_ranges(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} rows[] = {
		{SECTORS, SECTOR},    {SECTORS - 1, 2 * SECTOR},
		{UINT64_MAX, SECTOR}, {UINT64_MAX / SECTOR, SECTOR},
		{1ull << 55, SECTOR}, {0, 1},
		{0, SECTOR - 1},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(rig.fake.ram + AT, 0x33, 2 * SECTOR);
		assert_int_equal(request(VIRTIO_BLK_T_IN, rows[i].sector, rows[i].len),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(rig.fake.ram[AT], 0x33);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, rows[i].sector, rows[i].len),
				 VIRTIO_BLK_S_IOERR);
	}
	for (size_t i = 0; i < sizeof(image); i++)
		assert_int_equal(image[i], i * 7 % 251);
	assert_false(needs_reset());
}

/* 'device ID string ... not null-terminated if 20 bytes': what is asked for, padded with zeros. */
static void test_serial(void **state)
{
	static const char padded[VIRTIO_BLK_ID_BYTES] = "the serial";

	(void)state;
	memset(rig.fake.ram + AT, 0x77, 32);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES), VIRTIO_BLK_S_OK);
	assert_memory_equal(rig.fake.ram + AT, padded, sizeof(padded));
	assert_int_equal(rig.fake.ram[AT + sizeof(padded)], 0x77);
	memset(rig.fake.ram + AT, 0x77, 64);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 3), VIRTIO_BLK_S_OK);
	assert_memory_equal(rig.fake.ram + AT, "the\x77", 4);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 40), VIRTIO_BLK_S_OK);
	assert_int_equal(rig.fake.ram[AT + sizeof(padded)], 0x77);
}

/* 'The device MUST set the status byte to VIRTIO_BLK_S_UNSUPP' for what it does not know. */
static void test_unknown_types(void **state)
{
	static const uint32_t types[] = {2, 3, 5, 9, 10, 12, 14, 0x80000000, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(request(types[i], 0, SECTOR), VIRTIO_BLK_S_UNSUPP);
}

static uint8_t zero(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = sector, .num_sectors = count, .flags = flags};

	memcpy(rig.fake.ram + AT, &range, sizeof(range));
	return request(type, 0, sizeof(range));
}

static void test_discard_and_write_zeroes(void **state)
{
	(void)state;
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 5, 2, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(image[5 * SECTOR], 0);
	assert_int_equal(image[7 * SECTOR - 1], 0);
	assert_int_equal(image[7 * SECTOR], 7 * SECTOR * 7 % 251);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 20, 1, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(image[20 * SECTOR + 3], 0);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 30, 1, 0), VIRTIO_BLK_S_OK);
	/* 'if the unmap flag is set' for discard, 'any unknown flag' for both. */
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 40, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 40, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 40, 1, 4), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 40, SECTORS, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 40, 0, 0), VIRTIO_BLK_S_OK);
	/* One segment, no more and no less. */
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 32), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(image[40 * SECTOR], 40 * SECTOR * 7 % 251);
}

static void test_read_only(void **state)
{
	(void)state;
	make(true);
	assert_true(drv_offered() & BIT(VIRTIO_BLK_F_RO));
	assert_false(drv_offered() & BIT(VIRTIO_BLK_F_DISCARD));
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, SECTOR), VIRTIO_BLK_S_OK);
	/* 'A device MUST set the status byte to VIRTIO_BLK_S_IOERR for a write request' */
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 1, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 1, 1, 0), VIRTIO_BLK_S_IOERR);
	for (size_t i = 0; i < sizeof(image); i++)
		assert_int_equal(image[i], i * 7 % 251);
}

/* A request of 1 MiB, over the same memory again and again, is done in pieces of WORK_NS; other
 * requests wait behind it, and a reset ends it. */
static void test_large_requests_take_turns(void **state)
{
	uint64_t begin = rig.fake.now;
	unsigned turns = 0;

	(void)state;
	rig.fake.look_ticks = WORK_NS / 8;
	put_header(VIRTIO_BLK_T_IN, 0);
	set_desc(0, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	for (uint16_t i = 1; i <= 8; i++)
		set_desc(0, i, AT, 128 * 1024, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
			 (uint16_t)(i + 1));
	set_desc(0, 9, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	for (; take_used(0, 0) != 8 * 128 * 1024 + 1; turns++) {
		assert_in_range(turns, 0, 8 * 128 / 4);
		if (!turns)
			assert_in_range(rig.fake.now - begin, 1, 2 * WORK_NS);
		a_turn();
	}
	/* Of 4 KiB between looks; the driver's own looks at registers are none. */
	assert_in_range(turns, 8 * 128 / 4 / 8 - 1, 8 * 128 / 4);
	assert_int_equal(rig.fake.ram[STATUS], VIRTIO_BLK_S_OK);
	assert_memory_equal(rig.fake.ram + AT, image + 7 * 128 * 1024, 128 * 1024);
	make_available(0, 0);
	notify(0);
	drv_start(0, 1);
	a_turn();
	assert_int_equal(used_of(0)->idx, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, SECTOR), VIRTIO_BLK_S_OK);
}

static void test_malformed_requests(void **state)
{
	(void)state;
	/* Without a status byte, with half a header, with data outside RAM. */
	set_desc(0, 0, HEADER, 16, 0, 0);
	make_available(0, 0);
	notify(0);
	assert_true(needs_reset());
	drv_start(0, 1);
	set_desc(0, 0, HEADER, 15, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_true(needs_reset());
	drv_start(0, 1);
	put_header(VIRTIO_BLK_T_IN, 0);
	set_desc(0, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, FAKE_RAM_SIZE - 8, SECTOR, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	set_desc(0, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_true(needs_reset());
	assert_int_equal(used_of(0)->idx, 0);
	drv_start(0, 1);
	put_header(VIRTIO_BLK_T_GET_ID, 0);
	set_desc(0, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(0, 1, FAKE_RAM_SIZE - 8, 20, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	set_desc(0, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(0, 0);
	notify(0);
	assert_true(needs_reset());
	assert_int_equal(used_of(0)->idx, 0);
	drv_start(0, 1);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, SECTOR), VIRTIO_BLK_S_OK);
}

/* Headers and chains of anything: only the disk and the guest's memory change (the sanitizers
 * watch), and each turn ends. */
static void test_random_requests(void **state)
{
	static const uint8_t types[] = {0, 1, 1, 4, 8, 11, 13, 99};
	uint32_t random = 3, done = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		for (uint16_t i = 0; i < RING_SIZE; i++) {
			random = random * 1664525 + 1013904223;
			set_desc(0, i, AT + (random >> 12) % 0x4000,
				 (random >> 20) % 5 * 256 + (random & 1),
				 (uint16_t)((random >> 28 & 2) |
					    (i % 4 < 3 ? VRING_DESC_F_NEXT : 0)),
				 (uint16_t)((i + 1) % RING_SIZE));
		}
		for (uint16_t i = 0; i < RING_SIZE; i += 4) {
			random = random * 1664525 + 1013904223;
			put_header(types[random >> 29], (random >> 8) % (SECTORS + 4));
			memcpy(rig.fake.ram + HEADER + i * 16, rig.fake.ram + HEADER, 16);
			set_desc(0, i, HEADER + i * 16u, 16, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
			make_available(0, i);
		}
		notify(0);
		a_turn();
		done += (uint16_t)(used_of(0)->idx - drv.used_idx[0]);
		drv.used_idx[0] = used_of(0)->idx;
		if (needs_reset())
			drv_start(0, 1);
	}
	assert_in_range(done, 10000, 80000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_configuration, setup),
		cmocka_unit_test_setup(test_read, setup),
		cmocka_unit_test_setup(test_write, setup),
		cmocka_unit_test_setup(test_any_arrangement, setup),
		cmocka_unit_test_setup(test_ranges, setup),
		cmocka_unit_test_setup(test_serial, setup),
		cmocka_unit_test_setup(test_unknown_types, setup),
		cmocka_unit_test_setup(test_discard_and_write_zeroes, setup),
		cmocka_unit_test_setup(test_read_only, setup),
		cmocka_unit_test_setup(test_large_requests_take_turns, setup),
		cmocka_unit_test_setup(test_malformed_requests, setup),
		cmocka_unit_test_setup(test_random_requests, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
