/* The MADT; good ones and hostile ones. 'ACPI specification', 'Multiple APIC Description Table'. */
#include "acpi_rig.h"

static void test_madt(void **state)
{
	static const uint8_t entries[] = {
		0,  8,  0,    0,    1,    0,    0,    0, /* CPU, APIC ID 0 */
		0,  8,  1,    2,    1,    0,    0,    0, /* APIC ID 2 */
		0,  8,  2,    4,    0,    0,    0,    0, /* disabled */
		0,  8,  3,    6,    2,    0,    0,    0, /* online capable */
		0,  8,  4,    0xff, 1,    0,    0,    0, /* no place */
		9,  16, 0,    0,    2,    0,    0,    0,    1,   0, 0, 0, 1, 0, 0, 0, /* ID 2 again
										       */
		9,  16, 0,    0,    0,    1,    0,    0,    1,   0, 0, 0, 9, 0, 0, 0, /* ID 256 */
		9,  16, 0,    0,    0xff, 0xff, 0xff, 0xff, 1,   0, 0, 0, 9, 0, 0, 0, 1,
		12, 5,  0,    0,    0,    0xc0, 0xfe, 0,    0,   0, 0,    /* I/O APIC */
		1,  12, 6,    0,    0,    0x10, 0xc0, 0xfe, 24,  0, 0, 0, /* another */
		2,  10, 0,    0,    2,    0,    0,    0,    0,   0,       /* IRQ 0 is GSI 2 */
		2,  10, 0,    9,    9,    0,    0,    0,    0xd, 0,       /* level, active high */
		3,  8,  5,    0,    11,   0,    0,    0,                  /* GSI 11 is an NMI */
		4,  6,  0xff, 5,    0,    1,                              /* LINT1 of all */
		10, 12, 0,    0,    9,    0,    0,    0,    1,   0, 0, 0, /* LINT1 of UID 9 */
		13, 4,  1,    2, /* of a kind that we skip */
		5,  12, 0,    0,    0,    0,    0xe1, 0xfe, 1,   0, 0, 0, /* above 4 GiB */
	};

	(void)state;
	assert_int_equal(madt_with(entries, sizeof(entries)), 0);
	assert_string_equal(fake_log_text(), "");
	assert_true(madt.has_8259);
	assert_int_equal(madt.lapic_address, 0x1fee10000);
	assert_int_equal(madt.cpu_count, 4);
	assert_int_equal(madt.cpu[0].apic_id, 0);
	assert_true(madt.cpu[0].is_enabled);
	assert_int_equal(madt.cpu[1].apic_id, 2);
	assert_int_equal(madt.cpu[1].uid, 1);
	assert_int_equal(madt.cpu[2].apic_id, 6);
	assert_false(madt.cpu[2].is_enabled);
	assert_int_equal(madt.cpu[3].apic_id, 256);
	assert_int_equal(madt.cpu[3].uid, 9);
	assert_int_equal(madt.ioapic_count, 2);
	assert_int_equal(madt.ioapic[0].id, 5);
	assert_int_equal(madt.ioapic[0].address, 0xfec00000);
	assert_int_equal(madt.ioapic[1].gsi_base, 24);
	assert_int_equal(madt.override_count, 2);
	assert_int_equal(madt.override[0].source, 0);
	assert_int_equal(madt.override[0].gsi, 2);
	assert_int_equal(madt.override[1].flags, 0xd);
	assert_int_equal(madt.nmi_source_count, 1);
	assert_int_equal(madt.nmi_source[0].gsi, 11);
	assert_int_equal(madt.nmi_source[0].flags, 5);
	assert_int_equal(madt.lapic_nmi_count, 2);
	assert_int_equal(madt.lapic_nmi[0].uid, ACPI_UID_ALL);
	assert_int_equal(madt.lapic_nmi[0].flags, 5);
	assert_int_equal(madt.lapic_nmi[0].lint, 1);
	assert_int_equal(madt.lapic_nmi[1].uid, 9);
}

