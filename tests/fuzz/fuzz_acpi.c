/* ACPI tables: the input says which tables there are and what is in them; their lengths and sums
 * are put right unless it says not to. Each is a malloc of its own. */
#include "drivers/acpi.h"
#include "fuzz.h"
#include "lib/checked.h"

#define TABLES_MAX 8u
#define TABLE_MAX  512u

static struct {
	uint64_t hpa;
	size_t len;
	uint8_t *bytes;
} table[TABLES_MAX];
static unsigned count;

static const void *map(void *ctx, uint64_t hpa, uint64_t len)
{
	(void)ctx;
	for (unsigned i = 0; i < count; i++)
		if (range_is_inside(hpa, len, table[i].hpa, table[i].len))
			return table[i].bytes + (hpa - table[i].hpa);
	return NULL;
}

static const struct acpi_memory memory = {.map = map};
static struct acpi acpi;
static struct acpi_madt madt;
static struct acpi_fadt fadt;

static void fix_sum(uint8_t *bytes, size_t len, size_t at)
{
	uint8_t sum = 0;

	bytes[at] = 0;
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[at] = (uint8_t)-sum;
}

/* Tables are at multiples of 4 KiB from 1 MiB on, so that pointers in them are easily right. */
static void put_table(struct input *in)
{
	static const char signatures[8][4] = {"APIC", "FACP", "DSDT", "SSDT",
					      "XSDT", "RSDT", "HPET", "\0\xff  "};
	uint8_t what = take8(in);
	size_t len = MIN(take16(in) % TABLE_MAX, MAX(in->left, (size_t)1));
	size_t whole = sizeof(struct acpi_header) + len;
	struct acpi_header h = {.length = (uint32_t)whole, .revision = take8(in)};
	uint8_t *bytes = malloc(whole);

	memcpy(h.signature, signatures[what & 7], 4);
	if (what & 0x40)
		h.length = take32(in);
	memcpy(bytes, &h, sizeof(h));
	take_bytes(in, bytes + sizeof(h), len);
	if (!(what & 0x80))
		fix_sum(bytes, whole, offsetof(struct acpi_header, checksum));
	table[count].hpa = MIB(1) + count * 4096ull;
	table[count].len = whole;
	table[count++].bytes = bytes;
}

static void check(void)
{
	REQUIRE(acpi.count <= ACPI_TABLES_MAX);
	for (uint32_t i = 0; i < acpi.count; i++)
		REQUIRE(acpi.table[i] && acpi.table[i]->length >= sizeof(struct acpi_header));
	if (!acpi_read_madt(&acpi, &madt)) {
		REQUIRE(madt.cpu_count <= MAX_PCPUS && madt.ioapic_count <= ACPI_IOAPICS_MAX);
		REQUIRE(madt.override_count <= ACPI_OVERRIDES_MAX);
		REQUIRE(madt.lapic_nmi_count <= ACPI_NMIS_MAX);
		REQUIRE(madt.nmi_source_count <= ACPI_NMIS_MAX);
		for (uint32_t i = 0; i < madt.cpu_count; i++)
			for (uint32_t k = 0; k < i; k++)
				REQUIRE(madt.cpu[i].apic_id != madt.cpu[k].apic_id);
	}
	if (!acpi_read_fadt(&acpi, &fadt) && fadt.has_s5)
		REQUIRE(fadt.s5_slp_typ_a < 8 && fadt.s5_slp_typ_b < 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = take8(&in), revision = take8(&in);
	uint32_t rsdt = (uint32_t)MIB(1) + (uint32_t)(how & 7) * 4096, length = 36;
	uint64_t xsdt = MIB(1) + (uint64_t)(how >> 3 & 7) * 4096;
	uint8_t rsdp[36] = "RSD PTR ";

	count = 0;
	while (in.left && count < TABLES_MAX)
		put_table(&in);
	rsdp[15] = revision;
	memcpy(rsdp + 16, &rsdt, 4);
	memcpy(rsdp + 20, &length, 4);
	memcpy(rsdp + 24, &xsdt, 8);
	fix_sum(rsdp, 20, 8);
	fix_sum(rsdp, 36, 32);
	if (!acpi_init(&acpi, &memory, rsdp, how & 0x40 ? 20 : 36))
		check();
	for (unsigned i = 0; i < count; i++)
		free(table[i].bytes);
	return 0;
}
