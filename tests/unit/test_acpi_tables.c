/* The guest's ACPI tables: Advanced Configuration and Power Interface Specification, 'ACPI Software
 * Programming Model'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"
#include "loader/acpi.h"
#include "loader/acpi_tables.h"

static struct fake_guest guest;

static void build(uint32_t vcpus)
{
	fake_guest_init(&guest, MIB(1));
	guest.shape.vcpus = vcpus;
	guest.shape.topology.cores = vcpus;
	assert_int_equal(acpi_build(&guest.shape, &guest.gmem), 0);
}

static const uint8_t *bytes_at(uint64_t gpa, uint32_t len)
{
	const uint8_t *p = gmem_ptr(&guest.gmem, GPA(gpa), len);

	assert_non_null(p);
	assert_true(gpa >= GUEST_ACPI_BASE && gpa + len <= GUEST_ACPI_BASE + GUEST_ACPI_SIZE);
	return p;
}

static uint8_t sum(const uint8_t *p, uint32_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static const struct acpi_rsdp *rsdp(void)
{
	return (const void *)bytes_at(0xe0000, sizeof(struct acpi_rsdp));
}

/* The table with the signature, by way of the XSDT (entries of 8 bytes) or RSDT (4); its gpa. */
static uint64_t find_by(uint64_t root, unsigned entry_size, const char *signature)
{
	const struct acpi_header *h = (const void *)bytes_at(root, sizeof(*h));

	for (uint32_t at = sizeof(*h); at < h->length; at += entry_size) {
		uint64_t gpa = 0;

		memcpy(&gpa, bytes_at(root + at, entry_size), entry_size);
		if (!memcmp(bytes_at(gpa, 4), signature, 4))
			return gpa;
	}
	return 0;
}

static const void *find(const char *signature)
{
	uint64_t gpa = find_by(rsdp()->xsdt_address, 8, signature);

	assert_true(gpa);
	return bytes_at(gpa, ((const struct acpi_header *)bytes_at(gpa, 36))->length);
}

static void assert_table(const void *table, const char *signature)
{
	const struct acpi_header *h = table;

	assert_memory_equal(h->signature, signature, 4);
	/* 'The entire table, including the checksum field, must add to zero.' */
	assert_int_equal(sum(table, h->length), 0);
}

/* 'OSPM finds the RSDP by searching for the signature on 16-byte boundaries in 0xE0000-0xFFFFF.' */
static void test_rsdp(void **state)
{
	(void)state;
	build(1);
	assert_memory_equal(rsdp()->signature, "RSD PTR ", 8);
	assert_int_equal(rsdp()->revision, 2);
	assert_int_equal(rsdp()->length, 36);
	assert_int_equal(sum((const uint8_t *)rsdp(), 20), 0);
	assert_int_equal(sum((const uint8_t *)rsdp(), 36), 0);
	assert_table(bytes_at(rsdp()->xsdt_address, 36), "XSDT");
	assert_table(bytes_at(rsdp()->rsdt_address, 36), "RSDT");
	assert_int_equal(find_by(rsdp()->xsdt_address, 8, "FACP"),
			 find_by(rsdp()->rsdt_address, 4, "FACP"));
	assert_int_equal(find_by(rsdp()->xsdt_address, 8, "APIC"),
			 find_by(rsdp()->rsdt_address, 4, "APIC"));
	fake_guest_free(&guest);
}

static void assert_gas(struct acpi_gas gas, uint64_t address, uint8_t width)
{
	assert_int_equal(gas.address_space_id, 1);
	assert_int_equal(gas.register_bit_width, width);
	assert_int_equal(gas.register_bit_offset, 0);
	assert_int_equal(gas.address, address);
}

