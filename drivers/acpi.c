/* The ACPI tables: found, and checked byte by byte. */
#include "drivers/acpi_internal.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"

#define TABLE_LENGTH_MAX MIB(16)

/* 'Root System Description Pointer (RSDP)'. */
struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first RSDP_V1_SIZE bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	/* Revision 2 and later: */
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum; /* of `length` bytes */
	uint8_t reserved[3];
} __packed;

#define RSDP_V1_SIZE 20u

static const void *map_bytes(const struct acpi_memory *memory, uint64_t hpa, uint64_t len)
{
	return memory->map(memory->ctx, hpa, len);
}

static bool is_sum_zero(const void *data, uint64_t len)
{
	uint8_t sum = 0;

	for (const uint8_t *p = data; len--; p++)
		sum = (uint8_t)(sum + *p);
	return !sum;
}

static bool is_rsdp(const void *data, uint64_t len)
{
	return len >= RSDP_V1_SIZE && !memcmp(data, "RSD PTR ", 8) &&
	       is_sum_zero(data, RSDP_V1_SIZE);
}

/* --- the root pointer
 * ----------------------------------------------------------------------------- */

static bool search_rsdp(const struct acpi_memory *memory, uint64_t from, uint64_t len,
			uint64_t *hpa)
{
	const uint8_t *area = map_bytes(memory, from, len);

	for (uint64_t at = 0; area && at < len; at += 16)
		if (is_rsdp(area + at, len - at)) {
			*hpa = from + at;
			return true;
		}
	return false;
}

bool acpi_find_rsdp(const struct acpi_memory *memory, uint64_t *hpa)
{
	const void *bda = map_bytes(memory, 0x40e, sizeof(uint16_t));
	uint16_t segment = 0;
	uint64_t ebda;

	if (bda)
		memcpy(&segment, bda, sizeof(segment));
	ebda = (uint64_t)segment << 4;
	if (ebda >= 0x80000 && ebda < 0xa0000 && search_rsdp(memory, ebda, KIB(1), hpa))
		return true;
	return search_rsdp(memory, 0xe0000, 0x20000, hpa);
}

const struct acpi_header *acpi_check_table(const struct acpi_memory *memory, uint64_t hpa)
{
	const struct acpi_header *h = map_bytes(memory, hpa, sizeof(*h));
	char name[sizeof(h->signature) + 1] = "";
	uint32_t length;

	if (!h) {
		log_warn("ACPI: a table at 0x%llx is not in memory and is ignored: " REMEDY,
			 (unsigned long long)hpa);
		return NULL;
	}
	for (unsigned i = 0; i < sizeof(h->signature); i++)
		name[i] = (char)(h->signature[i] >= ' ' && h->signature[i] <= '~' ? h->signature[i]
										  : '?');
	length = h->length;
	if (length < sizeof(*h) || length > TABLE_LENGTH_MAX ||
	    !(h = map_bytes(memory, hpa, length))) {
		log_warn("ACPI: table %s at 0x%llx has an impossible length (%u) and is "
			 "ignored: " REMEDY,
			 name, (unsigned long long)hpa, length);
		return NULL;
	}
	if (!is_sum_zero(h, length)) {
		log_warn("ACPI: table %s at 0x%llx has a wrong checksum and is ignored: " REMEDY,
			 name, (unsigned long long)hpa);
		return NULL;
	}
	return h;
}

/* Adds the tables that an XSDT (`width` 8) or RSDT (4) lists. False: no such root table. */
static bool root_read(struct acpi *acpi, uint64_t hpa, const char *signature, uint32_t width)
{
	const struct acpi_header *root = hpa ? acpi_check_table(&acpi->memory, hpa) : NULL;
	uint32_t entries;

	if (!root)
		return false;
	if (memcmp(root->signature, signature, 4) != 0) {
		log_warn("ACPI: the root pointer leads to a table that is no %s: " REMEDY,
			 signature);
		return false;
	}
	entries = (root->length - (uint32_t)sizeof(*root)) / width;
	for (uint32_t i = 0; i < entries; i++) {
		const struct acpi_header *table;
		uint64_t entry = 0;

		if (acpi->count == ACPI_TABLES_MAX) {
			log_warn("ACPI: more than %u tables; the rest is ignored: " REMEDY,
				 ACPI_TABLES_MAX);
			break;
		}
		memcpy(&entry, (const uint8_t *)(root + 1) + (uint64_t)i * width, width);
		table = acpi_check_table(&acpi->memory, entry);
		if (table)
			acpi->table[acpi->count++] = table;
	}
	return true;
}

static bool rsdp_read(struct acpi *acpi, const void *data, uint64_t len)
{
	struct rsdp rsdp = {0};

	if (!data || !is_rsdp(data, len))
		return false;
	memcpy(&rsdp, data, MIN(len, sizeof(rsdp)));
	acpi->revision = rsdp.revision;
	if (rsdp.revision >= 2) {
		if (rsdp.length < sizeof(rsdp) || rsdp.length > len ||
		    !is_sum_zero(data, rsdp.length))
			log_warn("ACPI: the root pointer's extended part is damaged; its RSDT is "
				 "used: " REMEDY);
		else if (root_read(acpi, rsdp.xsdt, "XSDT", sizeof(uint64_t)))
			return true;
	}
	return root_read(acpi, rsdp.rsdt, "RSDT", sizeof(uint32_t));
}

int acpi_init(struct acpi *acpi, const struct acpi_memory *memory, const void *rsdp, uint32_t len)
{
	uint64_t hpa;

	*acpi = (struct acpi){.memory = *memory};
	if (rsdp_read(acpi, rsdp, len))
		return 0;
	if (rsdp)
		log_warn("ACPI: the boot loader's copy of the root pointer is unusable; searching "
			 "memory for another");
	if (acpi_find_rsdp(memory, &hpa)) {
		const void *found = map_bytes(memory, hpa, sizeof(struct rsdp));

		if (found ? rsdp_read(acpi, found, sizeof(struct rsdp))
			  : rsdp_read(acpi, map_bytes(memory, hpa, RSDP_V1_SIZE), RSDP_V1_SIZE))
			return 0;
	}
	log_warn("ACPI: no usable root table, so CPUs must be searched for, and power-off is not "
		 "known: enable ACPI in the firmware or update it");
	return -ENOENT;
}

const struct acpi_header *acpi_table(const struct acpi *acpi, const char *signature, unsigned index)
{
	for (uint32_t i = 0; i < acpi->count; i++)
		if (!memcmp(acpi->table[i]->signature, signature, 4) && !index--)
			return acpi->table[i];
	return NULL;
}
