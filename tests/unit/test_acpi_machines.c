/* The ACPI tables of QEMU's and Bochs' machines, as their firmware left them
 * (tests/fixtures/collect-acpi): what is read from each, and that each table with a wrong byte is
 * refused alone and by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/acpi.h"
#include "fakes/log.h"
#include "lib/checked.h"

#define REGIONS_MAX 32u
#define LINE_BYTES  32u

/* Mallocs of their own: a read behind a table's end is the sanitizer's. */
static struct region {
	uint64_t hpa, len;
	uint8_t *bytes;
} region[REGIONS_MAX];
static unsigned region_count;

static struct acpi acpi;
static struct acpi_madt madt;
static struct acpi_fadt fadt;

static const void *map(void *ctx, uint64_t hpa, uint64_t len)
{
	(void)ctx;
	for (unsigned i = 0; i < region_count; i++)
		if (range_is_inside(hpa, len, region[i].hpa, region[i].len))
			return region[i].bytes + (hpa - region[i].hpa);
	return NULL;
}

static const struct acpi_memory memory = {.map = map};

/* A table adjoins the one before it, now and then: its length tells where that ends. */
static bool is_complete(const struct region *r)
{
	uint32_t length;

	if (r->len % LINE_BYTES)
		return true;
	memcpy(&length, r->bytes + 4, sizeof(length));
	return r->len == length;
}

static void add_bytes(uint64_t hpa, const char *hex)
{
	struct region *r = region_count ? &region[region_count - 1] : NULL;
	uint64_t len = strspn(hex, "0123456789abcdef") / 2;

	if (!r || hpa != r->hpa + r->len || is_complete(r)) {
		assert_true(region_count < REGIONS_MAX);
		r = &region[region_count++];
		*r = (struct region){.hpa = hpa};
	}
	r->bytes = realloc(r->bytes, r->len + len);
	for (uint64_t i = 0; i < len; i++, hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		r->bytes[r->len++] = (uint8_t)byte;
	}
}

static void load(const char *name)
{
	char path[100], line[1000];
	FILE *file;

	snprintf(path, sizeof(path), "tests/fixtures/acpi/%s.hex", name);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *hex;
		uint64_t hpa = strtoull(line, &hex, 16);

		if (line[0] != '#')
			add_bytes(hpa, hex + 1);
	}
	fclose(file);
	fake_log_clear();
}

static int unload(void **state)
{
	(void)state;
	while (region_count)
		free(region[--region_count].bytes);
	memset(region, 0, sizeof(region));
	return 0;
}

static int init(void)
{
	return acpi_init(&acpi, &memory, region[0].bytes, (uint32_t)region[0].len);
}

static const struct machine {
	const char *name;
	uint8_t revision;
	uint32_t cpus, ioapics;
	uint64_t pm1a; /* 0: hardware-reduced */
	uint64_t reset;
} machines[] = {
	{.name = "pc-1", .cpus = 1, .ioapics = 1, .pm1a = 0x604},
	{.name = "q35-8", .cpus = 8, .ioapics = 1, .pm1a = 0x604, .reset = 0xcf9},
	{.name = "q35-255", .cpus = 255, .ioapics = 1, .pm1a = 0x604, .reset = 0xcf9},
	{.name = "q35-numa", .cpus = 4, .ioapics = 1, .pm1a = 0x604, .reset = 0xcf9},
	{.name = "q35-900g", .cpus = 2, .ioapics = 1, .pm1a = 0x604, .reset = 0xcf9},
	{.name = "microvm-2", .revision = 2, .cpus = 2, .ioapics = 2, .reset = 0xfea00202},
	{.name = "q35-ovmf-2", .cpus = 2, .ioapics = 1, .pm1a = 0x604, .reset = 0xcf9},
	{.name = "bochs-1", .cpus = 1, .ioapics = 1, .pm1a = 0xb004},
	{.name = "bochs-8", .cpus = 8, .ioapics = 1, .pm1a = 0xb004},
};

static void test_machines(void **state)
{
	(void)state;
	for (const struct machine *m = machines; m < machines + ARRAY_SIZE(machines); m++) {
		uint32_t enabled = 0;

		load(m->name);
		assert_int_equal(init(), 0);
		assert_int_equal(acpi.revision, m->revision);
		assert_int_equal(acpi_read_madt(&acpi, &madt), 0);
		assert_int_equal(acpi_read_fadt(&acpi, &fadt), 0);
		for (uint32_t i = 0; i < madt.cpu_count; i++)
			enabled += madt.cpu[i].is_enabled;
		assert_int_equal(enabled, m->cpus);
		assert_int_equal(madt.ioapic_count, m->ioapics);
		assert_int_equal(madt.lapic_address, 0xfee00000);
		assert_int_equal(fadt.is_hw_reduced, !m->pm1a);
		assert_int_equal(fadt.pm1a_control.address, m->pm1a);
		assert_int_equal(fadt.has_reset, m->reset != 0);
		assert_int_equal(fadt.reset.address, m->reset);
		assert_string_equal(fake_log_text(), "");
		unload(NULL);
	}
}

/* One wrong byte a time, in each table but the root: the others are read all the same. */
static void test_each_broken_table_is_named(void **state)
{
	(void)state;
	for (const struct machine *m = machines; m < machines + ARRAY_SIZE(machines); m++) {
		uint32_t good;

		load(m->name);
		assert_int_equal(init(), 0);
		good = acpi.count;
		for (unsigned i = 2; i < region_count; i++) {
			struct region *r = &region[i];
			char text[40];

			/* The FADT leads to the DSDT, which no root table lists. */
			if (!memcmp(r->bytes, "DSDT", 4))
				continue;
			snprintf(text, sizeof(text), "table %.4s at", (char *)r->bytes);
			/* Behind signature and length. */
			for (uint64_t at = 8; at < r->len; at += 13) {
				fake_log_clear();
				r->bytes[at] ^= 0x10;
				assert_int_equal(init(), 0);
				assert_int_equal(acpi.count, good - 1);
				assert_int_equal(fake_log_count(text), 1);
				r->bytes[at] ^= 0x10;
			}
		}
		unload(NULL);
	}
}

/* No byte of a table, the length included, leads out of what is there. */
static void test_lengths_and_pointers(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0xff};

	(void)state;
	for (const struct machine *m = machines; m < machines + ARRAY_SIZE(machines); m++) {
		load(m->name);
		for (unsigned i = 0; i < region_count; i++) {
			for (uint64_t at = 0; at < MIN(region[i].len, (uint64_t)160); at++) {
				uint8_t was = region[i].bytes[at];

				for (unsigned v = 0; v < sizeof(values); v++) {
					region[i].bytes[at] = values[v];
					if (init())
						continue;
					(void)!acpi_read_madt(&acpi, &madt);
					(void)!acpi_read_fadt(&acpi, &fadt);
				}
				region[i].bytes[at] = was;
			}
		}
		unload(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_machines, unload),
		cmocka_unit_test_teardown(test_each_broken_table_is_named, unload),
		cmocka_unit_test_teardown(test_lengths_and_pointers, unload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
