/* Multiboot2 kernels by the 'Multiboot2 specification': its header's tags, and the information
 * structure. */
#include "lib/multiboot2.h"
#include "loader/multiboot.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "loader/acpi_tables.h"

struct header {
	uint32_t magic, architecture, header_length, checksum;
};

struct header_tag {
	uint16_t type, flags;
	uint32_t size;
};

/* 'If bit 0 of console_flags is set at least one of supported consoles must be present.' */
#define CONSOLE_REQUIRED BIT(0)

/* 'The load address' of an image that 'must be loaded from its beginning'. */
#define LOAD_ADDR_WHOLE_FILE UINT32_MAX

#define TAG_CONTENTS_MAX 16u

/* A known tag of the header: its name, how many bytes of contents it has at the least, and who
 * reads them. */
struct tag_kind {
	const char *name;
	uint32_t contents;
	int (*read)(struct image *image, struct multiboot *mb, const uint32_t *contents);
};

static uint64_t find_header(const struct image *image)
{
	return multiboot_find(image, MB2_HEADER_MAGIC, 4, MB2_HEADER_ALIGN, MB2_HEADER_SEARCH);
}

bool is_multiboot2(const struct image *image)
{
	return find_header(image) != UINT64_MAX;
}

static int read_addresses(struct image *image, struct multiboot *mb, const uint32_t *contents)
{
	struct multiboot_addresses *a = &mb->addresses;

	memcpy(a, contents, sizeof(*a));
	mb->has_addresses = true;
	if (a->load_addr != LOAD_ADDR_WHOLE_FILE)
		return 0;
	if (a->header_addr < mb->header_at)
		return image_fail(image, -ENOEXEC,
				  "the Multiboot2 header's header_addr 0x%x lies before its offset "
				  "in the file: it is damaged; build it again",
				  a->header_addr);
	a->load_addr = a->header_addr - (uint32_t)mb->header_at;
	return 0;
}

static int read_entry(struct image *image, struct multiboot *mb, const uint32_t *contents)
{
	(void)image;
	mb->has_entry = true;
	mb->entry = contents[0];
	return 0;
}

static int read_console_flags(struct image *image, struct multiboot *mb, const uint32_t *contents)
{
	(void)mb;
	if (contents[0] & CONSOLE_REQUIRED)
		return image_fail(image, -ENOEXEC,
				  "the kernel's Multiboot2 header requires a console (flags tag, "
				  "bit 0): a VM has no screen; build it without");
	return 0;
}

static int read_relocation(struct image *image, struct multiboot *mb, const uint32_t *contents)
{
	(void)image;
	memcpy(&mb->relocation, contents, sizeof(mb->relocation));
	mb->is_relocatable = true;
	return 0;
}

/* Modules are always on page boundaries, a framebuffer is 'only a recommended mode', and the tags
 * for EFI are 'taken into account only on EFI platforms'. Information requests are looked at by
 * themselves. */
static const struct tag_kind tag_kinds[] = {
	[MB2_HEADER_TAG_INFORMATION_REQUEST] = {"information request", 0, NULL},
	[MB2_HEADER_TAG_ADDRESS] = {"address", sizeof(struct multiboot_addresses), read_addresses},
	[MB2_HEADER_TAG_ENTRY_ADDRESS] = {"entry address", sizeof(uint32_t), read_entry},
	[MB2_HEADER_TAG_CONSOLE_FLAGS] = {"flags", sizeof(uint32_t), read_console_flags},
	[MB2_HEADER_TAG_FRAMEBUFFER] = {"framebuffer", 3 * sizeof(uint32_t), NULL},
	[MB2_HEADER_TAG_MODULE_ALIGN] = {"module alignment", 0, NULL},
	[MB2_HEADER_TAG_EFI_BS] = {"EFI boot services", 0, NULL},
	[MB2_HEADER_TAG_ENTRY_EFI32] = {"EFI i386 entry address", sizeof(uint32_t), NULL},
	[MB2_HEADER_TAG_ENTRY_EFI64] = {"EFI amd64 entry address", sizeof(uint32_t), NULL},
	[MB2_HEADER_TAG_RELOCATABLE] = {"relocatable", sizeof(struct multiboot_relocation),
					read_relocation},
};

/* The information that there may be, and what there never is in a VM. */
struct information {
	const char *name;
	bool is_given;
};

