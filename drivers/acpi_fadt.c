/* The FADT, and \_S5. No AML interpreter: \_S5 is a constant package and is read by its encoding
 * ('Data Objects Encoding'). */
#include "drivers/acpi_internal.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"

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
	const struct acpi_header *table = hpa ? acpi_check_table(&acpi->memory, hpa) : NULL;

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