static void test_fadt(void **state)
{
	const struct acpi_fadt *fadt;

	(void)state;
	build(1);
	fadt = find("FACP");
	assert_table(fadt, "FACP");
	/* The places of the specification's table, so that a wrong struct shows. */
	assert_ptr_equal(&fadt->pm1a_evt_blk, (const uint8_t *)fadt + 56);
	assert_ptr_equal(&fadt->pm_tmr_blk, (const uint8_t *)fadt + 76);
	assert_ptr_equal(&fadt->century, (const uint8_t *)fadt + 108);
	assert_ptr_equal(&fadt->flags, (const uint8_t *)fadt + 112);
	assert_ptr_equal(&fadt->reset_reg, (const uint8_t *)fadt + 116);
	assert_ptr_equal(&fadt->x_dsdt, (const uint8_t *)fadt + 140);
	assert_int_equal(fadt->pm1a_evt_blk, 0x600);
	assert_int_equal(fadt->pm1_evt_len, 4);
	assert_int_equal(fadt->pm1a_cnt_blk, 0x604);
	assert_int_equal(fadt->pm1_cnt_len, 2);
	assert_int_equal(fadt->pm_tmr_blk, 0x608);
	assert_int_equal(fadt->pm_tmr_len, 4);
	assert_gas(fadt->x_pm1a_evt_blk, 0x600, 32);
	assert_gas(fadt->x_pm1a_cnt_blk, 0x604, 16);
	assert_gas(fadt->x_pm_tmr_blk, 0x608, 32);
	assert_gas(fadt->reset_reg, 0xcf9, 8);
	assert_int_equal(fadt->reset_value, 6);
	assert_int_equal(fadt->sci_int, 9);
	assert_int_equal(fadt->century, 0x32);
	/* Without SMI_CMD the system is always in ACPI mode. */
	assert_int_equal(fadt->smi_cmd, 0);
	/* TMR_VAL_EXT, RESET_REG_SUP; not HW_REDUCED_ACPI. */
	assert_int_equal(fadt->flags & (BIT(8) | BIT(10) | BIT(20)), BIT(8) | BIT(10));
	/* PWR_BUTTON clear: the fixed power button is there; SLP_BUTTON set: none for sleep. */
	assert_int_equal(fadt->flags & (BIT(4) | BIT(5)), BIT(5));
	/* LEGACY_DEVICES, 8042; the CMOS RTC is there. */
	assert_int_equal(fadt->iapc_boot_arch & (BIT(0) | BIT(1) | BIT(5)), BIT(0) | BIT(1));
	assert_int_equal(fadt->dsdt, fadt->x_dsdt);
	assert_table(bytes_at(fadt->dsdt, 36), "DSDT");
	/* 'FACS: aligned on a 64-byte boundary.' */
	assert_memory_equal(bytes_at(fadt->firmware_ctrl, 64), "FACS", 4);
	assert_int_equal(fadt->firmware_ctrl % 64, 0);
	assert_int_equal(fake_guest_u32(&guest, fadt->firmware_ctrl + 4), 64);
	fake_guest_free(&guest);
}

/* Counts structures of `type`, and gives the last one. */
static unsigned madt_count(const struct acpi_madt *madt, uint8_t type, const uint8_t **last)
{
	const uint8_t *p = (const uint8_t *)(madt + 1);
	const uint8_t *end = (const uint8_t *)madt + madt->header.length;
	unsigned n = 0;

	while (p < end) {
		assert_true(p[1] >= 2 && p + p[1] <= end);
		if (p[0] == type) {
			n++;
			*last = p;
		}
		p += p[1];
	}
	assert_ptr_equal(p, end);
	return n;
}

static void test_madt(void **state)
{
	const struct madt_interrupt_source_override *over;
	const struct madt_local_apic_nmi *nmi;
	const struct acpi_madt *madt;
	const struct madt_local_apic *apic;
	const struct madt_io_apic *io;
	const uint8_t *p;

	(void)state;
	build(4);
	madt = find("APIC");
	assert_table(madt, "APIC");
	assert_int_equal(madt->local_interrupt_controller_address, 0xfee00000);
	assert_int_equal(madt->flags, 1);
	assert_int_equal(madt_count(madt, MADT_LOCAL_APIC, &p), 4);
	apic = (const void *)p;
	assert_int_equal(apic->length, 8);
	assert_int_equal(apic->apic_id, 3);
	assert_int_equal(apic->flags, 1);
	assert_int_equal(madt_count(madt, MADT_LOCAL_X2APIC, &p), 0);
	assert_int_equal(madt_count(madt, MADT_IO_APIC, &p), 1);
	io = (const void *)p;
	assert_int_equal(io->length, 12);
	assert_int_equal(io->io_apic_address, 0xfec00000);
	assert_int_equal(io->global_system_interrupt_base, 0);
	/* IRQ 0 is GSI 2; IRQ 9, the SCI, is level-triggered and active high. */
	assert_int_equal(madt_count(madt, MADT_INTERRUPT_SOURCE_OVERRIDE, &p), 2);
	over = (const void *)(p - 10);
	assert_int_equal(over->source, 0);
	assert_int_equal(over->global_system_interrupt, 2);
	assert_int_equal(over->flags, 0);
	over = (const void *)p;
	assert_int_equal(over->source, 9);
	assert_int_equal(over->global_system_interrupt, 9);
	assert_int_equal(over->flags, 0xd);
	assert_int_equal(madt_count(madt, MADT_LOCAL_APIC_NMI, &p), 1);
	nmi = (const void *)p;
	assert_int_equal(nmi->length, 6);
	assert_int_equal(nmi->acpi_processor_uid, 0xff);
	assert_int_equal(nmi->local_apic_lint, 1);
	fake_guest_free(&guest);
}

