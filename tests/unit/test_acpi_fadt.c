/* The FADT and \_S5; good ones and hostile ones. 'ACPI specification', 'Fixed ACPI Description
 * Table', 'Data Objects Encoding'. */
#include "acpi_rig.h"

static struct acpi_fadt fadt;

/* The FADT's fields at the offsets that the specification gives. */
static uint8_t fadt_body[244];

static void set(uint32_t offset, uint64_t value, uint32_t size)
{
	memcpy(fadt_body + offset - 36, &value, size);
}

static void set_gas(uint32_t offset, uint8_t space, uint8_t width, uint64_t address)
{
	set(offset, space, 1);
	set(offset + 1, width, 1);
	set(offset + 2, 0, 2);
	set(offset + 4, address, 8);
}

static void fadt_default(void)
{
	memset(fadt_body, 0, sizeof(fadt_body));
	set(40, 0x30000, 4);  /* DSDT */
	set(46, 9, 2);        /* SCI_INT */
	set(48, 0xb2, 4);     /* SMI_CMD */
	set(52, 0xf1, 1);     /* ACPI_ENABLE */
	set(64, 0x604, 4);    /* PM1a_CNT_BLK */
	set(112, 1 << 10, 4); /* RESET_REG_SUP */
	set_gas(116, ACPI_SPACE_IO, 8, 0xcf9);
	set(128, 6, 1); /* RESET_VALUE */
}

static int fadt_with(uint32_t length)
{
	static const uint64_t tables[] = {0x20000, 0x31000, 0x32000};

	put_table(0x20000, "FACP", fadt_body, length - 36);
	assert_int_equal(init_with(tables, 1u + !!memory[0x31000] + !!memory[0x32000]), 0);
	return acpi_read_fadt(&acpi, &fadt);
}

/* Name (\_S5, Package () {5, 5, Zero, Zero}) as iasl encodes it, with other code around. */
static const uint8_t s5_aml[] = {0x10, 0x05, '_',  'S',  'B',  '_',  0x08, '_',  'S',  '5',
				 '_',  0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00};

