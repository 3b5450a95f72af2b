/* Power-off, reset, and the ways out that emulators have. */
#include "cpu/insn.h"
#include "drivers/pci.h"
#include "drivers/reset.h"
#include "mm/hostmap.h"
#include "mm/space.h"

#define PM1_SCI_EN        BIT(0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_EN        BIT(13)

#define PORT_CF9        0xcf9 /* reset control of the chipset: bit 1 all of the system, bit 2 now */
#define PORT_8042       0x64
#define I8042_BUSY      BIT(1)
#define I8042_RESET     0xfe
#define PORT_BOCHS      0x8900
#define PORT_DEBUG_EXIT 0xf4

/* Looks at a register, each half a microsecond or more, before giving up: ACPI mode may take
 * seconds. */
#define LOOKS_MAX 6000000u

static const struct acpi_fadt *acpi; /* (i) after machine_end_init; NULL: nothing known */

static bool is_there(const struct acpi_gas *reg)
{
	return reg->address && (reg->space == ACPI_SPACE_IO || reg->space == ACPI_SPACE_MEMORY);
}

static void write16(const struct acpi_gas *reg, uint16_t value)
{
	if (reg->space == ACPI_SPACE_IO)
		outw((uint16_t)reg->address, value);
	else
		*(volatile uint16_t *)hpa_to_ptr(HPA(reg->address)) = value;
}

static uint16_t read16(const struct acpi_gas *reg)
{
	if (reg->space == ACPI_SPACE_IO)
		return inw((uint16_t)reg->address);
	return *(volatile uint16_t *)hpa_to_ptr(HPA(reg->address));
}

/* 'PCI Configuration Space': a register of bus 0; device in bits 47:32, function in 31:16. */
static void write_pci8(uint64_t address, uint8_t value)
{
	uint8_t devfn = (uint8_t)((address >> 32 & 31) << 3 | (address >> 16 & 7));
	uint8_t reg = (uint8_t)(address & 0xfc), shift = (uint8_t)((address & 3) * 8);
	uint32_t whole = pci_ports.read(pci_ports.ctx, 0, devfn, reg);

	pci_ports.write(pci_ports.ctx, 0, devfn, reg,
			(whole & ~(0xffu << shift)) | (uint32_t)value << shift);
}

static bool is_mapped(const struct acpi_gas *reg)
{
	return reg->space != ACPI_SPACE_MEMORY || !reg->address ||
	       !space_map_device(HPA(reg->address), sizeof(uint16_t));
}

void machine_end_init(const struct acpi_fadt *fadt)
{
	if (fadt && is_mapped(&fadt->pm1a_control) && is_mapped(&fadt->pm1b_control) &&
	    is_mapped(&fadt->reset))
		acpi = fadt;
}

static void io_wait(void)
{
	for (uint32_t i = 0; i < 100000; i++)
		(void)inb(PORT_8042);
}

/* 'Transitioning from the Working to the Soft Off State' */
static void poweroff(void)
{
	if (!acpi || !acpi->has_s5 || acpi->is_hw_reduced || !is_there(&acpi->pm1a_control))
		return;
	if (acpi->smi_cmd && acpi->acpi_enable && !(read16(&acpi->pm1a_control) & PM1_SCI_EN)) {
		outb((uint16_t)acpi->smi_cmd, acpi->acpi_enable);
		for (uint32_t i = 0; i < LOOKS_MAX && !(read16(&acpi->pm1a_control) & PM1_SCI_EN);
		     i++)
			cpu_relax();
	}
	write16(&acpi->pm1a_control,
		(uint16_t)(acpi->s5_slp_typ_a << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	if (is_there(&acpi->pm1b_control))
		write16(&acpi->pm1b_control,
			(uint16_t)(acpi->s5_slp_typ_b << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	io_wait();
}

static void reset_by_acpi(void)
{
	const struct acpi_gas *reg;

	if (!acpi || !acpi->has_reset)
		return;
	reg = &acpi->reset;
	if (reg->space == ACPI_SPACE_IO)
		outb((uint16_t)reg->address, acpi->reset_value);
	else if (reg->space == ACPI_SPACE_MEMORY)
		*(volatile uint8_t *)hpa_to_ptr(HPA(reg->address)) = acpi->reset_value;
	else
		write_pci8(reg->address, acpi->reset_value);
	io_wait();
}

static void reset(void)
{
	const struct descriptor_pointer no_idt = {0, 0};

	reset_by_acpi();
	outb(PORT_CF9, 0x02);
	outb(PORT_CF9, 0x06);
	io_wait();
	for (uint32_t i = 0; i < LOOKS_MAX && (inb(PORT_8042) & I8042_BUSY); i++)
		cpu_relax();
	outb(PORT_8042, I8042_RESET);
	io_wait();
	lidt(&no_idt);
	int_nmi(); /* which cannot be delivered, nor can the double fault: a triple fault */
}

static void leave_bochs(void)
{
	magic_break();
	for (const char *c = "Shutdown"; *c; c++)
		outb(PORT_BOCHS, (uint8_t)*c);
}

void machine_end(enum machine_end how, uint8_t status)
{
	irq_disable();
	switch (how) {
	case MACHINE_POWEROFF:
		poweroff();
		break;
	case MACHINE_RESET:
		reset();
		break;
	case MACHINE_BOCHS:
		leave_bochs();
		break;
	case MACHINE_DEBUG_EXIT:
		outb(PORT_DEBUG_EXIT, status);
		break;
	case MACHINE_HALT:
		break;
	}
	halt_forever();
}
