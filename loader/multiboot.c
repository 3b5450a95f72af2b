/* Loading what Multiboot 1 and 2 kernels have in common: see multiboot.h. Every number of the
 * headers is checked before it is used. */
#include "loader/multiboot.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "loader/lowmem.h"

uint64_t multiboot_find(const struct image *image, uint32_t magic, uint32_t words, uint32_t align,
			uint64_t search)
{
	uint64_t end = MIN(image->size, search);

	for (uint64_t at = 0; at + words * sizeof(uint32_t) <= end; at += align) {
		uint32_t field[4], sum = 0;

		memcpy(field, image->data + at, sizeof(field[0]));
		if (field[0] != magic)
			continue;
		memcpy(field, image->data + at, words * sizeof(uint32_t));
		for (uint32_t i = 0; i < words; i++)
			sum += field[i];
		if (!sum)
			return at;
	}
	return UINT64_MAX;
}

int multiboot_open(struct image *image, struct multiboot *mb)
{
	int err;

	/* 'When the address tag is present it must be used, regardless of whether an ELF header is
	 * also present.' */
	mb->is_elf = !mb->has_addresses;
	if (!mb->is_elf)
		return 0;
	if (!is_elf(image))
		return image_fail(image, -ENOEXEC,
				  "the kernel has a Multiboot header, but neither addresses in it "
				  "nor an ELF file around it; build it again");
	err = elf_open(image, &mb->elf);
	return err ? err : elf_sections_open(image, &mb->elf, &mb->sections);
}

/* Decides where the kernel goes that has its own place at [mb->base, mb->end). */
static int place_kernel(struct image *image, struct multiboot *mb)
{
	const struct multiboot_relocation *r = &mb->relocation;
	uint64_t own = mb->base, len = mb->end - mb->base;
	uint64_t floor = MAX(r->min_addr, LOWMEM_INFO), align = r->align ? r->align : 1;
	uint64_t own_floor = MAX(floor, own);
	const struct image_place place = {floor, r->max_addr, align,
					  r->preference == MULTIBOOT_PREFER_HIGH};
	const struct image_place own_place = {own_floor, r->max_addr, align, false};

	if (!mb->is_relocatable)
		return 0;
	if (r->align & (r->align - 1))
		return image_fail(image, -ENOEXEC,
				  "the Multiboot2 header's relocatable tag has the align 0x%x, "
				  "which is not a power of two; build it again",
				  r->align);
	/* Without a preference it stays where it was linked, if it can. */
	if (r->preference == MULTIBOOT_PREFER_NONE &&
	    image_find(image, len, &own_place, &mb->base) && mb->base == own)
		return 0;
	if (!image_find(image, len, &place, &mb->base))
		return image_fail(image, -ENOSPC,
				  "no place in RAM for the kernel of %llu KiB between its min_addr "
				  "0x%x and max_addr 0x%x; give more mem=",
				  (unsigned long long)(len + 1023) / 1024, r->min_addr,
				  r->max_addr);
	mb->slide = mb->base - own;
	image->entry->is_moved = mb->slide != 0;
	mb->end = mb->base + len;
	return 0;
}

static int load_elf_kernel(struct image *image, struct multiboot *mb)
{
	uint64_t entry = mb->has_entry ? mb->entry : elf_physical_entry(image, &mb->elf);
	int err = elf_span(image, &mb->elf, &mb->base, &mb->end);

	if (!err && mb->end > GIB(4))
		err = image_fail(image, -ENOEXEC,
				 "the Multiboot kernel's ELF segments end at 0x%llx, above 4 GiB; "
				 "link it elsewhere",
				 (unsigned long long)mb->end);
	if (!err)
		err = place_kernel(image, mb);
	image->entry->rip = entry + mb->slide;
	return err ? err : elf_load_at(image, &mb->elf, mb->slide, image->entry->rip);
}

static int bad_address(struct image *image, const char *field, uint64_t value, const char *defect)
{
	return image_fail(image, -ENOEXEC,
			  "the Multiboot header's %s 0x%llx %s: it is damaged; build it again",
			  field, (unsigned long long)value, defect);
}

/* 'The offset in the OS image file at which to start loading is the offset at which the header was
 * found, minus (header_addr - load_addr).' */
