/* fw_cfg; rules from QEMU's specification 'QEMU Firmware Configuration (fw_cfg) Device'. */
#include "device_rig.h"
#include "devices/fw_cfg.h"
#include "lib/errno.h"
#include "lib/string.h"

static struct fake_platform fake;
static struct fw_cfg fw;
static struct bus ports;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, 1000000000);
	fw_cfg_init(&fw, &fake.platform, MIB(256), 3);
	bus_init(&ports);
	assert_int_equal(fw_cfg_attach(&fw, &ports), 0);
	return 0;
}

static void select_key(uint16_t key)
{
	port_out(&ports, 0x510, 2, key);
}

static uint64_t read_le(uint16_t key, unsigned len)
{
	uint64_t value = 0;

	select_key(key);
	for (unsigned i = 0; i < len; i++)
		value |= port_in(&ports, 0x511, 1) << (8 * i);
	return value;
}

static uint64_t read_be(unsigned len)
{
	uint64_t value = 0;

	while (len--)
		value = value << 8 | port_in(&ports, 0x511, 1);
	return value;
}

/* 'The signature: four characters "QEMU"'; 'the ID: bit 0 traditional, bit 1 DMA'. */
static void test_items(void **state)
{
	(void)state;
	assert_int_equal(read_le(0, 4), 0x554d4551);
	assert_int_equal(port_in(&ports, 0x511, 1), 0); /* past the end */
	assert_int_equal(read_le(1, 4), 3);
	assert_int_equal(read_le(3, 8), MIB(256));
	assert_int_equal(read_le(5, 2), 3);
	assert_int_equal(read_le(0xf, 2), 3);
	assert_int_equal(read_le(0x19, 4), 0); /* no files */
	assert_int_equal(read_le(0x7777, 4), 0);
	fw_cfg_set_cmdline(&fw, "console=ttyS0");
	assert_int_equal(read_le(0x14, 4), 14);
	select_key(0x15);
	for (const char *p = "console=ttyS0"; *p; p++)
		assert_int_equal(port_in(&ports, 0x510, 1), *p);
	assert_int_equal(port_in(&ports, 0x511, 1), 0);
}

static void test_widths(void **state)
{
	(void)state;
	select_key(0);
	/* 'Selector: 16 bits', 'data: 8 bits'. */
	port_out(&ports, 0x510, 1, 3);
	port_out(&ports, 0x511, 1, 3);
	port_out(&ports, 0x510, 4, 3);
	assert_int_equal(port_in(&ports, 0x510, 2), 0);
	assert_int_equal(read_be(4), 0x51454d55);
	/* Selecting again begins anew. */
	select_key(0x4000); /* the write channel's bit */
	assert_int_equal(port_in(&ports, 0x511, 1), 'Q');
}

