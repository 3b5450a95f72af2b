/* What firmware tells: ACPI's tables, copied out once, and SMBIOS' names. */
#include "boot/firmware.h"
#include "boot/smbios.h"
#include "lib/checked.h"
#include "lib/log.h"
#include "mm/hostmap.h"

/* boot/header.S' tables */
static const void *map_early(void *ctx __unused, uint64_t hpa, uint64_t len)
{
	if (!hpa || !range_is_inside(hpa, len, 0, GIB(4)))
		return NULL;
	return hpa_to_ptr(HPA(hpa));
}

void firmware_read_acpi(struct boot *boot)
{
	static const struct acpi_memory memory = {.map = map_early};
	static struct acpi acpi;

	if (acpi_init(&acpi, &memory, boot->mb2.rsdp, boot->mb2.rsdp_len))
		return; /* which acpi_init has told */
	boot->has_madt = !acpi_read_madt(&acpi, &boot->madt);
	if (boot->has_madt && boot->madt.cpus_left_out)
		log_warn("%u CPUs are left out: Carousel takes %u", boot->madt.cpus_left_out,
			 MAX_PCPUS);
	boot->has_fadt = !acpi_read_fadt(&acpi, &boot->fadt);
	if (!boot->has_fadt)
		log_warn("firmware has no ACPI FADT: no power-off");
}

/* Where BIOS leaves the entry point; under UEFI the boot loader passes the structures. */
#define SMBIOS_AREA      0xf0000u
#define SMBIOS_AREA_SIZE 0x10000u

void firmware_tell_machine(const struct boot *boot)
{
	const uint8_t *structures = boot->mb2.smbios;
	struct smbios_place place = {.len = boot->mb2.smbios_len};
	char text[SMBIOS_TEXT_MAX];

	if (!structures && !boot->mb2.efi_mmap.data &&
	    smbios_find(hpa_to_ptr(HPA(SMBIOS_AREA)), SMBIOS_AREA_SIZE, &place))
		structures = map_early(NULL, place.hpa, place.len);
	if (structures && smbios_describe(structures, place.len, text, sizeof(text)))
		log_info("machine: %s", text);
}
