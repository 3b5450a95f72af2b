/* What the tests of the ACPI tables share: tables built by hand in a small physical memory. */
#ifndef UNIT_ACPI_RIG_H
#define UNIT_ACPI_RIG_H

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

static inline const void *map(void *ctx, uint64_t hpa, uint64_t len)
{
	assert_ptr_equal(ctx, &memory);
	return hpa >= 0x400 && range_is_inside(hpa, len, 0, MEMORY_SIZE) ? memory + hpa : NULL;
}

static const struct acpi_memory physical = {.map = map, .ctx = &memory};
static struct acpi acpi;
static struct acpi_madt madt;

static inline int setup(void **state)
{
	(void)state;
	memory = calloc(1, MEMORY_SIZE);
	fake_log_clear();
	return memory ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static inline void fix_sum(uint8_t *bytes, uint32_t len, uint32_t at)
{
	uint8_t sum = 0;

	bytes[at] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[at] = (uint8_t)-sum;
}

/* A table with its header, at `hpa`. */
static inline uint8_t *put_table(uint32_t hpa, const char *signature, const void *body,
				 uint32_t len)
{
	struct acpi_header h = {.length = (uint32_t)sizeof(h) + len, .revision = 1};

	memcpy(h.signature, signature, 4);
	memcpy(memory + hpa, &h, sizeof(h));
	if (len)
		memcpy(memory + hpa + sizeof(h), body, len);
	fix_sum(memory + hpa, h.length, offsetof(struct acpi_header, checksum));
	return memory + hpa;
}

static inline void put_rsdp(uint8_t *p, uint8_t revision, uint32_t rsdt, uint64_t xsdt)
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
static inline int init_with(const uint64_t *tables, uint32_t n)
{
	put_table(0x10000, "XSDT", tables, n * 8);
	put_rsdp(memory + 0xe0000, 2, 0, 0x10000);
	return acpi_init(&acpi, &physical, NULL, 0);
}

#define MADT_MAX 20000u

static inline int madt_with(const uint8_t *entries, uint32_t len)
{
	static const uint64_t tables[] = {0x20000};
	uint8_t body[8 + MADT_MAX] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0};

	assert_true(len <= MADT_MAX);
	memcpy(body + 8, entries, len);
	put_table(0x20000, "APIC", body, 8 + len);
	assert_int_equal(init_with(tables, 1), 0);
	return acpi_read_madt(&acpi, &madt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
