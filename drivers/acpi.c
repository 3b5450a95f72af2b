/* The ACPI tables: found, checked byte by byte, and read out into plain structures. No AML
 * interpreter:
 * \_S5 is a constant package and is read by its encoding ('Data Objects Encoding'). */
#include "drivers/acpi.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"

#define TABLE_LENGTH_MAX MIB(16)
#define REMEDY           "update the firmware"

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

/* The table at `hpa` when all of it can be trusted to be there and unharmed, else NULL. */
static const struct acpi_header *table_check(const struct acpi_memory *memory, uint64_t hpa)
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
	const struct acpi_header *root = hpa ? table_check(&acpi->memory, hpa) : NULL;
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
		table = table_check(&acpi->memory, entry);
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

/* --- the MADT
 * ------------------------------------------------------------------------------------- */

/* 'Multiple APIC Description Table (MADT)': interrupt controller structures follow. */
struct madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
} __packed;

#define MADT_PCAT_COMPAT    BIT(0)
#define MADT_ENABLED        BIT(0)
#define MADT_ONLINE_CAPABLE BIT(1)

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_NMI_SOURCE = 3,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

/* The structures, each behind the two bytes type and length. */
union madt_entry {
	struct {
		uint8_t uid, apic_id;
		uint32_t flags;
	} __packed lapic;
	struct {
		uint8_t id, reserved;
		uint32_t address, gsi_base;
	} __packed ioapic;
	struct {
		uint8_t bus, source;
		uint32_t gsi;
		uint16_t flags;
	} __packed override;
	struct {
		uint16_t flags;
		uint32_t gsi;
	} __packed nmi_source;
	struct {
		uint8_t uid;
		uint16_t flags;
		uint8_t lint;
	} __packed lapic_nmi;
	struct {
		uint16_t reserved;
		uint64_t address;
	} __packed lapic_address;
	struct {
		uint16_t reserved;
		uint32_t apic_id, flags, uid;
	} __packed x2apic;
	struct {
		uint16_t flags;
		uint32_t uid;
		uint8_t lint;
		uint8_t reserved[3];
	} __packed x2apic_nmi;
};

/* What an entry of each type holds; 0 for the types that do not matter here. */
static const uint8_t madt_entry_size[] = {
	[MADT_LAPIC] = sizeof(((union madt_entry *)0)->lapic),
	[MADT_IOAPIC] = sizeof(((union madt_entry *)0)->ioapic),
	[MADT_OVERRIDE] = sizeof(((union madt_entry *)0)->override),
	[MADT_NMI_SOURCE] = sizeof(((union madt_entry *)0)->nmi_source),
	[MADT_LAPIC_NMI] = sizeof(((union madt_entry *)0)->lapic_nmi),
	[MADT_LAPIC_ADDRESS] = sizeof(((union madt_entry *)0)->lapic_address),
	[MADT_X2APIC] = sizeof(((union madt_entry *)0)->x2apic),
	[MADT_X2APIC_NMI] = sizeof(((union madt_entry *)0)->x2apic_nmi),
};

static void madt_add_cpu(struct acpi_madt *madt, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	bool is_enabled = flags & MADT_ENABLED;

	if (!(flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE)))
		return;
	/* Firmware may list a CPU both as local APIC and as x2APIC. */
	for (uint32_t i = 0; i < madt->cpu_count; i++)
		if (madt->cpu[i].apic_id == apic_id) {
			madt->cpu[i].is_enabled |= is_enabled;
			return;
		}
	if (madt->cpu_count == MAX_PCPUS)
		madt->cpus_left_out++;
	else
		madt->cpu[madt->cpu_count++] = (struct acpi_cpu){apic_id, uid, is_enabled};
}

static bool madt_add_lapic_nmi(struct acpi_madt *madt, uint32_t uid, uint16_t flags, uint8_t lint)
{
	if (lint > 1 || madt->lapic_nmi_count == ACPI_NMIS_MAX)
		return false;
	madt->lapic_nmi[madt->lapic_nmi_count++] = (struct acpi_lapic_nmi){uid, flags, lint};
	return true;
}