/* 'Logical processors with APIC ID values of 255 and greater must use the x2APIC structure.' */
static void test_madt_beyond_255(void **state)
{
	const struct madt_local_x2apic *x2apic;
	const struct acpi_madt *madt;
	const uint8_t *p;

	(void)state;
	build(300);
	madt = find("APIC");
	assert_table(madt, "APIC");
	assert_int_equal(madt_count(madt, MADT_LOCAL_APIC, &p), 255);
	assert_int_equal(p[3], 254);
	assert_int_equal(madt_count(madt, MADT_LOCAL_X2APIC, &p), 45);
	x2apic = (const void *)p;
	assert_int_equal(x2apic->length, 16);
	assert_int_equal(x2apic->x2apic_id, 299);
	assert_int_equal(x2apic->acpi_processor_uid, 299);
	assert_int_equal(madt_count(madt, MADT_LOCAL_X2APIC_NMI, &p), 1);
	assert_int_equal(p[1], 12);
	fake_guest_free(&guest);
}

/* 'The ACPI 2.0 HPET Description Table': the block's ID is the low half of GCAP_ID, the address is
 * in memory. */
static void test_hpet(void **state)
{
	const struct acpi_hpet *hpet;

	(void)state;
	build(1);
	hpet = find("HPET");
	assert_table(hpet, "HPET");
	assert_int_equal(hpet->header.length, 56);
	assert_ptr_equal(&hpet->base_address, (const uint8_t *)hpet + 40);
	assert_int_equal(hpet->event_timer_block_id, 0x8086a201);
	assert_int_equal(hpet->base_address.address_space_id, 0);
	assert_int_equal(hpet->base_address.address, 0xfed00000);
	assert_int_equal(hpet->hpet_number, 0);
	assert_int_equal(find_by(rsdp()->xsdt_address, 8, "HPET"),
			 find_by(rsdp()->rsdt_address, 4, "HPET"));
	fake_guest_free(&guest);
}

/* The IDs are those that CPUID says, with the gaps that the topology makes. */
static void test_madt_topology(void **state)
{
	static const uint8_t ids[] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};
	const struct madt_local_apic *apic;
	const uint8_t *p;

	(void)state;
	fake_guest_init(&guest, MIB(1));
	guest.shape.vcpus = ARRAY_SIZE(ids);
	guest.shape.topology = (struct topology){2, 3, 2};
	assert_int_equal(acpi_build(&guest.shape, &guest.gmem), 0);
	p = (const uint8_t *)((const struct acpi_madt *)find("APIC") + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		apic = (const void *)(p + i * sizeof(*apic));
		assert_int_equal(apic->type, MADT_LOCAL_APIC);
		assert_int_equal(apic->acpi_processor_uid, i);
		assert_int_equal(apic->apic_id, ids[i]);
	}
	fake_guest_free(&guest);
}

static void test_errors(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(1));
	guest.shape.vcpus = guest.shape.topology.cores = 100000;
	assert_int_equal(acpi_build(&guest.shape, &guest.gmem), -ENOSPC);
	guest.shape.vcpus = guest.shape.topology.cores = 1;
	guest.gmem.count = 1; /* RAM ends at 0x5000 */
	assert_int_equal(acpi_build(&guest.shape, &guest.gmem), -EFAULT);
	guest.gmem.count = 2;
	fake_guest_free(&guest);
}