static int load_by_addresses(struct image *image, struct multiboot *mb)
{
	const struct multiboot_addresses *a = &mb->addresses;
	uint64_t before = a->header_addr - a->load_addr, offset = mb->header_at - before, len;
	int err;

	if (a->load_addr > a->header_addr || before > mb->header_at)
		return bad_address(image, "load_addr", a->load_addr,
				   a->load_addr > a->header_addr ? "lies above header_addr"
								 : "lies before the file");
	if (a->load_end_addr && a->load_end_addr < a->load_addr)
		return bad_address(image, "load_end_addr", a->load_end_addr, "is below load_addr");
	len = a->load_end_addr ? a->load_end_addr - a->load_addr : image->size - offset;
	if (len > image->size - offset)
		return bad_address(image, "load_end_addr", a->load_end_addr,
				   "reaches past the end of the file");
	mb->base = a->load_addr;
	mb->end = mb->base + len;
	if (a->bss_end_addr && a->bss_end_addr < mb->end)
		return bad_address(image, "bss_end_addr", a->bss_end_addr,
				   "is below the end of what is loaded");
	mb->end = MAX(mb->end, a->bss_end_addr);
	if (!range_is_inside(mb->entry, 1, mb->base, len))
		return bad_address(image, "entry_addr", mb->entry,
				   "lies outside what is loaded from the file");
	err = place_kernel(image, mb);
	if (!err)
		err = image_claim(image, mb->base, mb->end - mb->base, "the kernel");
	if (!err)
		err = image_write_file(image, mb->base, image->data + offset, len);
	if (!err)
		err = image_write_zeros(image, mb->base + len, mb->end - mb->base - len);
	image->entry->rip = mb->entry + mb->slide;
	return err;
}

/* Behind the kernel, where GRUB and QEMU put such things and small kernels have mapped memory;
 * where there is none, as behind a kernel that is relocated to the top, anywhere from 1 MiB on. */
static struct image_place place_behind(const struct image *image, const struct multiboot *mb,
				       uint64_t len)
{
	uint64_t behind = MAX(mb->end, GUEST_HOLE_END), base;
	struct image_place place = {behind, GIB(4), PAGE_SIZE, false};

	if (!image_find(image, len, &place, &base))
		place.floor = GUEST_HOLE_END;
	return place;
}

static int put_module(struct image *image, struct multiboot *mb, const struct boot_module *file,
		      const char *string, const char *what)
{
	const struct image_place place = place_behind(image, mb, file->size);
	uint64_t base = 0;
	int err = image_put_file(image, file, &place, what, &base);

	mb->module[mb->module_count++] =
		(struct multiboot_module){(uint32_t)base, (uint32_t)(base + file->size), string};
	return err;
}

/* The initrd is the first module, as for PVH. */
static int put_modules(struct image *image, struct multiboot *mb)
{
	const struct vm_config *config = image->config;
	int err = 0;

	if (config->initrd)
		err = put_module(image, mb, config->initrd, "", "the initrd");
	for (uint32_t i = 0; i < config->module_count && !err; i++)
		err = put_module(image, mb, config->module[i].module, config->module[i].string,
				 "a module");
	return err;
}

static int claim_contents(struct image *image, struct multiboot *mb)
{
	uint64_t len = mb->sections.contents_len;
	const struct image_place place = place_behind(image, mb, len);

	return len ? image_claim_place(image, len, &place, "the kernel's symbols and strings",
				       &mb->contents)
		   : 0;
}

int multiboot_load(struct image *image, struct multiboot *mb)
{
	int err = lowmem_build_mode(image, 32);

	if (!err)
		err = mb->is_elf ? load_elf_kernel(image, mb) : load_by_addresses(image, mb);
	if (!err)
		err = put_modules(image, mb);
	return err ? err : claim_contents(image, mb);
}

void block_write(struct multiboot_block *block, uint64_t to, const void *from, uint64_t len)
{
	if (block->base && !block->err)
		block->err = image_write(block->image, to, from, len);
}

uint32_t block_append(struct multiboot_block *block, const void *from, uint64_t len)
{
	uint64_t at = block->at;

	block_write(block, at, from, len);
	block->at += len;
	return (uint32_t)at;
}

uint32_t block_append_string(struct multiboot_block *block, const char *text)
{
	return block_append(block, text, strlen(text) + 1);
}

void block_append_sections(struct multiboot_block *block, const struct multiboot *mb)
{
	if (block->base && !block->err)
		block->err = elf_sections_put(block->image, &mb->elf, &mb->sections, block->at,
					      mb->contents);
	block->at += (uint64_t)mb->sections.num * mb->sections.entsize;
}

void block_align(struct multiboot_block *block, uint32_t align)
{
	block->at = ALIGN_UP(block->at, (uint64_t)align);
}

int multiboot_put_info(struct image *image, const struct multiboot *mb, uint32_t magic,
		       void (*fill)(struct multiboot_block *block, const struct multiboot *mb))
{
	const struct image_place place = {LOWMEM_INFO, GIB(4), PAGE_SIZE, false};
	struct multiboot_block block = {.image = image};
	int err;

	fill(&block, mb);
	err = image_claim_place(image, block.at, &place, "the Multiboot information", &block.base);
	if (!err)
		err = image_zero(image, block.base, block.at);
	if (err)
		return err;
	block.at = block.base;
	fill(&block, mb);
	image->entry->rax = magic;
	image->entry->rbx = block.base;
	return block.err;
}

struct multiboot_meminfo multiboot_meminfo(const struct guest_shape *shape)
{
	return (struct multiboot_meminfo){GUEST_HOLE_BASE / 1024,
					  (uint32_t)((shape->low_end - GUEST_HOLE_END) / 1024)};
}