static void test_madt_entries_are_refused(void **state)
{
	static const uint8_t entries[] = {
		0, 7,  0,    0,  1, 0, 0,                /* too short for its type */
		1, 12, 5,    0,  0, 0, 0, 0, 0, 0, 0, 0, /* an I/O APIC at 0 */
		2, 10, 1,    0,  2, 0, 0, 0, 0, 0,       /* not the ISA bus */
		2, 10, 0,    16, 2, 0, 0, 0, 0, 0,       /* no ISA interrupt */
		4, 6,  0xff, 5,  0, 2,                   /* there is no LINT2 */
		0, 8,  0,    3,  1, 0, 0, 0,             /* a good one behind them */
	};
	static const uint8_t too_long[] = {0, 8, 0, 1, 1, 0, 0, 0, 0, 9, 0, 2, 1, 0, 0, 0};
	static const uint8_t zero[] = {0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t half[] = {0, 8, 0, 1, 1, 0, 0, 0, 0};

	(void)state;
	assert_int_equal(madt_with(entries, sizeof(entries)), 0);
	assert_int_equal(fake_log_count("is malformed or one too many"), 5);
	assert_int_equal(madt.cpu_count, 1);
	assert_int_equal(madt.cpu[0].apic_id, 3);
	assert_int_equal(madt.ioapic_count + madt.override_count + madt.lapic_nmi_count, 0);
	/* 'One whose length leaves the table ends the list.' */
	fake_log_clear();
	assert_int_equal(madt_with(too_long, sizeof(too_long)), 0);
	assert_int_equal(madt_with(zero, sizeof(zero)), 0);
	assert_int_equal(madt_with(half, sizeof(half)), 0);
	assert_int_equal(fake_log_count("entry at byte 52 leaves the table"), 3);
	assert_int_equal(madt.cpu_count, 1);
}

static void test_madt_capacities(void **state)
{
	uint8_t entries[MADT_MAX];
	uint32_t len = 0;

	(void)state;
	/* x2APIC IDs from 0x100 on. */
	for (unsigned i = 0; i < MAX_PCPUS + 36; i++, len += 16)
		memcpy(entries + len,
		       (uint8_t[]){9, 16, 0, 0, (uint8_t)i, (uint8_t)(1 + (i >> 8)), 0, 0, 1, 0, 0,
				   0, 0, 0, 0, 0},
		       16);
	for (unsigned i = 0; i < 40; i++, len += 12)
		memcpy(entries + len, (uint8_t[]){1, 12, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}, 12);
	for (unsigned i = 0; i < 40; i++, len += 10)
		memcpy(entries + len, (uint8_t[]){2, 10, 0, 1, 1, 0, 0, 0, 0, 0}, 10);
	for (unsigned i = 0; i < ACPI_NMIS_MAX + 6; i++, len += 8)
		memcpy(entries + len, (uint8_t[]){3, 8, 0, 0, 0, 0, 0, 0}, 8);
	for (unsigned i = 0; i < ACPI_NMIS_MAX + 6; i++, len += 6)
		memcpy(entries + len, (uint8_t[]){4, 6, 0, 0, 0, 0}, 6);
	assert_int_equal(madt_with(entries, len), 0);
	assert_int_equal(madt.cpu_count, MAX_PCPUS);
	assert_int_equal(madt.cpu[MAX_PCPUS - 1].apic_id, 0x100 + MAX_PCPUS - 1);
	assert_int_equal(madt.cpus_left_out, 36);
	assert_int_equal(fake_log_count("36 CPUs are left out"), 1);
	assert_int_equal(madt.ioapic_count, ACPI_IOAPICS_MAX);
	assert_int_equal(madt.override_count, ACPI_OVERRIDES_MAX);
	assert_int_equal(madt.nmi_source_count, ACPI_NMIS_MAX);
	assert_int_equal(madt.lapic_nmi_count, ACPI_NMIS_MAX);
	assert_int_equal(fake_log_count("one too many"), 8); /* rate-limited */
}

static void test_no_madt(void **state)
{
	static const uint64_t tables[] = {0x20000};

	(void)state;
	assert_int_equal(init_with(NULL, 0), 0);
	assert_int_equal(acpi_read_madt(&acpi, &madt), -ENOENT);
	put_table(0x20000, "APIC", "1234567", 7);
	assert_int_equal(init_with(tables, 1), 0);
	assert_int_equal(acpi_read_madt(&acpi, &madt), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_madt),
		TEST(test_madt_entries_are_refused),
		TEST(test_madt_capacities),
		TEST(test_no_madt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