static void test_fadt(void **state)
{
	(void)state;
	fadt_default();
	put_table(0x30000, "DSDT", s5_aml, sizeof(s5_aml));
	assert_int_equal(fadt_with(244), 0);
	assert_string_equal(fake_log_text(), "");
	assert_int_equal(fadt.sci_irq, 9);
	assert_int_equal(fadt.smi_cmd, 0xb2);
	assert_int_equal(fadt.acpi_enable, 0xf1);
	assert_int_equal(fadt.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(fadt.pm1a_control.address, 0x604);
	assert_int_equal(fadt.pm1a_control.bit_width, 16);
	assert_int_equal(fadt.pm1b_control.address, 0);
	assert_true(fadt.has_reset);
	assert_int_equal(fadt.reset.address, 0xcf9);
	assert_int_equal(fadt.reset_value, 6);
	assert_false(fadt.is_hw_reduced);
	assert_true(fadt.has_s5);
	assert_int_equal(fadt.s5_slp_typ_a, 5);
	assert_int_equal(fadt.s5_slp_typ_b, 5);
}

/* X_PM1a_CNT_BLK and X_DSDT count where they make sense. */
static void test_fadt_extended(void **state)
{
	(void)state;
	fadt_default();
	put_table(0x30800, "DSDT", s5_aml, sizeof(s5_aml));
	set(140, 0x30800, 8);
	set_gas(172, ACPI_SPACE_IO, 16, 0x1804);
	set_gas(184, ACPI_SPACE_MEMORY, 32, 0xfed00000);
	assert_int_equal(fadt_with(244), 0);
	assert_int_equal(fadt.pm1a_control.address, 0x1804);
	assert_int_equal(fadt.pm1b_control.space, ACPI_SPACE_MEMORY);
	assert_true(fadt.has_s5);
	/* A port that does not exist, too narrow a register, an unknown space: the older field. */
	set_gas(172, ACPI_SPACE_IO, 16, 0xffff);
	fadt_with(244);
	assert_int_equal(fadt.pm1a_control.address, 0x604);
	set_gas(172, ACPI_SPACE_IO, 8, 0x1804);
	fadt_with(244);
	assert_int_equal(fadt.pm1a_control.address, 0x604);
	set_gas(172, 0x7f, 16, 0x1804);
	fadt_with(244);
	assert_int_equal(fadt.pm1a_control.address, 0x604);
	set(64, 0x10000, 4);
	fadt_with(244);
	assert_int_equal(fadt.pm1a_control.address, 0);
	/* HW_REDUCED_ACPI: the PM1 registers are not there, whatever the fields say. */
	set_gas(172, ACPI_SPACE_IO, 16, 0x1804);
	set(112, 1 << 20, 4);
	fadt_with(244);
	assert_true(fadt.is_hw_reduced);
	assert_int_equal(fadt.pm1a_control.address, 0);
	assert_false(fadt.has_reset);
}

/* A register is whole, where its space is: the last port that has room, and the one behind it. */
static void test_fadt_last_ports(void **state)
{
	(void)state;
	fadt_default();
	put_table(0x30000, "DSDT", s5_aml, sizeof(s5_aml));
	set_gas(116, ACPI_SPACE_IO, 8, 0xffff);
	set_gas(172, ACPI_SPACE_IO, 16, 0xfffe);
	set(68, 0xfffe, 4); /* PM1b_CNT_BLK */
	assert_int_equal(fadt_with(244), 0);
	assert_true(fadt.has_reset);
	assert_int_equal(fadt.reset.address, 0xffff);
	assert_int_equal(fadt.pm1a_control.address, 0xfffe);
	assert_int_equal(fadt.pm1b_control.address, 0xfffe);
	assert_int_equal(fadt.pm1b_control.space, ACPI_SPACE_IO);
	assert_int_equal(fadt.pm1b_control.access_size, 2);
	set_gas(116, ACPI_SPACE_IO, 7, 0xcf9);
	set(68, 0xffff, 4);
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_reset);
	assert_int_equal(fadt.pm1b_control.address, 0);
	/* Bit offsets and no address are none; PCI's space is one. */
	set_gas(116, ACPI_SPACE_IO, 8, 0xcf9);
	set(118, 1, 1);
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_reset);
	set_gas(116, ACPI_SPACE_MEMORY, 8, 0);
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_reset);
	set_gas(116, ACPI_SPACE_PCI, 8, 0x1f00030041);
	assert_int_equal(fadt_with(244), 0);
	assert_true(fadt.has_reset);
	set_gas(116, 3, 8, 0x1000); /* the embedded controller's */
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_reset);
}

static void test_fadt_short_and_absent(void **state)
{
	(void)state;
	fadt_default();
	put_table(0x30000, "DSDT", s5_aml, sizeof(s5_aml));
	/* ACPI 1.0: what is behind byte 116 is not there. */
	assert_int_equal(fadt_with(116), 0);
	assert_int_equal(fadt.pm1a_control.address, 0x604);
	assert_false(fadt.has_reset);
	assert_true(fadt.has_s5);
	assert_int_equal(fadt_with(115), -ENOENT);
	assert_int_equal(init_with(NULL, 0), 0);
	assert_int_equal(acpi_read_fadt(&acpi, &fadt), -ENOENT);
	/* RESET_REG_SUP, but the register makes no sense. */
	set_gas(116, ACPI_SPACE_IO, 8, 0x10000);
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_reset);
}

static void check_s5(const void *aml, uint32_t len, bool has, uint8_t a, uint8_t b)
{
	put_table(0x30000, "DSDT", aml, len);
	assert_int_equal(fadt_with(244), 0);
	assert_int_equal(fadt.has_s5, has);
	assert_int_equal(fadt.s5_slp_typ_a, a);
	assert_int_equal(fadt.s5_slp_typ_b, b);
}

#define CHECK_S5(aml, has, a, b) check_s5((aml), sizeof(aml) - 1, (has), (a), (b))

