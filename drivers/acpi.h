/* The firmware's ACPI tables: root pointer, table look-up, the MADT's CPUs and interrupt
 * controllers, what power-off and reset need from the FADT and from \_S5. The tables count as
 * untrusted bytes: each one is refused by name when its checksum, length or contents are wrong.
 * Pure. */
#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include "lib/types.h"

#define ACPI_TABLES_MAX    128
#define ACPI_IOAPICS_MAX   16
#define ACPI_OVERRIDES_MAX 32
#define ACPI_NMIS_MAX      MAX_PCPUS

/* How physical memory is reached. */
struct acpi_memory {
	/* A pointer to [hpa, hpa+len), which stays valid, or NULL when it cannot be mapped. */
	const void *(*map)(void *ctx, uint64_t hpa, uint64_t len);
	void *ctx;
};

/* 'System Description Table Header': what every table begins with. */
struct acpi_header {
	char signature[4];
	uint32_t length; /* of the whole table */
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	uint32_t creator_id;
	uint32_t creator_revision;
} __packed;

/* The tables that passed: length and checksum are right, all `length` bytes are reachable. */
struct acpi {
	struct acpi_memory memory;
	uint8_t revision; /* the root pointer's: 0 is ACPI 1.0 */
	uint32_t count;
	const struct acpi_header *table[ACPI_TABLES_MAX];
};

/* Looks for the root pointer where a PC's firmware has it: the first KiB of the EBDA, then 0xe0000
 * to 0xfffff, on 16-byte places ('Finding the RSDP on IA-PC Systems'). True with its address. */
bool __must_check acpi_find_rsdp(const struct acpi_memory *memory, uint64_t *hpa);

/* Reads the root pointer at `rsdp` (a copy of `len` bytes that the boot loader gave; NULL: none),
 * or, when that is missing or wrong, the one that acpi_find_rsdp finds; then its XSDT or RSDT, and
 * every table. 0, or -ENOENT when there is no usable root table. What is refused is named in the
 * log. */
int __must_check acpi_init(struct acpi *acpi, const struct acpi_memory *memory, const void *rsdp,
			   uint32_t len);

/* The `index`th good table with this signature (4 characters), or NULL. */
const struct acpi_header *acpi_table(const struct acpi *acpi, const char *signature,
				     unsigned index);

struct acpi_cpu {
	uint32_t apic_id;
	uint32_t uid;    /* ACPI processor UID */
	bool is_enabled; /* false: only 'online capable', absent now; not to be started */
};

struct acpi_ioapic {
	uint8_t id;
	uint32_t address;
	uint32_t gsi_base;
};

/* 'Interrupt Source Override Structure': ISA IRQ `source` comes in at `gsi`. */
struct acpi_override {
	uint8_t source;
	uint32_t gsi;
	uint16_t flags; /* MPS INTI flags: bits 1:0 polarity, 3:2 trigger mode */
};

#define ACPI_UID_ALL UINT32_MAX

/* A local APIC's LINT pin that is wired to NMI. */
struct acpi_lapic_nmi {
	uint32_t uid;   /* ACPI_UID_ALL: every processor */
	uint16_t flags; /* MPS INTI flags */
	uint8_t lint;   /* 0 or 1 */
};

/* An I/O APIC input that is an NMI: 'Non-Maskable Interrupt (NMI) Source Structure'. */
struct acpi_nmi_source {
	uint32_t gsi;
	uint16_t flags;
};

struct acpi_madt {
	uint64_t lapic_address;
	bool has_8259; /* PCAT_COMPAT: mask the PICs */
	uint32_t cpu_count;
	uint32_t cpus_left_out;         /* there were more than MAX_PCPUS */
	struct acpi_cpu cpu[MAX_PCPUS]; /* in the table's order, each APIC ID once */
	uint32_t ioapic_count;
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
	uint32_t override_count;
	struct acpi_override override[ACPI_OVERRIDES_MAX];
	uint32_t lapic_nmi_count;
	struct acpi_lapic_nmi lapic_nmi[ACPI_NMIS_MAX];
	uint32_t nmi_source_count;
	struct acpi_nmi_source nmi_source[ACPI_NMIS_MAX];
};

/* 0; -ENOENT without a MADT. Malformed entries are left out and named; one whose length leaves the
 * table ends the list. */
int __must_check acpi_read_madt(const struct acpi *acpi, struct acpi_madt *madt);

/* Address spaces of a generic address ('Generic Address Structure'). */
#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO     1
#define ACPI_SPACE_PCI    2

struct acpi_gas {
	uint8_t space; /* ACPI_SPACE_* */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address; /* 0: the register is not there */
} __packed;

struct acpi_fadt {
	uint16_t sci_irq;
	uint32_t smi_cmd;                           /* I/O port; 0: always in ACPI mode */
	uint8_t acpi_enable;                        /* written to smi_cmd to enter ACPI mode */
	struct acpi_gas pm1a_control, pm1b_control; /* X_ ones where they are given */
	bool has_reset; /* RESET_REG_SUP, in a space that can be written by the rules */
	struct acpi_gas reset;
	uint8_t reset_value;
	bool is_hw_reduced; /* no PM1 registers */
	/* \_S5: SLP_TYP for PM1a and PM1b control (bits 12:10; SLP_EN is bit 13). */
	bool has_s5;
	uint8_t s5_slp_typ_a, s5_slp_typ_b;
};

/* 0; -ENOENT without a usable FADT. \_S5 is looked for in the DSDT, then in the SSDTs. */
int __must_check acpi_read_fadt(const struct acpi *acpi, struct acpi_fadt *fadt);

#endif
