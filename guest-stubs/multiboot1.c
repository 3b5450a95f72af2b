/* Proves that a Multiboot1 kernel, an ELF file with symbols, finds what the 'Multiboot
 * Specification' promises it: machine state, memory, command line, modules, symbols. */
#include "guest-stubs/common/tap.h"
#include "guest-stubs/multiboot/checks.h"

#define HEADER_MAGIC     0x1badb002u
#define HEADER_FLAGS     0x7u /* pages, memory, and a video mode, which there is not */
#define BOOTLOADER_MAGIC 0x2badb002u

struct header {
	uint32_t magic, flags, checksum, address[5];
	uint32_t mode_type, width, height, depth;
};

static const struct header header __attribute__((section(".multiboot"), used)) = {
	.magic = HEADER_MAGIC,
	.flags = HEADER_FLAGS,
	.checksum = -(HEADER_MAGIC + HEADER_FLAGS),
	.mode_type = 1,
};

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t num, size, addr, shndx;
	uint32_t mmap_length, mmap_addr, drives[2], config_table, boot_loader_name;
};

#define INFO_MEMORY  BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODS    BIT(3)
#define INFO_SHDR    BIT(5)
#define INFO_MMAP    BIT(6)
#define INFO_NAME    BIT(9)

struct module {
	uint32_t start, end, string, reserved;
};

struct map_row {
	uint32_t size;
	uint64_t base, len;
	uint32_t type;
} __attribute__((packed));

static const void *at(uint32_t address)
{
	return (const void *)(uintptr_t)address;
}

void stub_main(void)
{
	const struct info *info = at(multiboot_entry.ebx);
	const struct module *module = at(info->mods_addr);

	plan(CHECKS_OF_ENTRY + 2 + CHECKS_OF_STRINGS + 2 * CHECKS_OF_MODULE + CHECKS_OF_MAP +
	     CHECKS_OF_SYMBOLS);
	check_entry(BOOTLOADER_MAGIC);
	is(info->flags, INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_SHDR | INFO_MMAP | INFO_NAME,
	   "flags: what there is, and no video, drives or APM");
	check_strings(at(info->cmdline), at(info->boot_loader_name));
	is(info->mods_count, 2, "two modules");
	for (uint32_t i = 0; i < info->mods_count; i++)
		check_module(i, module[i].start, module[i].end, at(module[i].string));
	for (uint32_t row = info->mmap_addr; row < info->mmap_addr + info->mmap_length;) {
		const struct map_row *r = at(row);

		map_entry(r->base, r->len, r->type);
		row += r->size + (uint32_t)sizeof(r->size);
	}
	check_map(info->mem_lower, info->mem_upper);
	check_symbols(at(info->addr), info->num, info->size, info->shndx);
}