/* False: malformed, or more of its type than there is room for. */
static bool madt_add_entry(struct acpi_madt *madt, enum madt_type type, const union madt_entry *e)
{
	switch (type) {
	case MADT_LAPIC:
		/* 0xff is the broadcast address, and how firmware marks an empty place. */
		if (e->lapic.apic_id != UINT8_MAX)
			madt_add_cpu(madt, e->lapic.apic_id, e->lapic.uid, e->lapic.flags);
		return true;
	case MADT_X2APIC:
		if (e->x2apic.apic_id != UINT32_MAX)
			madt_add_cpu(madt, e->x2apic.apic_id, e->x2apic.uid, e->x2apic.flags);
		return true;
	case MADT_IOAPIC:
		if (!e->ioapic.address || madt->ioapic_count == ACPI_IOAPICS_MAX)
			return false;
		madt->ioapic[madt->ioapic_count++] =
			(struct acpi_ioapic){e->ioapic.id, e->ioapic.address, e->ioapic.gsi_base};
		return true;
	case MADT_OVERRIDE:
		/* Bus 0 is ISA, with 16 interrupts. */
		if (e->override.bus || e->override.source > 15 ||
		    madt->override_count == ACPI_OVERRIDES_MAX)
			return false;
		madt->override[madt->override_count++] = (struct acpi_override){
			e->override.source, e->override.gsi, e->override.flags};
		return true;
	case MADT_NMI_SOURCE:
		if (madt->nmi_source_count == ACPI_NMIS_MAX)
			return false;
		madt->nmi_source[madt->nmi_source_count++] =
			(struct acpi_nmi_source){e->nmi_source.gsi, e->nmi_source.flags};
		return true;
	case MADT_LAPIC_NMI:
		return madt_add_lapic_nmi(
			madt, e->lapic_nmi.uid == UINT8_MAX ? ACPI_UID_ALL : e->lapic_nmi.uid,
			e->lapic_nmi.flags, e->lapic_nmi.lint);
	case MADT_X2APIC_NMI:
		return madt_add_lapic_nmi(madt, e->x2apic_nmi.uid, e->x2apic_nmi.flags,
					  e->x2apic_nmi.lint);
	case MADT_LAPIC_ADDRESS:
		madt->lapic_address = e->lapic_address.address;
		return true;
	default:
		return true;
	}
}

int acpi_read_madt(const struct acpi *acpi, struct acpi_madt *madt)
{
	const struct acpi_header *table = acpi_table(acpi, "APIC", 0);
	const uint8_t *bytes = (const uint8_t *)table;
	struct log_limit limit = {0};
	struct madt head;

	memset(madt, 0, sizeof(*madt));
	if (!table || table->length < sizeof(head))
		return -ENOENT;
	memcpy(&head, table, sizeof(head));
	madt->lapic_address = head.lapic_address;
	madt->has_8259 = head.flags & MADT_PCAT_COMPAT;
	for (uint32_t at = sizeof(head), size; at < table->length; at += size) {
		uint32_t left = table->length - at, need;
		union madt_entry entry = {0};

		size = left >= 2 ? bytes[at + 1] : 0;
		if (size < 2 || size > left) {
			log_warn("ACPI: the MADT's entry at byte %u leaves the table; the rest is "
				 "ignored: " REMEDY,
				 at);
			break;
		}
		need = bytes[at] < ARRAY_SIZE(madt_entry_size) ? madt_entry_size[bytes[at]] : 0;
		memcpy(&entry, bytes + at + 2, MIN(need, size - 2));
		if (need > size - 2 || !madt_add_entry(madt, bytes[at], &entry))
			log_limited(&limit,
				    "ACPI: the MADT's entry of type %u at byte %u is malformed or "
				    "one too many and is ignored: " REMEDY,
				    bytes[at], at);
	}
	if (madt->cpus_left_out)
		log_warn("ACPI: %u CPUs are left out: Carousel is built for %u (MAX_PCPUS)",
			 madt->cpus_left_out, MAX_PCPUS);
	return 0;
}

/* --- the FADT
 * ------------------------------------------------------------------------------------- */

/* 'Fixed ACPI Description Table (FADT)', up to the last field that is read. */
struct fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, preferred_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t lengths_and_latencies[24];
	uint32_t flags;
	struct acpi_gas reset;
	uint8_t reset_value;
	uint8_t arm_boot_arch[2], minor;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt;
} __packed;

_Static_assert(offsetof(struct fadt, flags) == 112 && offsetof(struct fadt, x_pm1b_cnt) == 184,
	       "the FADT's layout");

#define FADT_V1_SIZE       116u
#define FADT_RESET_REG_SUP BIT(10)
#define FADT_HW_REDUCED    BIT(20)

/* Is it a whole register of `bits` bits at an address that its space has? */
static bool is_register(const struct acpi_gas *gas, unsigned bits)
{
	if (!gas->address || gas->bit_offset || gas->bit_width < bits)
		return false;
	if (gas->space == ACPI_SPACE_IO)
		return range_is_inside(gas->address, bits / 8, 0, 0x10000);
	return gas->space == ACPI_SPACE_MEMORY || gas->space == ACPI_SPACE_PCI;
}

/* A PM1 control register: the extended address where it makes sense, else the I/O port. */
static struct acpi_gas pm1_control(const struct acpi_gas *extended, uint32_t port)
{
	struct acpi_gas gas = {
		.space = ACPI_SPACE_IO, .bit_width = 16, .access_size = 2, .address = port};

	if (is_register(extended, 16))
		return *extended;
	return is_register(&gas, 16) ? gas : (struct acpi_gas){0};
}

