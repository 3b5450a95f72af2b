/* How the machine ends: what is written where, and in which order, when nothing of it works. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "drivers/reset.h"
#include "fakes/ports.h"

static struct acpi_fadt fadt;

static int setup(void **state)
{
	(void)state;
	fake_ports_clear();
	memset(&fadt, 0, sizeof(fadt));
	return 0;
}

static const char *end(enum machine_end how)
{
	machine_end_init(&fadt);
	if (!setjmp(fake_halt))
		machine_end(how, 5);
	return fake_ports_text();
}

#define LAST_RESORTS "outb cf9 2; outb cf9 6; outb 64 fe; lidt 0; int 2; halt"

/* ACPI's register, the chipset's, the 8042, a triple fault. */
static void test_reset_by_an_acpi_port(void **state)
{
	(void)state;
	fadt.has_reset = true;
	fadt.reset = (struct acpi_gas){.space = ACPI_SPACE_IO, .address = 0xb2};
	fadt.reset_value = 0x73;
	assert_string_equal(end(MACHINE_RESET), "outb b2 73; " LAST_RESORTS);
}

static void test_reset_by_memory(void **state)
{
	static uint8_t reg;

	(void)state;
	fadt.has_reset = true;
	fadt.reset = (struct acpi_gas){.space = ACPI_SPACE_MEMORY, .address = (uintptr_t)&reg};
	fadt.reset_value = 0x42;
	assert_string_equal(end(MACHINE_RESET), LAST_RESORTS);
	assert_int_equal(reg, 0x42);
}

/* 'PCI Configuration Space': the lowest word of an address is the offset, then function, device. */
static void test_reset_by_pci(void **state)
{
	(void)state;
	fadt.has_reset = true;
	fadt.reset = (struct acpi_gas){.space = ACPI_SPACE_PCI, .address = 0x0000001f00030041};
	fadt.reset_value = 6;
	fake_port_set(0xcfc, 0xaabbccdd);
	assert_string_equal(end(MACHINE_RESET), "outl cf8 8000fb40; outl cf8 8000fb40; "
						"outl cfc aabb06dd; " LAST_RESORTS);
}

static void test_reset_without_acpi(void **state)
{
	(void)state;
	assert_string_equal(end(MACHINE_RESET), LAST_RESORTS);
}

/* An 8042 that stays busy, or is not there (all ones), must not hang the reset. */
static void test_a_stuck_8042(void **state)
{
	(void)state;
	fake_port_set(0x64, 0xff);
	assert_string_equal(end(MACHINE_RESET), LAST_RESORTS);
}

/* 'Transitioning from the Working to the Soft Off State' */
static void test_poweroff(void **state)
{
	(void)state;
	assert_string_equal(end(MACHINE_POWEROFF), "halt");
	fake_ports_clear();
	fadt.has_s5 = true;
	fadt.s5_slp_typ_a = 5;
	fadt.s5_slp_typ_b = 2;
	fadt.pm1a_control = (struct acpi_gas){.space = ACPI_SPACE_IO, .address = 0x604};
	assert_string_equal(end(MACHINE_POWEROFF), "outw 604 3400; halt");
	/* Both blocks; ACPI mode first where it is off, and no hang where it does not come on. */
	fake_ports_clear();
	fadt.pm1b_control = (struct acpi_gas){.space = ACPI_SPACE_IO, .address = 0x704};
	fadt.smi_cmd = 0xb2;
	fadt.acpi_enable = 0xe1;
	assert_string_equal(end(MACHINE_POWEROFF),
			    "outb b2 e1; outw 604 3400; outw 704 2800; halt");
	assert_int_equal(fake_port_reads(0x604), 1 + 6000000);
	fake_ports_clear();
	fake_port_set(0x604, 1);
	assert_string_equal(end(MACHINE_POWEROFF), "outw 604 3400; outw 704 2800; halt");
	assert_int_equal(fake_port_reads(0x604), 1);
	fake_ports_clear();
	fadt.is_hw_reduced = true;
	assert_string_equal(end(MACHINE_POWEROFF), "halt");
}

/* A PM1 block in a space that has no such registers, or without an address, is none. */
static void test_poweroff_in_other_spaces(void **state)
{
	(void)state;
	fadt.has_s5 = true;
	fadt.s5_slp_typ_a = 5;
	for (unsigned space = 0; space < 8; space++) {
		if (space == ACPI_SPACE_IO || space == ACPI_SPACE_MEMORY)
			continue;
		fake_ports_clear();
		fadt.pm1a_control = (struct acpi_gas){.space = (uint8_t)space, .address = 0x604};
		assert_string_equal(end(MACHINE_POWEROFF), "halt");
	}
	fake_ports_clear();
	fadt.pm1a_control = (struct acpi_gas){.space = ACPI_SPACE_IO};
	assert_string_equal(end(MACHINE_POWEROFF), "halt");
}

static void test_emulators(void **state)
{
	(void)state;
	assert_string_equal(end(MACHINE_DEBUG_EXIT), "outb f4 5; halt");
	fake_ports_clear();
	assert_string_equal(end(MACHINE_BOCHS),
			    "magic break; outb 8900 53; outb 8900 68; outb 8900 75; outb 8900 74; "
			    "outb 8900 64; outb 8900 6f; outb 8900 77; outb 8900 6e; halt");
	fake_ports_clear();
	assert_string_equal(end(MACHINE_HALT), "halt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset_by_an_acpi_port, setup),
		cmocka_unit_test_setup(test_reset_by_memory, setup),
		cmocka_unit_test_setup(test_reset_by_pci, setup),
		cmocka_unit_test_setup(test_reset_without_acpi, setup),
		cmocka_unit_test_setup(test_a_stuck_8042, setup),
		cmocka_unit_test_setup(test_poweroff, setup),
		cmocka_unit_test_setup(test_poweroff_in_other_spaces, setup),
		cmocka_unit_test_setup(test_emulators, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