static void test_s5_encodings(void **state)
{
	(void)state;
	fadt_default();
	CHECK_S5("\x08\\_S5_\x12\x06\x04\x00\x01\x00\x00", true, 0, 1);
	CHECK_S5("\x08_S5_\x12\x08\x04\x0b\x07\x00\x0a\x03\x00", true, 7, 3);
	CHECK_S5("\x08_S5_\x12\x07\x01\x0c\x05\x06\x00\x00", true, 5, 6); /* one element */
	/* Package lengths of two, three and four bytes. */
	CHECK_S5("\x08_S5_\x12\x47\x00\x02\x0a\x05\x0a\x04", true, 5, 4);
	CHECK_S5("\x08_S5_\x12\x88\x00\x00\x02\x0a\x05\x0a\x04", true, 5, 4);
	CHECK_S5("\x08_S5_\x12\xc9\x00\x00\x00\x02\x0a\x05\x0a\x04", true, 5, 4);
	/* A use of the name before its definition. */
	CHECK_S5("_S5_\x12\x08_S4_\x12\x05\x02\x06\x06\x08_S5_\x12\x04\x02\x01\x00", true, 1, 0);
	/* An SSDT has it. */
	put_table(0x31000, "SSDT", s5_aml, sizeof(s5_aml));
	CHECK_S5("no such name", true, 5, 5);
	memory[0x31000] = 0;
}

/* SSDTs are looked at one after the other, also behind one that has no name. */
static void test_s5_in_a_second_ssdt(void **state)
{
	static const char none[] = "\x08_S4_\x12\x05\x02\x06\x06";
	uint8_t *second;

	(void)state;
	fadt_default();
	put_table(0x31000, "SSDT", none, sizeof(none) - 1);
	second = put_table(0x32000, "SSDT", s5_aml, sizeof(s5_aml));
	CHECK_S5("no such name", true, 5, 5);
	second[40]++; /* a wrong checksum */
	CHECK_S5("no such name", false, 0, 0);
	/* The first that has it is taken, and the DSDT before all. */
	put_table(0x31000, "SSDT", "\x08_S5_\x12\x04\x02\x01\x00", 10);
	put_table(0x32000, "SSDT", s5_aml, sizeof(s5_aml));
	CHECK_S5("no such name", true, 1, 0);
	CHECK_S5("\x08_S5_\x12\x06\x02\x0a\x03\x0a\x02", true, 3, 2);
	memory[0x31000] = memory[0x32000] = 0;
}

/* What a package holds lies inside of it, though the table goes on: each operand, at each length of
 * the package that is too short, and not one byte longer than needed. */