/* An integer constant of AML: ZeroOp, OneOp, or a byte, word or double word behind its prefix. */
static bool aml_integer(const uint8_t **p, const uint8_t *end, uint32_t *value)
{
	uint8_t op;
	uint32_t size;

	if (*p >= end)
		return false;
	op = *(*p)++;
	*value = op;
	if (op <= 1)
		return true;
	if (op < 0x0a || op > 0x0c)
		return false;
	size = 1u << (op - 0x0a);
	if (size > (size_t)(end - *p))
		return false;
	*value = 0;
	memcpy(value, *p, size);
	*p += size;
	return true;
}

/* Reads PackageOp PkgLength NumElements SLP_TYPa SLP_TYPb at `p`. */
static bool s5_read_package(const uint8_t *p, const uint8_t *end, struct acpi_fadt *fadt)
{
	uint32_t a, b, follow, len, elements;
	const uint8_t *start;

	if (end - p < 4 || *p++ != 0x12)
		return false;
	/* 'Package Length Encoding': bits 7:6 of the lead byte tell how many bytes follow; with
	 * none its bits 5:0 are the length, else its bits 3:0 are the lowest. It counts its own
	 * bytes. */
	start = p;
	follow = *p >> 6;
	len = follow ? *p & 0xf : *p & 0x3f;
	p++;
	if ((size_t)(end - p) < follow + 1)
		return false;
	for (uint32_t i = 0; i < follow; i++)
		len |= (uint32_t)*p++ << (4 + 8 * i);
	if (len > (size_t)(end - start) || len < follow + 2)
		return false;
	end = start + len;
	elements = *p++;
	if (!elements || !aml_integer(&p, end, &a))
		return false;
	/* One element alone holds both, in its two low bytes. */
	b = a >> 8 & 0xff;
	if (elements == 1)
		a &= 0xff;
	else if (!aml_integer(&p, end, &b))
		return false;
	if (a > 7 || b > 7)
		return false;
	fadt->has_s5 = true;
	fadt->s5_slp_typ_a = (uint8_t)a;
	fadt->s5_slp_typ_b = (uint8_t)b;
	return true;
}

/* Looks for Name (\_S5, Package ...) in a definition block: NameOp, an optional root character, the
 * name. */
static bool s5_find(const struct acpi_header *table, struct acpi_fadt *fadt)
{
	const uint8_t *start = (const uint8_t *)(table + 1);
	const uint8_t *end = (const uint8_t *)table + table->length;

	for (const uint8_t *p = start; end - p >= 5; p++) {
		const uint8_t *name = p + 1;

		if (*p != 0x08)
			continue;
		name += *name == '\\';
		if (end - name >= 4 && !memcmp(name, "_S5_", 4) &&
		    s5_read_package(name + 4, end, fadt))
			return true;
	}
	return false;
}

static void s5_read(const struct acpi *acpi, const struct fadt *f, struct acpi_fadt *fadt)
{
	uint64_t hpa = f->x_dsdt ? f->x_dsdt : f->dsdt;
	const struct acpi_header *table = hpa ? table_check(&acpi->memory, hpa) : NULL;

	if (table && !memcmp(table->signature, "DSDT", 4) && s5_find(table, fadt))
		return;
	for (unsigned i = 0; (table = acpi_table(acpi, "SSDT", i)); i++)
		if (s5_find(table, fadt))
			return;
	log_warn("ACPI: no \\_S5 in the DSDT or an SSDT, so power-off is not possible: " REMEDY);
}

int acpi_read_fadt(const struct acpi *acpi, struct acpi_fadt *fadt)
{
	const struct acpi_header *table = acpi_table(acpi, "FACP", 0);
	struct fadt f = {0};

	memset(fadt, 0, sizeof(*fadt));
	if (!table || table->length < FADT_V1_SIZE)
		return -ENOENT;
	/* What an older, shorter table does not have stays zero. */
	memcpy(&f, table, MIN((size_t)table->length, sizeof(f)));
	fadt->sci_irq = f.sci_int;
	fadt->smi_cmd = f.smi_cmd;
	fadt->acpi_enable = f.acpi_enable;
	fadt->is_hw_reduced = f.flags & FADT_HW_REDUCED;
	if (!fadt->is_hw_reduced) {
		fadt->pm1a_control = pm1_control(&f.x_pm1a_cnt, f.pm1a_cnt);
		fadt->pm1b_control = pm1_control(&f.x_pm1b_cnt, f.pm1b_cnt);
	}
	fadt->has_reset = (f.flags & FADT_RESET_REG_SUP) && is_register(&f.reset, 8);
	if (fadt->has_reset) {
		fadt->reset = f.reset;
		fadt->reset_value = f.reset_value;
	}
	s5_read(acpi, &f, fadt);
	return 0;
}