/* 'struct FWCfgFiles: count, big-endian; struct FWCfgFile: size, select, reserved, name[56]'. */
static void test_files(void **state)
{
	char longest[57], name[8];

	(void)state;
	assert_int_equal(fw_cfg_add_e820(&fw, 0, 0xa0000, 1), 0);
	assert_int_equal(fw_cfg_add_file(&fw, "opt/a b", 5, "hello", 5), 0);
	assert_int_equal(fw_cfg_add_e820(&fw, MIB(1), MIB(255), 1), 0);
	select_key(0x19);
	assert_int_equal(read_be(4), 2);
	assert_int_equal(read_be(4), 40);
	assert_int_equal(read_be(2), 0x20);
	assert_int_equal(read_be(2), 0);
	assert_int_equal(read_be(8), 0x6574632f65383230); /* etc/e820 */
	for (unsigned i = 8; i < 56; i++)
		assert_int_equal(read_be(1), 0);
	assert_int_equal(read_be(4), 5);
	assert_int_equal(read_be(2), 0x21);
	assert_int_equal(read_be(2), 0);
	assert_int_equal(read_be(6), 0x6f70742f6100); /* opt/a */
	select_key(0x21);
	assert_int_equal(read_be(5), 0x68656c6c6f);
	assert_int_equal(read_le(0x20, 8), 0);
	assert_int_equal(read_be(8), 0x00000a0000000000);
	assert_int_equal(read_be(4), 0x01000000);
	assert_int_equal(read_be(8), 0x0000100000000000);

	assert_int_equal(fw_cfg_add_file(&fw, "opt/a", 5, "", 0), -EINVAL);
	assert_int_equal(fw_cfg_add_file(&fw, "", 0, "", 0), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(fw_cfg_add_file(&fw, longest, 56, "", 0), -EINVAL);
	assert_int_equal(fw_cfg_add_file(&fw, longest, 55, "", 0), 0);
	assert_int_equal(fw_cfg_add_file(&fw, "big", 3, "", GIB(4)), -EFBIG);
	for (unsigned i = 3; i < FW_CFG_FILES_MAX; i++) {
		name[0] = (char)('A' + i);
		assert_int_equal(fw_cfg_add_file(&fw, name, 1, "", 0), 0);
	}
	assert_int_equal(fw_cfg_add_file(&fw, "one", 3, "", 0), -ENOSPC);
	for (unsigned i = 2; i < FW_CFG_E820_MAX; i++)
		assert_int_equal(fw_cfg_add_e820(&fw, 0, 1, 2), 0);
	assert_int_equal(fw_cfg_add_e820(&fw, 0, 1, 2), -ENOSPC);
}

/* etc/e820 has a row of 20 bytes for each call, its size is in the directory, and the last row that
 * has room is the FW_CFG_E820_MAXth. */
static void test_e820_rows(void **state)
{
	(void)state;
	for (unsigned rows = 1; rows <= FW_CFG_E820_MAX; rows++) {
		assert_int_equal(fw_cfg_add_e820(&fw, rows, 2 * rows, rows % 2 + 1), 0);
		select_key(0x19);
		assert_int_equal(read_be(4), 1);
		assert_int_equal(read_be(4), 20 * rows);
	}
	assert_int_equal(fw_cfg_add_e820(&fw, 1, 1, 1), -ENOSPC);
	select_key(0x20);
	for (unsigned rows = 1; rows <= FW_CFG_E820_MAX; rows++) {
		assert_int_equal(__builtin_bswap64(read_be(8)), rows);
		assert_int_equal(__builtin_bswap64(read_be(8)), 2 * rows);
		assert_int_equal(__builtin_bswap32((uint32_t)read_be(4)), rows % 2 + 1);
	}
	assert_int_equal(read_be(8), 0); /* and nothing behind it */
}

/* Writes a descriptor at 0x1000 and starts it; what its control word holds then. */
static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
	const struct fw_cfg_dma_access access = {
		__builtin_bswap32(control), __builtin_bswap32(length), __builtin_bswap64(address)};
	uint32_t after;

	memcpy(fake.ram + 0x1000, &access, sizeof(access));
	port_out(&ports, 0x514, 4, 0);
	port_out(&ports, 0x518, 4, __builtin_bswap32(0x1000));
	memcpy(&after, fake.ram + 0x1000, sizeof(after));
	return __builtin_bswap32(after);
}

/* 'If the DMA interface is available, then reading the DMA Address Register returns
 * 0x51454d5520434647
 * ("QEMU CFG" in big-endian format)'; 'if bit 3 is set the upper 16 bits are the index'; 'control
 * == 0 when it has completed; bit 0 on error'. */
