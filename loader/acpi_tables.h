/* The layout of ACPI tables: Advanced Configuration and Power Interface Specification, 'ACPI
 * Software Programming Model'. Names are the specification's. For loader/ only. */
#ifndef LOADER_ACPI_TABLES_H
#define LOADER_ACPI_TABLES_H

#include "lib/types.h"

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oemid[6];
	uint8_t revision;
	uint32_t rsdt_address;
	uint32_t length;
	uint64_t xsdt_address;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __packed;

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __packed;

/* Generic Address Structure. */
struct acpi_gas {
	uint8_t address_space_id, register_bit_width, register_bit_offset, access_size;
	uint64_t address;
} __packed;

struct acpi_fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk,
		gpe0_blk, gpe1_blk;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len,
		gpe1_base, cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t fadt_minor_version;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk,
		x_pm2_cnt_blk, x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk, sleep_control_reg,
		sleep_status_reg;
	uint64_t hypervisor_vendor_identity;
} __packed;

struct acpi_facs {
	char signature[4];
	uint32_t length, hardware_signature, firmware_waking_vector, global_lock, flags;
	uint64_t x_firmware_waking_vector;
	uint8_t version, reserved[31];
} __packed;

struct acpi_madt {
	struct acpi_header header;
	uint32_t local_interrupt_controller_address, flags;
} __packed;

/* 'IA-PC HPET Specification', 'The ACPI 2.0 HPET Description Table'. */
struct acpi_hpet {
	struct acpi_header header;
	uint32_t event_timer_block_id;
	struct acpi_gas base_address;
	uint8_t hpet_number;
	uint16_t main_counter_minimum;
	uint8_t page_protection;
} __packed;

enum {
	MADT_LOCAL_APIC = 0,
	MADT_IO_APIC = 1,
	MADT_INTERRUPT_SOURCE_OVERRIDE = 2,
	MADT_LOCAL_APIC_NMI = 4,
	MADT_LOCAL_X2APIC = 9,
	MADT_LOCAL_X2APIC_NMI = 10,
};

struct madt_local_apic {
	uint8_t type, length, acpi_processor_uid, apic_id;
	uint32_t flags;
} __packed;

struct madt_io_apic {
	uint8_t type, length, io_apic_id, reserved;
	uint32_t io_apic_address, global_system_interrupt_base;
} __packed;

struct madt_interrupt_source_override {
	uint8_t type, length, bus, source;
	uint32_t global_system_interrupt;
	uint16_t flags;
} __packed;

struct madt_local_apic_nmi {
	uint8_t type, length, acpi_processor_uid;
	uint16_t flags;
	uint8_t local_apic_lint;
} __packed;

struct madt_local_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t x2apic_id, flags, acpi_processor_uid;
} __packed;

struct madt_local_x2apic_nmi {
	uint8_t type, length;
	uint16_t flags;
	uint32_t acpi_processor_uid;
	uint8_t local_x2apic_lint, reserved[3];
} __packed;

_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP, revision 2");
_Static_assert(sizeof(struct acpi_header) == 36, "DESCRIPTION_HEADER");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT, revision 6");
_Static_assert(sizeof(struct acpi_facs) == 64, "FACS");
_Static_assert(sizeof(struct acpi_hpet) == 56, "HPET");

/* FADT: preferred_pm_profile, iapc_boot_arch and flags. */
#define PM_PROFILE_ENTERPRISE_SERVER 4u
#define IAPC_LEGACY_DEVICES          BIT(0)
#define IAPC_8042                    BIT(1)
#define IAPC_VGA_NOT_PRESENT         BIT(2)
#define FADT_WBINVD                  BIT(0)
#define FADT_PROC_C1                 BIT(2)
#define FADT_SLP_BUTTON              BIT(5) /* no fixed sleep button */
#define FADT_FIX_RTC                 BIT(6) /* no RTC wake status in the fixed registers */
#define FADT_TMR_VAL_EXT             BIT(8) /* the PM timer has 32 bits */
#define FADT_RESET_REG_SUP           BIT(10)
/* Latencies above these say: no C2, no C3. */
#define P_LVL2_LAT_NONE              0xfffu
#define P_LVL3_LAT_NONE              0xffffu

#define GAS_SYSTEM_MEMORY 0u
#define GAS_SYSTEM_IO     1u

#define MADT_PCAT_COMPAT     BIT(0) /* there are two 8259s as well */
#define MADT_ENABLED         BIT(0)
#define MADT_ALL_PROCESSORS  0xffu
#define MADT_ALL_X2APIC      0xffffffffu
#define MPS_INTI_ACTIVE_HIGH 0x1u
#define MPS_INTI_LEVEL       0xcu
/* APIC IDs from here on need the x2APIC structures. */
#define MADT_FIRST_X2APIC_ID 255u

#endif
