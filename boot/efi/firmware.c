/* What the firmware knows of the machine, for the hypervisor. */
#include <efi/efi.h>
#include <efi/libsmbios.h>

#include "boot/efi/loader.h"
#include "lib/string.h"

#define RSDP_TAG_MAX (4096u + INFO_TAG_MAX)
#define SMBIOS_MAX   MIB(1) /* more is no table */

static EFI_GUID acpi1_guid = ACPI_TABLE_GUID;
static EFI_GUID acpi2_guid = ACPI_20_TABLE_GUID;
static EFI_GUID smbios_guid = SMBIOS_TABLE_GUID;
static EFI_GUID smbios3_guid = SMBIOS3_TABLE_GUID;
static EFI_GUID gop_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

struct smbios {
	uint8_t major, minor;
	const void *tables; /* NULL: none */
	uint32_t len;
};

static const void *find_table(const struct loader *loader, const EFI_GUID *guid)
{
	for (UINTN i = 0; i < loader->st->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *table = &loader->st->ConfigurationTable[i];

		if (!memcmp(&table->VendorGuid, guid, sizeof(*guid)))
			return table->VendorTable;
	}
	return NULL;
}

/* 'SMBIOS specification', 'Accessing SMBIOS information': the 64-bit entry point, or the older one.
 */
static struct smbios find_smbios(const struct loader *loader)
{
	const SMBIOS3_STRUCTURE_TABLE *new = find_table(loader, &smbios3_guid);
	const SMBIOS_STRUCTURE_TABLE *old = find_table(loader, &smbios_guid);

	if (new && !memcmp(new->AnchorString, "_SM3_", 5) && new->TableMaximumSize <= SMBIOS_MAX)
		return (struct smbios){new->MajorVersion, new->MinorVersion,
				       (const void *)(uintptr_t) new->TableAddress,
				       new->TableMaximumSize};
	if (old && !memcmp(old->AnchorString, "_SM_", 4))
		return (struct smbios){old->MajorVersion, old->MinorVersion,
				       (const void *)(uintptr_t)old->TableAddress,
				       old->TableLength};
	return (struct smbios){0};
}

uint64_t firmware_size(struct loader *loader)
{
	return 2 * RSDP_TAG_MAX + find_smbios(loader).len + 2 * INFO_TAG_MAX;
}

void firmware_describe(struct loader *loader, struct info *info)
{
	EFI_GUID *acpi[] = {&acpi1_guid, &acpi2_guid};
	struct smbios smbios = find_smbios(loader);
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;

	for (unsigned i = 0; i < ARRAY_SIZE(acpi); i++) {
		const void *rsdp = find_table(loader, acpi[i]);

		if (rsdp && !memcmp(rsdp, "RSD PTR ", 8))
			info_rsdp(info, rsdp);
	}
	if (smbios.tables)
		info_smbios(info, smbios.major, smbios.minor, smbios.tables, smbios.len);
	if (!EFI_ERROR(loader->bs->LocateProtocol(&gop_guid, NULL, (void **)&gop)) && gop->Mode &&
	    gop->Mode->Info)
		info_framebuffer(info, gop->Mode);
}
