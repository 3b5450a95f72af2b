/* The guest's ACPI tables: what they say is what devices/ answers. */
#include "loader/acpi.h"
#include "devices/acpi_pm.h"
#include "devices/hpet.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "loader/acpi_pci.h"
#include "loader/acpi_tables.h"

#define RESET_PORT      0xcf9u
#define RESET_VALUE     6u
#define RTC_CENTURY     0x32u /* the CMOS byte */
#define PM1_EVT_LEN     4u
#define PM1_CNT_LEN     2u
#define PM_TMR_LEN      4u
#define IOAPIC_ID       0u
#define TIMER_GSI       2u /* where the PIT's IRQ 0 arrives at the IOAPIC */
#define LINT_NMI        1u
#define FACS_ALIGNMENT  64u
#define TABLE_ALIGNMENT 16u

/* The DSDT's AML (PCI's is in acpi_pci.c), as the compiler of this source gives it:
 *
 *   Name (\_S5, Package () {5, 5})
 *   Scope (\_SB) {
 *       Device (COM1) {
 *           Name (_HID, EisaId ("PNP0501"))
 *           Name (_UID, 1)
 *           Name (_CRS, ResourceTemplate () {
 *               IO (Decode16, 0x3f8, 0x3f8, 1, 8)
 *               IRQNoFlags () {4}
 *           })
 *       }
 *   }
 */
/* clang-format off */
static const uint8_t dsdt_aml[] = {
	0x08, '\\', '_', 'S', '5', '_', /* NameOp \_S5_ */
	0x12, 0x06, 0x02,		/* PackageOp, 6 bytes, 2 elements */
	0x0a, ACPI_PM_S5_SLEEP_TYPE,	/* a byte: SLP_TYPa */
	0x0a, ACPI_PM_S5_SLEEP_TYPE,	/* and SLP_TYPb */
	0x10, 0x33, '\\', '_', 'S', 'B', '_', /* ScopeOp, 51 bytes, \_SB_ */
	0x5b, 0x82, 0x2b, 'C', 'O', 'M', '1', /* DeviceOp, 43 bytes, COM1 */
	0x08, '_', 'H', 'I', 'D',	/* NameOp _HID */
	0x0c, 0x41, 0xd0, 0x05, 0x01,	/* a double word: PNP0501, compressed */
	0x08, '_', 'U', 'I', 'D', 0x01,	/* NameOp _UID: One */
	0x08, '_', 'C', 'R', 'S',	/* NameOp _CRS */
	0x11, 0x10, 0x0a, 0x0d,		/* BufferOp, 16 bytes; its size, a byte: 13 */
	0x47, 0x01, 0xf8, 0x03,		/* I/O port: 16-bit decode, minimum 0x3f8, */
	0xf8, 0x03, 0x01, 0x08,		/* maximum 0x3f8, alignment 1, 8 ports */
	0x22, 0x10, 0x00,		/* IRQ: the mask of IRQ 4 */
	0x79, 0x00,			/* end tag, no checksum */
};

/* The same for COM2, with UID 2 in a byte. */
static const uint8_t dsdt_com2[] = {
	0x10, 0x34, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x2c, 'C', 'O', 'M', '2',
	0x08, '_', 'H', 'I', 'D',
	0x0c, 0x41, 0xd0, 0x05, 0x01,
	0x08, '_', 'U', 'I', 'D', 0x0a, 0x02,
	0x08, '_', 'C', 'R', 'S',
	0x11, 0x10, 0x0a, 0x0d,
	0x47, 0x01, 0xf8, 0x02, 0xf8, 0x02, 0x01, 0x08,
	0x22, 0x08, 0x00,
	0x79, 0x00,
};

/* And fw_cfg:
 *
 *       Device (FWCF) {
 *           Name (_HID, "QEMU0002")
 *           Name (_CRS, ResourceTemplate () {IO (Decode16, 0x510, 0x510, 1, 12)})
 *       }
 */
static const uint8_t dsdt_fw_cfg[] = {
	0x10, 0x2f, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x27, 'F', 'W', 'C', 'F',
	0x08, '_', 'H', 'I', 'D',
	0x0d, 'Q', 'E', 'M', 'U', '0', '0', '0', '2', 0x00,
	0x08, '_', 'C', 'R', 'S',
	0x11, 0x0d, 0x0a, 0x0a,
	0x47, 0x01, 0x10, 0x05, 0x10, 0x05, 0x01, 0x0c,
	0x79, 0x00,
};
/* clang-format on */

/* A table on its way into guest memory: the checksum runs along. The first error stays. */
struct table {
	const struct gmem *gmem;
	uint64_t base, at; /* where it begins, where the next byte goes */
	uint8_t sum;
	int err;
};