static void test_s5_operands_stay_in_their_package(void **state)
{
	static const struct {
		const char *elements;
		unsigned len;
	} rows[] = {
		{"\x02\x00\x01", 3},
		{"\x02\x01\x0a\x07", 4},
		{"\x02\x0a\x07\x01", 4},
		{"\x02\x0b\x06\x00\x0a\x05", 6},
		{"\x02\x0c\x06\x00\x00\x00\x0b\x05\x00", 9},
		{"\x01\x0c\x06\x05\x00\x00", 6},
	};

	(void)state;
	fadt_default();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned cut = 0; cut < rows[i].len; cut++) {
			uint8_t aml[32] = {0x08, '_', 'S', '5', '_', 0x12};

			memcpy(aml + 7, rows[i].elements, rows[i].len);
			aml[6] = (uint8_t)(1 + rows[i].len - cut);
			put_table(0x30000, "DSDT", aml, sizeof(aml));
			assert_int_equal(fadt_with(244), 0);
			assert_int_equal(fadt.has_s5, cut == 0);
		}
	}
	/* The last of the table: nothing behind it is needed. */
	CHECK_S5("\x08_S5_\x12\x04\x02\x00\x01", true, 0, 1);
	CHECK_S5("\x08_S5_\x12\x06\x02\x0a\x07\x0a\x07", true, 7, 7);
	CHECK_S5("\x08_S5_\x12\x45\x00\x02\x00\x01", true, 0, 1);
	CHECK_S5("\x08_S5_\x12\x86\x00\x00\x02\x00\x01", true, 0, 1);
	/* The second of a length's bytes counts 16, the third 4096, the fourth a MiB. */
	CHECK_S5("\x08_S5_\x12\x41\x01\x02\x00\x01", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x86\x00\x01\x02\x00\x01", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\xc7\x00\x00\x01\x02\x00\x01", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x06\x02\x0a\x07\x0a\x08", false, 0, 0);
	/* Other opcodes around the integers' are none: OnesOp, Byte - 1, DWord + 1. */
	CHECK_S5("\x08_S5_\x12\x05\x02\x02\x00\x00", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x05\x02\x09\x00\x00", false, 0, 0);
}

static void test_s5_hostile(void **state)
{
	(void)state;
	fadt_default();
	CHECK_S5("", false, 0, 0);
	CHECK_S5("\x08_S5_", false, 0, 0);
	CHECK_S5("\x08_S5_\x12", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\xc9\x00", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x3f\x02\x05\x05", false, 0, 0);             /* leaves the table */
	CHECK_S5("\x08_S5_\x12\xcf\xff\xff\xff\x02\x00\x00", false, 0, 0); /* far away */
	CHECK_S5("\x08_S5_\x12\x00\x02\x00\x00", false, 0, 0);             /* shorter than itself */
	CHECK_S5("\x08_S5_\x12\x02\x00\x00\x00", false, 0, 0);             /* no elements */
	CHECK_S5("\x08_S5_\x12\x03\x02\x01\x01", false, 0, 0); /* the second lies outside */
	CHECK_S5("\x08_S5_\x12\x03\x02\x0a\x05\x00", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x05\x02\x0c\x05\x00\x00", false, 0, 0);
	CHECK_S5("\x08_S5_\x12\x06\x02\x0a\x08\x0a\x05", false, 0, 0); /* three bits */
	CHECK_S5("\x08_S5_\x12\x05\x02\x0d\x30\x00\x00", false, 0, 0); /* a string */
	CHECK_S5("\x08_S5_\x11\x05\x02\x01\x00\x00\x00", false, 0, 0); /* a buffer */
	fake_log_clear();
	CHECK_S5("nothing", false, 0, 0);
	assert_int_equal(fake_log_count("no \\_S5 in the DSDT or an SSDT"), 1);
	/* A DSDT with a wrong checksum is not read. */
	fake_log_clear();
	put_table(0x30000, "DSDT", s5_aml, sizeof(s5_aml))[40]++;
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_s5);
	assert_int_equal(fake_log_count("table DSDT at 0x30000 has a wrong checksum"), 1);
	/* The FADT leads to something else. */
	put_table(0x30000, "SSDT", s5_aml, sizeof(s5_aml));
	assert_int_equal(fadt_with(244), 0);
	assert_false(fadt.has_s5);
}

/* Random damage with checksums made right again: nothing is read outside the tables. */
static void test_random_damage(void **state)
{
	uint8_t entries[256];
	uint64_t cpus = 0;

	(void)state;
	fadt_default();
	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint8_t aml[sizeof(s5_aml)];
		uint32_t len = (uint32_t)rand() % sizeof(entries);

		for (uint32_t i = 0; i < len; i++)
			entries[i] = (uint8_t)(rand() % 4 ? rand() % 14 : rand());
		assert_int_equal(madt_with(entries, len), 0);
		cpus += madt.cpu_count;
		memcpy(aml, s5_aml, sizeof(aml));
		aml[(unsigned)rand() % sizeof(aml)] = (uint8_t)rand();
		aml[10 + (unsigned)rand() % (sizeof(aml) - 10)] = (uint8_t)rand();
		fadt_body[(unsigned)rand() % sizeof(fadt_body)] = (uint8_t)rand();
		put_table(0x30000, "DSDT", aml, sizeof(aml));
		assert_int_equal(fadt_with(244), 0);
		assert_true(fadt.s5_slp_typ_a <= 7 && fadt.s5_slp_typ_b <= 7);
	}
	assert_true(cpus > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fadt),
		TEST(test_fadt_extended),
		TEST(test_fadt_last_ports),
		TEST(test_fadt_short_and_absent),
		TEST(test_s5_encodings),
		TEST(test_s5_hostile),
		TEST(test_s5_in_a_second_ssdt),
		TEST(test_s5_operands_stay_in_their_package),
		TEST(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