static void test_dma(void **state)
{
	(void)state;
	assert_int_equal(port_in(&ports, 0x514, 4), 0x554d4551);
	assert_int_equal(port_in(&ports, 0x518, 4), 0x47464320);
	assert_int_equal(fw_cfg_add_file(&fw, "opt/x", 5, "0123456789", 10), 0);
	memset(fake.ram, 0xff, FAKE_RAM_SIZE);
	assert_int_equal(dma(0x20000a, 4, 0x2000), 0); /* select, read */
	assert_memory_equal(fake.ram + 0x2000, "0123\xff", 5);
	assert_int_equal(dma(0x4, 2, 0), 0); /* skip */
	assert_int_equal(dma(0x2, 8, 0x3000), 0);
	assert_memory_equal(fake.ram + 0x3000, "6789\0\0\0\0\xff", 9);
	assert_int_equal(dma(0x20000c, 100, 0), 0);
	assert_int_equal(dma(0x2, 4, 0x3000), 0);
	assert_memory_equal(fake.ram + 0x3000, "\0\0\0\0", 4);
	/* An item that does not exist has no bytes; a write is refused. */
	assert_int_equal(dma(0x7777000a, 4, 0x2000), 0);
	assert_memory_equal(fake.ram + 0x2000, "\0\0\0\0", 4);
	assert_int_equal(dma(0x200018, 4, 0x2000), 1);
	/* Addresses outside RAM, and around the end of the address space. */
	assert_int_equal(dma(0x20000a, 4, FAKE_RAM_SIZE - 2), 1);
	assert_int_equal(dma(0x20000a, 4, UINT64_MAX - 1), 1);
	assert_int_equal(dma(0x20000a, 0, UINT64_MAX), 0);
	port_out(&ports, 0x518, 4, 0xffffffff);
	assert_int_equal(fake.notes, 1);
	/* Other widths do nothing. */
	assert_int_equal(dma(0x20000a, 4, 0x2000), 0);
	memcpy(fake.ram + 0x1000, "\0\0\0\2\0\0\0\1\0\0\0\0\0\0\x20\0", 16);
	port_out(&ports, 0x518, 2, 0x1000);
	port_out(&ports, 0x51a, 2, 0x10);
	assert_int_equal(fake.ram[0x1003], 2);
}

/* A long transfer goes on by itself, in pieces that take WORK_NS and a little, whatever a step
 * takes. */
static void test_long_dma(void **state)
{
	static uint8_t big[3 * 1024 * 1024];

	(void)state;
	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i >> 12);
	assert_int_equal(fw_cfg_add_file(&fw, "opt/big", 7, big, sizeof(big)), 0);
	assert_int_equal(dma(0x200008, 0, 0), 0);
	/* It runs out of RAM in the end: bytes to there were copied. */
	assert_int_equal(dma(0x2, 0x80000, 0x2000), 0);
	assert_int_equal(fake.ram[0x2000 + 0x7ffff], 0x7f);
	assert_int_equal(dma(0x2, UINT32_MAX, 0x2000), 1);

	/* 4 GiB of nothing to one page would take for ever at once; a new one gives it up. */
	fake.is_ram_endless = true;
	for (fake.look_ticks = 1000; fake.look_ticks <= 1000000; fake.look_ticks *= 10) {
		uint64_t begin = fake.now;

		assert_int_equal(dma(0x20000a, UINT32_MAX, 0x2000), 0x20000a);
		assert_in_range(fake.now - begin, 1, WORK_NS + 3 * fake.look_ticks);
		assert_int_not_equal(fw.dma_left, UINT32_MAX);
		assert_true(fw.timer.is_armed);
		assert_in_range(fw.timer.when - fake.now, 1, WORK_NS);
	}
	fake.look_ticks = WORK_NS / 4;
	assert_int_equal(dma(0x20000a, MIB(1), 0x2000), 0x20000a);
	for (unsigned i = 0; fake.ram[0x1003]; i++) {
		uint32_t left = fw.dma_left;

		assert_in_range(i, 0, MIB(1) / 4096);
		fake_platform_run_until(&fake, fw.timer.when);
		assert_in_range(left - fw.dma_left, 1, 4 * 4096);
	}
	assert_false(fw.timer.is_armed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_items, setup),
		cmocka_unit_test_setup(test_widths, setup),
		cmocka_unit_test_setup(test_files, setup),
		cmocka_unit_test_setup(test_e820_rows, setup),
		cmocka_unit_test_setup(test_dma, setup),
		cmocka_unit_test_setup(test_long_dma, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