static void put(struct table *t, const void *bytes, size_t len)
{
	if (t->err)
		return;
	if (!range_is_inside(t->at, len, GUEST_ACPI_BASE, GUEST_ACPI_SIZE)) {
		t->err = -ENOSPC;
		return;
	}
	t->err = gmem_write(t->gmem, GPA(t->at), bytes, len);
	for (size_t i = 0; i < len; i++)
		t->sum = (uint8_t)(t->sum + ((const uint8_t *)bytes)[i]);
	t->at += len;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = {
		.revision = revision,
		.oem_id = {'C', 'R', 'O', 'U', 'S', 'L'},
		.oem_table_id = {'C', 'A', 'R', 'O', 'U', 'S', 'E', 'L'},
		.oem_revision = 1,
		.creator_id = {'C', 'R', 'S', 'L'},
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

static void table_begin(struct table *t, uint64_t alignment)
{
	t->base = t->at = ALIGN_UP(t->at, alignment);
	t->sum = 0;
}

/* Fills in the length and the checksum, 'such that the entire table sums to zero'. */
static uint64_t table_end(struct table *t)
{
	uint32_t length = (uint32_t)(t->at - t->base);
	uint64_t end = t->at;

	t->at = t->base + offsetof(struct acpi_header, length);
	put(t, &length, sizeof(length));
	t->sum = (uint8_t)-t->sum;
	t->at = t->base + offsetof(struct acpi_header, checksum);
	put(t, &t->sum, sizeof(t->sum));
	t->at = end;
	return t->base;
}

static uint64_t put_dsdt(struct table *t)
{
	struct acpi_header h = header("DSDT", 2);

	table_begin(t, TABLE_ALIGNMENT);
	put(t, &h, sizeof(h));
	put(t, dsdt_aml, sizeof(dsdt_aml));
	put(t, dsdt_com2, sizeof(dsdt_com2));
	put(t, dsdt_fw_cfg, sizeof(dsdt_fw_cfg));
	put(t, acpi_pci_aml, acpi_pci_aml_len);
	return table_end(t);
}

static uint64_t put_facs(struct table *t)
{
	const struct acpi_facs facs = {
		.signature = {'F', 'A', 'C', 'S'}, .length = sizeof(facs), .version = 2};

	/* 'Aligned on a 64-byte boundary'; it has no checksum. */
	table_begin(t, FACS_ALIGNMENT);
	put(t, &facs, sizeof(facs));
	return t->base;
}

static struct acpi_gas io_register(uint32_t port, uint8_t bytes, uint8_t access_size)
{
	return (struct acpi_gas){.address_space_id = GAS_SYSTEM_IO,
				 .register_bit_width = (uint8_t)(bytes * 8),
				 .access_size = access_size,
				 .address = port};
}

static uint64_t put_fadt(struct table *t, uint64_t facs, uint64_t dsdt)
{
	const struct acpi_fadt fadt = {
		.header = header("FACP", 6),
		.firmware_ctrl = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.preferred_pm_profile = PM_PROFILE_ENTERPRISE_SERVER,
		.sci_int = GUEST_SCI_IRQ,
		.pm1a_evt_blk = GUEST_PM_BASE,
		.pm1a_cnt_blk = GUEST_PM_BASE + ACPI_PM_CONTROL,
		.pm_tmr_blk = GUEST_PM_BASE + ACPI_PM_TIMER,
		.pm1_evt_len = PM1_EVT_LEN,
		.pm1_cnt_len = PM1_CNT_LEN,
		.pm_tmr_len = PM_TMR_LEN,
		.p_lvl2_lat = P_LVL2_LAT_NONE,
		.p_lvl3_lat = P_LVL3_LAT_NONE,
		.century = RTC_CENTURY,
		.iapc_boot_arch = IAPC_LEGACY_DEVICES | IAPC_8042 | IAPC_VGA_NOT_PRESENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
			 FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		.reset_reg = io_register(RESET_PORT, 1, 1),
		.reset_value = RESET_VALUE,
		.fadt_minor_version = 0,
		.x_dsdt = dsdt,
		.x_pm1a_evt_blk = io_register(GUEST_PM_BASE, PM1_EVT_LEN, 2),
		.x_pm1a_cnt_blk = io_register(GUEST_PM_BASE + ACPI_PM_CONTROL, PM1_CNT_LEN, 2),
		.x_pm_tmr_blk = io_register(GUEST_PM_BASE + ACPI_PM_TIMER, PM_TMR_LEN, 3),
	};

	table_begin(t, TABLE_ALIGNMENT);
	put(t, &fadt, sizeof(fadt));
	return table_end(t);
}

static void put_madt_processor(struct table *t, uint32_t uid, uint32_t id)
{
	const struct madt_local_apic apic = {MADT_LOCAL_APIC, sizeof(apic), (uint8_t)uid,
					     (uint8_t)id, MADT_ENABLED};
	const struct madt_local_x2apic x2apic = {
		MADT_LOCAL_X2APIC, sizeof(x2apic), 0, id, MADT_ENABLED, uid};

	if (id < MADT_FIRST_X2APIC_ID)
		put(t, &apic, sizeof(apic));
	else
		put(t, &x2apic, sizeof(x2apic));
}

static void put_madt_interrupts(struct table *t, uint32_t last_id)
{
	const struct madt_io_apic io = {MADT_IO_APIC,      sizeof(io), IOAPIC_ID, 0,
					GUEST_IOAPIC_BASE, 0};
	const struct madt_interrupt_source_override timer = {
		MADT_INTERRUPT_SOURCE_OVERRIDE, sizeof(timer), 0, 0, TIMER_GSI, 0};
	const struct madt_interrupt_source_override sci = {
		MADT_INTERRUPT_SOURCE_OVERRIDE,       sizeof(sci), 0, GUEST_SCI_IRQ, GUEST_SCI_IRQ,
		MPS_INTI_ACTIVE_HIGH | MPS_INTI_LEVEL};
	const struct madt_local_apic_nmi nmi = {MADT_LOCAL_APIC_NMI, sizeof(nmi),
						MADT_ALL_PROCESSORS, 0, LINT_NMI};
	const struct madt_local_x2apic_nmi nmi2 = {MADT_LOCAL_X2APIC_NMI, sizeof(nmi2), 0,
						   MADT_ALL_X2APIC,       LINT_NMI,     {0}};

	put(t, &io, sizeof(io));
	put(t, &timer, sizeof(timer));
	put(t, &sci, sizeof(sci));
	put(t, &nmi, sizeof(nmi));
	if (last_id >= MADT_FIRST_X2APIC_ID)
		put(t, &nmi2, sizeof(nmi2));
}

static uint64_t put_madt(struct table *t, const struct guest_shape *shape)
{
	const struct acpi_madt madt = {header("APIC", 4), GUEST_LAPIC_BASE, MADT_PCAT_COMPAT};

	table_begin(t, TABLE_ALIGNMENT);
	put(t, &madt, sizeof(madt));
	for (uint32_t n = 0; n < shape->vcpus; n++)
		put_madt_processor(t, n, topology_apic_id(&shape->topology, n));
	put_madt_interrupts(t, topology_apic_id(&shape->topology, shape->vcpus - 1));
	return table_end(t);
}

static uint64_t put_hpet(struct table *t)
{
	const struct acpi_hpet hpet = {
		.header = header("HPET", 1),
		.event_timer_block_id = HPET_CAPABILITIES,
		.base_address = {.address_space_id = GAS_SYSTEM_MEMORY,
				 .register_bit_width = 64,
				 .address = HPET_BASE},
		.main_counter_minimum = HPET_MIN_TICKS,
	};

	table_begin(t, TABLE_ALIGNMENT);
	put(t, &hpet, sizeof(hpet));
	return table_end(t);
}

/* RSDT and XSDT hold the same addresses, in 4 and in 8 bytes. */
static uint64_t put_root(struct table *t, const char *signature, size_t entry_size,
			 const uint64_t *tables, uint32_t count)
{
	struct acpi_header h = header(signature, 1);

	table_begin(t, TABLE_ALIGNMENT);
	put(t, &h, sizeof(h));
	for (uint32_t i = 0; i < count; i++)
		put(t, &tables[i], entry_size);
	return table_end(t);
}

static uint8_t sum_to_zero(const void *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum - ((const uint8_t *)bytes)[i]);
	return sum;
}

static void put_rsdp(struct table *t, uint64_t rsdt, uint64_t xsdt)
{
	struct acpi_rsdp rsdp = {
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oemid = {'C', 'R', 'O', 'U', 'S', 'L'},
		.revision = 2,
		.rsdt_address = (uint32_t)rsdt,
		.length = sizeof(rsdp),
		.xsdt_address = xsdt,
	};

	rsdp.checksum = sum_to_zero(&rsdp, offsetof(struct acpi_rsdp, length));
	rsdp.extended_checksum = sum_to_zero(&rsdp, sizeof(rsdp));
	t->at = GUEST_ACPI_BASE;
	put(t, &rsdp, sizeof(rsdp));
}

int acpi_build(const struct guest_shape *shape, const struct gmem *gmem)
{
	/* The RSDP's place comes first, its contents last. */
	struct table t = {.gmem = gmem, .at = GUEST_ACPI_BASE + sizeof(struct acpi_rsdp)};
	uint64_t facs, dsdt, rsdt, xsdt, tables[3];

	facs = put_facs(&t);
	dsdt = put_dsdt(&t);
	tables[0] = put_fadt(&t, facs, dsdt);
	tables[1] = put_madt(&t, shape);
	tables[2] = put_hpet(&t);
	rsdt = put_root(&t, "RSDT", sizeof(uint32_t), tables, ARRAY_SIZE(tables));
	xsdt = put_root(&t, "XSDT", sizeof(uint64_t), tables, ARRAY_SIZE(tables));
	put_rsdp(&t, rsdt, xsdt);
	return t.err;
}
