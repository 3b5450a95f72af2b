/* The ACPI root pointer and root tables; good ones and hostile ones. 'ACPI specification', 'ACPI
 * Software Programming Model'. */
#include "acpi_rig.h"

static void test_xsdt_and_lookup(void **state)
{
	static const uint64_t tables[] = {0x20000, 0x20100, 0x20200};

	(void)state;
	put_table(0x20000, "SSDT", "a", 1);
	put_table(0x20100, "HPET", "bb", 2);
	put_table(0x20200, "SSDT", "ccc", 3);
	assert_int_equal(init_with(tables, 3), 0);
	assert_int_equal(acpi.revision, 2);
	assert_int_equal(acpi.count, 3);
	assert_ptr_equal(acpi_table(&acpi, "SSDT", 0), memory + 0x20000);
	assert_ptr_equal(acpi_table(&acpi, "SSDT", 1), memory + 0x20200);
	assert_null(acpi_table(&acpi, "SSDT", 2));
	assert_ptr_equal(acpi_table(&acpi, "HPET", 0), memory + 0x20100);
	assert_null(acpi_table(&acpi, "APIC", 0));
	assert_string_equal(fake_log_text(), "");
}

/* ACPI 1.0: 20 bytes and an RSDT of 32-bit entries; given by the boot loader, or found. */
static void test_rsdt(void **state)
{
	static const uint32_t tables[] = {0x20000, 0x20100};
	uint8_t *copy = malloc(20), rsdp[36];

	(void)state;
	put_table(0x20000, "APIC", "", 0);
	put_table(0x20100, "FACP", "", 0);
	put_table(0x10000, "RSDT", tables, sizeof(tables));
	put_rsdp(rsdp, 0, 0x10000, 0);
	memcpy(copy, rsdp, 20);
	assert_int_equal(acpi_init(&acpi, &physical, copy, 20), 0);
	assert_int_equal(acpi.revision, 0);
	assert_int_equal(acpi.count, 2);
	assert_non_null(acpi_table(&acpi, "FACP", 0));
	free(copy);
	/* At the very end of the area, where 36 bytes do not fit. */
	memcpy(memory + 0xffff0 - 16, rsdp, 20);
	assert_int_equal(acpi_init(&acpi, &physical, NULL, 0), 0);
	assert_int_equal(acpi.count, 2);
	assert_string_equal(fake_log_text(), "");
}

/* 'The first 1 KB of the EBDA', whose segment is at 0x40e; 'on a 16-byte boundary'. */
static void test_search(void **state)
{
	uint64_t hpa = 0;
	uint16_t segment = 0x9fc0;

	(void)state;
	assert_false(acpi_find_rsdp(&physical, &hpa));
	put_rsdp(memory + 0xf1238, 0, 1, 0);
	assert_false(acpi_find_rsdp(&physical, &hpa));
	put_rsdp(memory + 0xf1240, 0, 1, 0);
	assert_true(acpi_find_rsdp(&physical, &hpa));
	assert_int_equal(hpa, 0xf1240);
	put_rsdp(memory + 0x9fc00 + 0x3e0, 0, 1, 0);
	assert_true(acpi_find_rsdp(&physical, &hpa));
	assert_int_equal(hpa, 0xf1240);
	memcpy(memory + 0x40e, &segment, 2);
	assert_true(acpi_find_rsdp(&physical, &hpa));
	assert_int_equal(hpa, 0x9fc00 + 0x3e0);
	/* A wrong checksum is not one. */
	memory[0x9fc00 + 0x3e0 + 9]++;
	assert_true(acpi_find_rsdp(&physical, &hpa));
	assert_int_equal(hpa, 0xf1240);
	/* A segment that points nowhere sensible is not followed. */
	put_rsdp(memory + 0x500, 0, 1, 0);
	segment = 0x50;
	memcpy(memory + 0x40e, &segment, 2);
	assert_true(acpi_find_rsdp(&physical, &hpa));
	assert_int_equal(hpa, 0xf1240);
}

