/* The ACPI tables, hand-built, in a small physical memory; good ones and hostile ones. 'ACPI
 * specification', 'ACPI Software Programming Model'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/acpi.h"
#include "fakes/log.h"
#include "lib/checked.h"
#include "lib/errno.h"

#define MEMORY_SIZE 0x200000u

static uint8_t *memory; /* a malloc: a read behind its end is the sanitizer's */

static const void *map(void *ctx, uint64_t hpa, uint64_t len)
{
	assert_ptr_equal(ctx, &memory);
	return hpa >= 0x400 && range_is_inside(hpa, len, 0, MEMORY_SIZE) ? memory + hpa : NULL;
}

static const struct acpi_memory physical = {.map = map, .ctx = &memory};
static struct acpi acpi;
static struct acpi_madt madt;
static struct acpi_fadt fadt;

static int setup(void **state)
{
	(void)state;
	memory = calloc(1, MEMORY_SIZE);
	fake_log_clear();
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void fix_sum(uint8_t *bytes, uint32_t len, uint32_t at)
{
	uint8_t sum = 0;

	bytes[at] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[at] = (uint8_t)-sum;
}

/* A table with its header, at `hpa`. */
static uint8_t *put_table(uint32_t hpa, const char *signature, const void *body, uint32_t len)
{
	struct acpi_header h = {.length = (uint32_t)sizeof(h) + len, .revision = 1};

	memcpy(h.signature, signature, 4);
	memcpy(memory + hpa, &h, sizeof(h));
	if (len)
		memcpy(memory + hpa + sizeof(h), body, len);
	fix_sum(memory + hpa, h.length, offsetof(struct acpi_header, checksum));
	return memory + hpa;
}

static void put_rsdp(uint8_t *p, uint8_t revision, uint32_t rsdt, uint64_t xsdt)
{
	uint32_t length = 36;

	memset(p, 0, 36);
	memcpy(p, "RSD PTR ", 8);
	p[15] = revision;
	memcpy(p + 16, &rsdt, 4);
	fix_sum(p, 20, 8);
	if (!revision)
		return;
	memcpy(p + 20, &length, 4);
	memcpy(p + 24, &xsdt, 8);
	fix_sum(p, 36, 32);
}

/* An XSDT at 0x10000 that lists these tables, and a root pointer of ACPI 2.0 at 0xe0000. */
static int init_with(const uint64_t *tables, uint32_t n)
{
	put_table(0x10000, "XSDT", tables, n * 8);
	put_rsdp(memory + 0xe0000, 2, 0, 0x10000);
	return acpi_init(&acpi, &physical, NULL, 0);
}

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

#define MADT_MAX 20000u

static int madt_with(const uint8_t *entries, uint32_t len)
{
	static const uint64_t tables[] = {0x20000};
	uint8_t body[8 + MADT_MAX] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0};

	assert_true(len <= MADT_MAX);
	memcpy(body + 8, entries, len);
	put_table(0x20000, "APIC", body, 8 + len);
	assert_int_equal(init_with(tables, 1), 0);
	return acpi_read_madt(&acpi, &madt);
}

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

/* --- FADT and \_S5
 * -------------------------------------------------------------------------------- */

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
	static const uint64_t tables[] = {0x20000, 0x31000};

	put_table(0x20000, "FACP", fadt_body, length - 36);
	assert_int_equal(init_with(tables, memory[0x31000] ? 2 : 1), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_xsdt_and_lookup),
		TEST(test_rsdt),
		TEST(test_search),
		TEST(test_bad_root_pointers),
		TEST(test_bad_tables_are_refused_one_by_one),
		TEST(test_too_many_tables),
		TEST(test_madt),
		TEST(test_madt_entries_are_refused),
		TEST(test_madt_capacities),
		TEST(test_no_madt),
		TEST(test_fadt),
		TEST(test_fadt_extended),
		TEST(test_fadt_short_and_absent),
		TEST(test_s5_encodings),
		TEST(test_s5_hostile),
		TEST(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