static const struct information informations[] = {
	[MB2_TAG_END] = {"end", true},
	[MB2_TAG_CMDLINE] = {"command line", true},
	[MB2_TAG_LOADER_NAME] = {"boot loader name", true},
	[MB2_TAG_MODULE] = {"modules", true},
	[MB2_TAG_BASIC_MEMINFO] = {"basic memory information", true},
	[5] = {"BIOS boot device", false},
	[MB2_TAG_MMAP] = {"memory map", true},
	[7] = {"VBE information", false},
	[MB2_TAG_FRAMEBUFFER] = {"framebuffer", false},
	[MB2_TAG_ELF_SECTIONS] = {"ELF symbols", true}, /* where the file has some */
	[10] = {"APM table", false},
	[11] = {"EFI 32-bit system table", false},
	[12] = {"EFI 64-bit system table", false},
	[13] = {"SMBIOS tables", false},
	[MB2_TAG_ACPI_OLD] = {"ACPI old RSDP", true},
	[MB2_TAG_ACPI_NEW] = {"ACPI new RSDP", true},
	[16] = {"networking information", false},
	[MB2_TAG_EFI_MMAP] = {"EFI memory map", false},
	[18] = {"EFI boot services not terminated", false},
	[19] = {"EFI 32-bit image handle", false},
	[20] = {"EFI 64-bit image handle", false},
	[MB2_TAG_LOAD_BASE] = {"load base address", true},
};

static int bad_header(struct image *image, const char *defect)
{
	return image_fail(image, -ENOEXEC,
			  "the kernel's Multiboot2 header %s: it is damaged; build it again",
			  defect);
}

static int read_tag(struct image *image, struct multiboot *mb, uint64_t at,
		    const struct header_tag *tag)
{
	const struct tag_kind *kind =
		tag->type < ARRAY_SIZE(tag_kinds) ? &tag_kinds[tag->type] : NULL;
	bool is_optional = tag->flags & MB2_HEADER_TAG_OPTIONAL;
	uint32_t contents[TAG_CONTENTS_MAX / sizeof(uint32_t)] = {0};

	if (!kind || !kind->name) {
		if (is_optional)
			return 0;
		return image_fail(image, -ENOEXEC,
				  "the kernel's Multiboot2 header requires the unknown tag %u; "
				  "build it without, or make the tag optional",
				  tag->type);
	}
	if (tag->size - sizeof(*tag) < kind->contents)
		return image_fail(image, -ENOEXEC,
				  "the Multiboot2 header's %s tag has %u bytes, too few: it is "
				  "damaged; build it again",
				  kind->name, tag->size);
	if (!kind->read || (is_optional && kind->read == read_console_flags))
		return 0;
	memcpy(contents, image->data + at + sizeof(*tag), kind->contents);
	return kind->read(image, mb, contents);
}

/* Calls `visit` for each tag of the header but the last. */
static int walk(struct image *image, struct multiboot *mb,
		int (*visit)(struct image *image, struct multiboot *mb, uint64_t at,
			     const struct header_tag *tag))
{
	struct header header;
	uint64_t at = mb->header_at + sizeof(header), end;
	int err = 0;

	memcpy(&header, image->data + mb->header_at, sizeof(header));
	end = mb->header_at + header.header_length;
	if (header.architecture != MB2_HEADER_ARCH_I386)
		return image_fail(image, -ENOEXEC,
				  "the kernel's Multiboot2 header is for another CPU (architecture "
				  "%u); use an x86 kernel",
				  header.architecture);
	if (end > image->size)
		return bad_header(image, "is longer than the file");
	/* 'The Multiboot2 header must be contained completely within the first 32768 bytes of the
	 * OS image'. */
	if (end > MB2_HEADER_SEARCH)
		return bad_header(image, "does not end in the file's first 32768 bytes");
	while (!err) {
		struct header_tag tag;

		if (!range_is_inside(at, sizeof(tag), 0, end))
			return bad_header(image, "has no end tag");
		memcpy(&tag, image->data + at, sizeof(tag));
		if (tag.size < sizeof(tag) || !range_is_inside(at, tag.size, 0, end))
			return bad_header(image, "has a tag with an impossible size");
		if (tag.type == MB2_HEADER_TAG_END)
			return 0;
		err = visit(image, mb, at, &tag);
		at = ALIGN_UP(at + tag.size, (uint64_t)MB2_TAG_ALIGN);
	}
	return err;
}

static bool is_given(const struct multiboot *mb, uint32_t type)
{
	if (type == MB2_TAG_ELF_SECTIONS)
		return mb->sections.num;
	return type < ARRAY_SIZE(informations) && informations[type].is_given;
}

static int check_requests(struct image *image, struct multiboot *mb, uint64_t at,
			  const struct header_tag *tag)
{
	if (tag->type != MB2_HEADER_TAG_INFORMATION_REQUEST || tag->flags & MB2_HEADER_TAG_OPTIONAL)
		return 0;
	for (uint32_t i = 0; i < (tag->size - sizeof(*tag)) / sizeof(uint32_t); i++) {
		uint32_t type;

		memcpy(&type, image->data + at + sizeof(*tag) + i * sizeof(type), sizeof(type));
		if (!is_given(mb, type))
			return image_fail(image, -ENOEXEC,
					  "the kernel's Multiboot2 header requires information "
					  "that is not there: tag %u, %s; build it without, or "
					  "make the request optional",
					  type,
					  type < ARRAY_SIZE(informations) ? informations[type].name
									  : "unknown");
	}
	return 0;
}

