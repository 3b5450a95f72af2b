/* Multiboot kernels by the 'Multiboot Specification version 0.6.96', whose names these structures
 * have. The header lies in the first 8192 bytes, 4-byte aligned. */
#include "loader/multiboot.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

#define MB1_HEADER_MAGIC     0x1badb002u
#define MB1_HEADER_ALIGN     4u
#define MB1_HEADER_SEARCH    8192u
#define MB1_BOOTLOADER_MAGIC 0x2badb002u

struct mb1_header {
	uint32_t magic, flags, checksum;
	struct multiboot_addresses addresses;
	uint32_t entry_addr;
	uint32_t mode_type, width, height, depth;
};

/* 'OS image format': the flags of the header. Bits 0 to 15 are requirements. */
#define MB1_PAGE_ALIGN   BIT(0)
#define MB1_MEMORY_INFO  BIT(1)
#define MB1_VIDEO_MODE   BIT(2)
#define MB1_AOUT_KLUDGE  BIT(16)
#define MB1_REQUIREMENTS 0xffffu

#define MB1_MODE_TYPE_EGA_TEXT 1u

/* 'Boot information format'. Video fields are absent: their flags stay clear. */
struct mb1_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t shdr_num, shdr_size, shdr_addr, shdr_shndx;
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name,
		apm_table;
	uint32_t vbe_control_info, vbe_mode_info;
	uint16_t vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
	uint32_t framebuffer[7];
};

_Static_assert(sizeof(struct mb1_info) == 116, "up to color_info");

#define MB1_INFO_MEMORY   BIT(0)
#define MB1_INFO_CMDLINE  BIT(2)
#define MB1_INFO_MODS     BIT(3)
#define MB1_INFO_ELF_SHDR BIT(5)
#define MB1_INFO_MMAP     BIT(6)
#define MB1_INFO_NAME     BIT(9)

struct mb1_module {
	uint32_t mod_start, mod_end, string, reserved;
};

/* 'The size field is used to skip to the next entry', and does not count itself. */
struct mb1_mmap_entry {
	uint32_t size;
	uint64_t base_addr, length;
	uint32_t type;
} __packed;

static uint64_t find_header(const struct image *image)
{
	return multiboot_find(image, MB1_HEADER_MAGIC, 3, MB1_HEADER_ALIGN, MB1_HEADER_SEARCH);
}

bool is_multiboot1(const struct image *image)
{
	return find_header(image) != UINT64_MAX;
}

/* How much of the header its flags make valid. */
static uint64_t header_len(uint32_t flags)
{
	if (flags & MB1_VIDEO_MODE)
		return sizeof(struct mb1_header);
	return flags & MB1_AOUT_KLUDGE ? offsetof(struct mb1_header, mode_type)
				       : offsetof(struct mb1_header, addresses);
}

static int read_header(struct image *image, struct multiboot *mb)
{
	struct mb1_header header = {0};
	uint32_t unknown;

	mb->header_at = find_header(image);
	if (mb->header_at == UINT64_MAX)
		return image_fail(image, -ENOEXEC,
				  "the kernel has no Multiboot1 header in its first 8192 bytes; "
				  "leave format= out to have the format recognised");
	memcpy(&header, image->data + mb->header_at, offsetof(struct mb1_header, addresses));
	if (!range_is_inside(mb->header_at, header_len(header.flags), 0, image->size))
		return image_fail(image, -ENOEXEC,
				  "the kernel's file ends inside its Multiboot1 header; copy it "
				  "again");
	memcpy(&header, image->data + mb->header_at, header_len(header.flags));
	unknown = header.flags & MB1_REQUIREMENTS &
		  ~(MB1_PAGE_ALIGN | MB1_MEMORY_INFO | MB1_VIDEO_MODE);
	if (unknown)
		return image_fail(image, -ENOEXEC,
				  "the kernel's Multiboot1 header requires features that nobody "
				  "knows (flags 0x%x); build it without them",
				  unknown);
	/* What GRUB does where there is no video: it starts the kernel, which finds no video
	 * fields. */
	if (header.flags & MB1_VIDEO_MODE && header.mode_type > MB1_MODE_TYPE_EGA_TEXT)
		return image_fail(image, -ENOEXEC,
				  "the kernel's Multiboot1 header demands a video mode of the "
				  "unknown mode_type %u; build it with 0 or 1",
				  header.mode_type);
	mb->has_addresses = mb->has_entry = header.flags & MB1_AOUT_KLUDGE;
	mb->addresses = header.addresses;
	mb->entry = header.entry_addr;
	return 0;
}

static void put_mmap(struct multiboot_block *block, struct mb1_info *info)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint32_t count = memory_map(block->image->shape, row);

	info->mmap_addr = (uint32_t)block->at;
	info->mmap_length = count * (uint32_t)sizeof(struct mb1_mmap_entry);
	for (uint32_t i = 0; i < count; i++) {
		const struct mb1_mmap_entry e = {sizeof(e) - sizeof(e.size), row[i].base,
						 row[i].len, row[i].type};

		block_append(block, &e, sizeof(e));
	}
}

static void put_mods(struct multiboot_block *block, const struct multiboot *mb,
		     struct mb1_info *info)
{
	uint64_t list = block->at;

	info->mods_count = mb->module_count;
	info->mods_addr = (uint32_t)list;
	block->at += mb->module_count * sizeof(struct mb1_module);
	for (uint32_t i = 0; i < mb->module_count; i++) {
		const struct multiboot_module *m = &mb->module[i];
		const struct mb1_module row = {m->start, m->end,
					       block_append_string(block, m->string), 0};

		block_write(block, list + i * sizeof(row), &row, sizeof(row));
	}
}

static void fill(struct multiboot_block *block, const struct multiboot *mb)
{
	struct multiboot_meminfo mem = multiboot_meminfo(block->image->shape);
	struct mb1_info info = {
		.flags = MB1_INFO_MEMORY | MB1_INFO_CMDLINE | MB1_INFO_MODS | MB1_INFO_MMAP |
			 MB1_INFO_NAME,
		.mem_lower = mem.mem_lower,
		.mem_upper = mem.mem_upper,
	};

	block->at += sizeof(info);
	put_mmap(block, &info);
	put_mods(block, mb, &info);
	info.cmdline = block_append_string(block, block->image->config->append);
	info.boot_loader_name = block_append_string(block, MULTIBOOT_LOADER_NAME);
	if (mb->sections.num) {
		block_align(block, sizeof(uint64_t));
		info.flags |= MB1_INFO_ELF_SHDR;
		info.shdr_num = mb->sections.num;
		info.shdr_size = mb->sections.entsize;
		info.shdr_shndx = mb->sections.shndx;
		info.shdr_addr = (uint32_t)block->at;
		block_append_sections(block, mb);
	}
	block_write(block, block->base, &info, sizeof(info));
}

int load_multiboot1(struct image *image)
{
	struct multiboot mb = {0};
	int err = read_header(image, &mb);

	if (!err)
		err = multiboot_open(image, &mb);
	if (!err)
		err = multiboot_load(image, &mb);
	return err ? err : multiboot_put_info(image, &mb, MB1_BOOTLOADER_MAGIC, fill);
}