/* Writes the table to a file, has iasl disassemble it, and looks for `expect` (may be NULL) in what
 * it says. */
static void disassemble(const char *dir, const void *table, const char *expect)
{
	const struct acpi_header *h = table;
	char path[200], command[600], signature[5] = {0};
	FILE *file;

	memcpy(signature, h->signature, 4);
	snprintf(path, sizeof(path), "%s/%s.aml", dir, signature);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(table, 1, h->length, file), h->length);
	fclose(file);
	snprintf(command, sizeof(command), "cd %s && iasl -d %s.aml >%s.out 2>&1", dir, signature,
		 signature);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command),
		 "cd %s && ! grep -Eqi 'error|warning|invalid|incorrect|unknown' %s.out %s.dsl",
		 dir, signature, signature);
	if (system(command))
		fail_msg("iasl complains about %s", signature);
	snprintf(command, sizeof(command), "cd %s && tr -s ' \\n' ' ' <%s.dsl | grep -Fq '%s'", dir,
		 signature, expect);
	if (system(command))
		fail_msg("iasl's %s lacks '%s'", signature, expect);
}

static void test_iasl_understands_each(void **state)
{
	char dir[] = P_tmpdir "/carousel-acpi-XXXXXX", command[64];
	const struct acpi_fadt *fadt;

	(void)state;
	if (system("iasl -v >/dev/null 2>&1")) {
		print_message("skipped: no iasl; install acpica-tools\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	build(2);
	fadt = find("FACP");
	disassemble(dir, fadt, "Reset Register : [Generic Address Structure]");
	disassemble(dir, find("APIC"), "[I/O APIC]");
	disassemble(dir, find("HPET"), "Hardware Block ID : 8086A201");
	disassemble(dir, bytes_at(rsdp()->xsdt_address, 60), "XSDT");
	disassemble(dir, bytes_at(rsdp()->rsdt_address, 48), "RSDT");
	disassemble(dir, bytes_at(fadt->firmware_ctrl, 64), "FACS");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "Name (\\_S5, Package (0x02)");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "Name (_HID, EisaId (\"PNP0501\")");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "IO (Decode16, 0x03F8,");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "IRQNoFlags () {4}");
	disassemble(dir, bytes_at(fadt->dsdt, 36),
		    "Device (COM2) { Name (_HID, EisaId (\"PNP0501\")");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "IO (Decode16, 0x02F8,");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "IRQNoFlags () {3}");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "Device (FWCF) { Name (_HID, \"QEMU0002\")");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "IO (Decode16, 0x0510,");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "Name (_HID, EisaId (\"PNP0A03\")");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "0xE0000000, // Range Minimum");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "0xEFFFFFFF, // Range Maximum");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "{ 0x0004FFFF, Zero, Zero, 0x0A }");
	disassemble(dir, bytes_at(fadt->dsdt, 36), "{ 0x0007FFFF, Zero, Zero, 0x0B }");
	fake_guest_free(&guest);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* The DSDT is what the compiler makes of tests/fixtures/acpi/guest-dsdt.asl, byte for byte behind
 * the header. */
static void test_dsdt_is_its_source(void **state)
{
	char dir[] = P_tmpdir "/carousel-acpi-XXXXXX", command[200], path[64];
	static uint8_t compiled[4096];
	const struct acpi_fadt *fadt;
	const struct acpi_header *h;
	FILE *file;

	(void)state;
	if (system("iasl -v >/dev/null 2>&1")) {
		print_message("skipped: no iasl; install acpica-tools\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "iasl -on -p %s/guest tests/fixtures/acpi/guest-dsdt.asl >%s/out 2>&1", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/guest.aml", dir);
	file = fopen(path, "rb");
	assert_non_null(file);
	build(1);
	fadt = find("FACP");
	h = (const void *)bytes_at(fadt->dsdt, 36);
	assert_int_equal(fread(compiled, 1, sizeof(compiled), file), h->length);
	assert_memory_equal(compiled + sizeof(*h), h + 1, h->length - sizeof(*h));
	fclose(file);
	fake_guest_free(&guest);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdp),
		cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_madt),
		cmocka_unit_test(test_madt_beyond_255),
		cmocka_unit_test(test_hpet),
		cmocka_unit_test(test_madt_topology),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_iasl_understands_each),
		cmocka_unit_test(test_dsdt_is_its_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