static int read_header(struct image *image, struct multiboot *mb)
{
	int err;

	mb->header_at = find_header(image);
	if (mb->header_at == UINT64_MAX)
		return image_fail(image, -ENOEXEC,
				  "the kernel has no Multiboot2 header in its first 32768 bytes; "
				  "leave format= out to have the format recognised");
	err = walk(image, mb, read_tag);
	if (!err && mb->has_addresses && !mb->has_entry)
		err = bad_header(image, "has an address tag without an entry address tag");
	return err;
}

/* A tag of the information: `size` is set when its contents are there. */
static uint64_t begin_tag(struct multiboot_block *block)
{
	block_align(block, MB2_TAG_ALIGN);
	block->at += sizeof(struct mb2_tag);
	return block->at - sizeof(struct mb2_tag);
}

static void end_tag(struct multiboot_block *block, uint64_t at, uint32_t type)
{
	const struct mb2_tag tag = {type, (uint32_t)(block->at - at)};

	block_write(block, at, &tag, sizeof(tag));
}

static void put_tag(struct multiboot_block *block, uint32_t type, const void *from, uint64_t len)
{
	uint64_t at = begin_tag(block);

	block_append(block, from, len);
	end_tag(block, at, type);
}

static void put_mmap(struct multiboot_block *block)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint32_t count = memory_map(block->image->shape, row);
	const uint32_t head[] = {sizeof(struct mb2_mmap_entry), 0};
	uint64_t at = begin_tag(block);

	block_append(block, head, sizeof(head));
	for (uint32_t i = 0; i < count; i++) {
		const struct mb2_mmap_entry e = {row[i].base, row[i].len, row[i].type, 0};

		block_append(block, &e, sizeof(e));
	}
	end_tag(block, at, MB2_TAG_MMAP);
}

static void put_modules(struct multiboot_block *block, const struct multiboot *mb)
{
	for (uint32_t i = 0; i < mb->module_count; i++) {
		const struct multiboot_module *m = &mb->module[i];
		const uint32_t range[] = {m->start, m->end};
		uint64_t at = begin_tag(block);

		block_append(block, range, sizeof(range));
		block_append_string(block, m->string);
		end_tag(block, at, MB2_TAG_MODULE);
	}
}

static void put_sections(struct multiboot_block *block, const struct multiboot *mb)
{
	const struct elf_sections *s = &mb->sections;
	const uint32_t head[] = {s->num, s->entsize, s->shndx};
	uint64_t at = begin_tag(block);

	block_append(block, head, sizeof(head));
	block_append_sections(block, mb);
	end_tag(block, at, MB2_TAG_ELF_SECTIONS);
}

static void put_acpi(struct multiboot_block *block)
{
	struct acpi_rsdp rsdp;

	if (gmem_read(block->image->gmem, GPA(GUEST_ACPI_BASE), &rsdp, sizeof(rsdp)))
		block->err = -EFAULT;
	/* Revision 0 had what stands before the length. */
	put_tag(block, MB2_TAG_ACPI_OLD, &rsdp, offsetof(struct acpi_rsdp, length));
	put_tag(block, MB2_TAG_ACPI_NEW, &rsdp, sizeof(rsdp));
}

static void fill(struct multiboot_block *block, const struct multiboot *mb)
{
	const char *append = block->image->config->append;
	const struct multiboot_meminfo mem = multiboot_meminfo(block->image->shape);
	const uint32_t load_base = (uint32_t)mb->base;
	struct mb2_info_header head = {0};

	block->at += sizeof(head);
	put_tag(block, MB2_TAG_CMDLINE, append, strlen(append) + 1);
	put_tag(block, MB2_TAG_LOADER_NAME, MULTIBOOT_LOADER_NAME, sizeof(MULTIBOOT_LOADER_NAME));
	put_tag(block, MB2_TAG_LOAD_BASE, &load_base, sizeof(load_base));
	put_modules(block, mb);
	put_tag(block, MB2_TAG_BASIC_MEMINFO, &mem, sizeof(mem));
	put_mmap(block);
	if (mb->sections.num)
		put_sections(block, mb);
	put_acpi(block);
	put_tag(block, MB2_TAG_END, NULL, 0);
	head.total_size = (uint32_t)(block->at - block->base);
	block_write(block, block->base, &head, sizeof(head));
}

int load_multiboot2(struct image *image)
{
	struct multiboot mb = {0};
	int err = read_header(image, &mb);

	if (!err)
		err = multiboot_open(image, &mb);
	if (!err)
		err = walk(image, &mb, check_requests);
	if (!err)
		err = multiboot_load(image, &mb);
	return err ? err : multiboot_put_info(image, &mb, MB2_BOOTLOADER_MAGIC, fill);
}
