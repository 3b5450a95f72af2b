/* PVH: an ELF file with the Xen note that names a 32-bit entry point, and the start info that it is
 * given (Xen's public/arch-x86/hvm/start_info.h, whose names these structures have). */
#include "loader/elf.h"
#include "loader/lowmem.h"
#include "lib/errno.h"
#include "lib/string.h"

#define XEN_ELFNOTE_PHYS32_ENTRY  18u
#define XEN_HVM_START_MAGIC_VALUE 0x336ec578u

struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_table_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

#define MODLIST_AT (LOWMEM_INFO + 0x100u)
#define MEMMAP_AT  (LOWMEM_INFO + 0x800u)

_Static_assert(sizeof(struct hvm_start_info) == 56, "version 1");
_Static_assert((CONFIG_MODULES_MAX + 1) * sizeof(struct hvm_modlist_entry) <=
		       MEMMAP_AT - MODLIST_AT,
	       "the module list fits");

bool is_pvh(struct image *image)
{
	struct elf_file elf;
	uint32_t len;

	return is_elf(image) && !elf_open(image, &elf) &&
	       elf_find_note(image, &elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &len);
}

static int find_entry(struct image *image, const struct elf_file *elf, uint64_t *entry)
{
	uint32_t len;
	const uint8_t *desc = elf_find_note(image, elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &len);

	*entry = 0;
	if (!desc)
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file has no PVH note (Xen, type 18); a Linux "
				  "vmlinux needs CONFIG_PVH=y");
	if (len != 4 && len != 8)
		return image_fail(image, -ENOEXEC,
				  "the kernel's PVH note has %u bytes, not 4 or 8: it is damaged; "
				  "build it again",
				  len);
	memcpy(entry, desc, len);
	return 0;
}

/* One module: its bytes high in memory, its string behind `*strings`, its row in the list. */
static int put_module(struct image *image, const struct vm_module *module, uint32_t index,
		      uint64_t *strings)
{
	struct hvm_modlist_entry row = {.size = module->module->size};
	uint64_t len = strlen(module->string) + 1;
	const struct image_place place = image_place_high(GIB(4));
	int err = image_put_file(image, module->module, &place, "a module", &row.paddr);

	if (!err && len > 1) {
		if (len > LOWMEM_STRINGS + LOWMEM_STRINGS_SIZE - *strings)
			return image_fail(image, -ENOSPC,
					  "the modules' strings have more than %u bytes; shorten "
					  "what stands behind '--'",
					  LOWMEM_STRINGS_SIZE);
		row.cmdline_paddr = *strings;
		err = image_write(image, *strings, module->string, len);
		*strings += len;
	}
	return err ? err : image_write(image, MODLIST_AT + index * sizeof(row), &row, sizeof(row));
}

/* The initrd is the first module: that is where Linux looks for it. */
static int put_modules(struct image *image, uint32_t *count)
{
	const struct vm_config *config = image->config;
	struct hvm_modlist_entry initrd = {0};
	uint64_t strings = LOWMEM_STRINGS;
	int err = image_put_initrd(image, GIB(4), &initrd.paddr, &initrd.size);

	*count = 0;
	if (!err && config->initrd)
		err = image_write(image, MODLIST_AT + (*count)++ * sizeof(initrd), &initrd,
				  sizeof(initrd));
	for (uint32_t i = 0; i < config->module_count && !err; i++)
		err = put_module(image, &config->module[i], (*count)++, &strings);
	return err;
}

static int put_memory_map(struct image *image, uint32_t *count)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	int err = 0;

	*count = memory_map(image->shape, row);
	for (uint32_t i = 0; i < *count && !err; i++) {
		struct hvm_memmap_table_entry e = {row[i].base, row[i].len, row[i].type, 0};

		err = image_write(image, MEMMAP_AT + i * sizeof(e), &e, sizeof(e));
	}
	return err;
}

static int put_start_info(struct image *image)
{
	struct hvm_start_info info = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = 1,
		.cmdline_paddr = LOWMEM_CMDLINE,
		.rsdp_paddr = GUEST_ACPI_BASE,
		.memmap_paddr = MEMMAP_AT,
	};
	int err = put_modules(image, &info.nr_modules);

	info.modlist_paddr = info.nr_modules ? MODLIST_AT : 0;
	if (!err)
		err = put_memory_map(image, &info.memmap_entries);
	return err ? err : image_write(image, LOWMEM_INFO, &info, sizeof(info));
}

int load_pvh(struct image *image)
{
	struct elf_file elf;
	int err = elf_open(image, &elf);

	if (!err)
		err = find_entry(image, &elf, &image->entry->rip);
	if (!err)
		err = lowmem_build(image, 32, "PVH", PAGE_SIZE);
	if (!err)
		err = image_claim(image, LOWMEM_INFO, PAGE_SIZE, "the loader's PVH start info");
	if (!err)
		err = image_claim(image, LOWMEM_STRINGS, LOWMEM_STRINGS_SIZE,
				  "the loader's module strings");
	if (!err)
		err = elf_load(image, &elf, image->entry->rip);
	image->entry->rbx = LOWMEM_INFO;
	return err ? err : put_start_info(image);
}