static void test_bad_root_pointers(void **state)
{
	static const uint32_t tables32[] = {0x20000};
	static const uint64_t tables[] = {0x20000};
	uint8_t rsdp[36], junk[36] = {0};

	(void)state;
	put_table(0x20000, "APIC", "", 0);
	put_table(0x10000, "XSDT", tables, sizeof(tables));
	put_table(0x11000, "RSDT", tables32, sizeof(tables32));
	assert_int_equal(acpi_init(&acpi, &physical, NULL, 0), -ENOENT);
	assert_int_equal(fake_log_count("no usable root table"), 1);
	assert_int_equal(acpi_init(&acpi, &physical, junk, sizeof(junk)), -ENOENT);
	assert_int_equal(fake_log_count("boot loader's copy"), 1);
	/* The loader's copy is broken, but the firmware's own is not. */
	put_rsdp(memory + 0xf0000, 2, 0, 0x10000);
	assert_int_equal(acpi_init(&acpi, &physical, junk, sizeof(junk)), 0);
	assert_int_equal(acpi.count, 1);
	/* A damaged extended part: the RSDT is used. */
	memset(memory + 0xf0000, 0, 36);
	for (int damage = 0; damage < 3; damage++) {
		static const uint32_t lengths[] = {36, 35, 0x7fffffff};

		put_rsdp(rsdp, 2, 0x11000, 0x10000);
		memcpy(rsdp + 20, &lengths[damage], 4);
		fix_sum(rsdp, 36, 32);
		if (!damage)
			rsdp[33]++;
		fake_log_clear();
		assert_int_equal(acpi_init(&acpi, &physical, rsdp, sizeof(rsdp)), 0);
		assert_int_equal(acpi.count, 1);
		assert_int_equal(fake_log_count("extended part is damaged"), 1);
	}
	/* The XSDT is not there, or something else: the RSDT is used. */
	put_rsdp(rsdp, 2, 0x11000, 0xfffffffffffffff0);
	assert_int_equal(acpi_init(&acpi, &physical, rsdp, sizeof(rsdp)), 0);
	put_rsdp(rsdp, 2, 0x11000, 0x11000);
	fake_log_clear();
	assert_int_equal(acpi_init(&acpi, &physical, rsdp, sizeof(rsdp)), 0);
	assert_int_equal(fake_log_count("is no XSDT"), 1);
	put_rsdp(rsdp, 2, 0, 0);
	assert_int_equal(acpi_init(&acpi, &physical, rsdp, sizeof(rsdp)), -ENOENT);
	/* A copy of fewer bytes than any root pointer has. */
	put_rsdp(rsdp, 0, 0x11000, 0);
	assert_int_equal(acpi_init(&acpi, &physical, rsdp, 19), -ENOENT);
}

/* 'Refused one by one, named, with the remedy'; the good ones stay. */
static void test_bad_tables_are_refused_one_by_one(void **state)
{
	static const uint64_t tables[] = {0x20000, 0x20100, 0,        0x20200,          0x20300,
					  0x20400, 0x20500, 1u << 30, MEMORY_SIZE - 20, 0x20600};
	static const uint32_t lengths[] = {35, UINT32_MAX, MEMORY_SIZE};

	(void)state;
	put_table(0x20000, "GOOD", "", 0);
	put_table(0x20100, "SUM1", "x", 1)[36]++;
	put_table(0x20200, "LOW!", "", 0);
	put_table(0x20300, "HUGE", "", 0);
	put_table(0x20400, "\xffZ\nB", "", 0)[9]++;
	put_table(0x20500, "FAR!", "", 0);
	memcpy(memory + 0x20204, &lengths[0], 4);
	memcpy(memory + 0x20304, &lengths[1], 4);
	memcpy(memory + 0x20504, &lengths[2], 4);
	put_table(0x20600, "LAST", "", 0);
	assert_int_equal(init_with(tables, ARRAY_SIZE(tables)), 0);
	assert_int_equal(acpi.count, 2);
	assert_non_null(acpi_table(&acpi, "GOOD", 0));
	assert_non_null(acpi_table(&acpi, "LAST", 0));
	assert_int_equal(fake_log_count("table SUM1 at 0x20100 has a wrong checksum"), 1);
	assert_int_equal(fake_log_count("table LOW! at 0x20200 has an impossible length (35)"), 1);
	assert_int_equal(fake_log_count("table HUGE at 0x20300 has an impossible length"), 1);
	assert_int_equal(fake_log_count("table FAR! at 0x20500 has an impossible length"), 1);
	assert_int_equal(fake_log_count("table ?Z?B at 0x20400"), 1);
	assert_int_equal(fake_log_count("a table at 0x0 is not in memory"), 1);
	assert_int_equal(fake_log_count("a table at 0x40000000 is not in memory"), 1);
	assert_int_equal(fake_log_count("warning: "), 8);
	assert_int_equal(fake_log_count("update the firmware"), 8);
}

static void test_too_many_tables(void **state)
{
	static uint64_t tables[ACPI_TABLES_MAX + 10];

	(void)state;
	put_table(0x20000, "SSDT", "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		tables[i] = 0x20000;
	assert_int_equal(init_with(tables, ARRAY_SIZE(tables)), 0);
	assert_int_equal(acpi.count, ACPI_TABLES_MAX);
	assert_int_equal(fake_log_count("more than 128 tables"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_xsdt_and_lookup),
		TEST(test_rsdt),
		TEST(test_search),
		TEST(test_bad_root_pointers),
		TEST(test_bad_tables_are_refused_one_by_one),
		TEST(test_too_many_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
