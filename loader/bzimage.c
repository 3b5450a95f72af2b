/* Linux's bzImage, by 'The Linux/x86 Boot Protocol' (its 64-bit part, or the 32-bit part for
 * kernels without a 64-bit entry point). The names of fields are the document's. */
#include <asm/bootparam.h>
#include <asm/e820.h>

#include "loader/lowmem.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

#define SECTOR          512ull
#define BOOT_FLAG       0xaa55u
#define HEADER_MAGIC    0x53726448u /* "HdrS" */
#define HEADER_AT       offsetof(struct boot_params, hdr)
#define HEADER_MAGIC_AT (HEADER_AT + offsetof(struct setup_header, header))
/* The second byte of the jump instruction: 'the end of the header is 0x202 plus this byte'. */
#define HEADER_JUMP_AT  (HEADER_AT + offsetof(struct setup_header, jump) + 1)
#define HEADER_NEEDED   (HEADER_AT + offsetof(struct setup_header, init_size) + sizeof(uint32_t))
#define ENTRY64_OFFSET  0x200u

/* Protocol 2.10 brought init_size and pref_address, 2.12 xloadflags. */
#define PROTOCOL_MIN        0x020au
#define PROTOCOL_XLOADFLAGS 0x020cu
#define TYPE_OF_LOADER_NONE 0xffu

_Static_assert(sizeof(struct boot_params) == PAGE_SIZE, "fits its page");

struct bzimage {
	struct setup_header hdr;
	uint64_t kernel_at, kernel_len; /* the protected-mode kernel, within the file */
	uint64_t base;                  /* where it is put */
	bool is_64;
};

bool is_bzimage(const struct image *image)
{
	uint32_t magic;

	if (image->size < HEADER_MAGIC_AT + sizeof(magic))
		return false;
	memcpy(&magic, image->data + HEADER_MAGIC_AT, sizeof(magic));
	return magic == HEADER_MAGIC;
}

/* Copies the setup header out of the file, as much of it as the kernel says there is. */
static int read_header(struct image *image, struct bzimage *bz)
{
	struct setup_header *hdr = &bz->hdr;
	uint64_t end;

	if (!is_bzimage(image))
		return image_fail(image, -ENOEXEC,
				  "the kernel is not a bzImage (no 'HdrS' at 0x202); leave format= "
				  "out to have the format recognised");
	if (image->size < 2 * SECTOR)
		return image_fail(image, -ENOEXEC,
				  "the bzImage is cut off after %llu bytes, inside its setup code; "
				  "copy it again",
				  (unsigned long long)image->size);
	end = HEADER_MAGIC_AT + image->data[HEADER_JUMP_AT];
	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr, image->data + HEADER_AT, MIN(end - HEADER_AT, (uint64_t)sizeof(*hdr)));
	if (hdr->boot_flag != BOOT_FLAG)
		return image_fail(
			image, -ENOEXEC,
			"the bzImage's boot_flag is 0x%x, not 0xaa55: it is damaged; copy "
			"it again",
			hdr->boot_flag);
	if (hdr->version < PROTOCOL_MIN)
		return image_fail(image, -ENOEXEC,
				  "the bzImage speaks boot protocol %u.%02u; Carousel needs 2.10 "
				  "(Linux 2.6.31) or later",
				  hdr->version >> 8, hdr->version & 0xff);
	if (end < HEADER_NEEDED)
		return image_fail(image, -ENOEXEC,
				  "the bzImage's setup header ends at 0x%llx, before init_size: it "
				  "is damaged; copy it again",
				  (unsigned long long)end);
	if (!(hdr->loadflags & LOADED_HIGH))
		return image_fail(image, -ENOEXEC,
				  "the kernel is a zImage (loadflags without LOADED_HIGH); build a "
				  "bzImage");
	return 0;
}

/* Where in the file the protected-mode kernel is, and whether the header's sizes can be true. */
static int check_sizes(struct image *image, struct bzimage *bz)
{
	const struct setup_header *hdr = &bz->hdr;
	uint32_t setup_sects = hdr->setup_sects ? hdr->setup_sects : 4;
	uint64_t have;

	bz->kernel_at = (setup_sects + 1) * SECTOR;
	bz->kernel_len = (uint64_t)hdr->syssize * 16;
	if (bz->kernel_at >= image->size)
		return image_fail(
			image, -ENOEXEC,
			"the bzImage's setup_sects %u reaches past the end of the file of "
			"%llu bytes: it is truncated or damaged; copy it again",
			hdr->setup_sects, (unsigned long long)image->size);
	have = image->size - bz->kernel_at;
	/* 'The size of the protected-mode code in units of 16-byte paragraphs': the last one need
	 * not be full (memtest86+'s is not). */
	if (bz->kernel_len > ALIGN_UP(have, 16ull))
		return image_fail(
			image, -ENOEXEC,
			"the bzImage is truncated: syssize says %llu bytes of kernel, the "
			"file has %llu; copy it again",
			(unsigned long long)bz->kernel_len, (unsigned long long)have);
	bz->kernel_len = MIN(bz->kernel_len, have);
	if (bz->kernel_len <= ENTRY64_OFFSET)
		return image_fail(image, -ENOEXEC,
				  "the bzImage's syssize says %llu bytes of kernel: it is damaged; "
				  "copy it again",
				  (unsigned long long)bz->kernel_len);
	if (hdr->init_size < bz->kernel_len)
		return image_fail(
			image, -ENOEXEC,
			"the bzImage's init_size 0x%x is smaller than its kernel of 0x%llx "
			"bytes: it is damaged; copy it again",
			hdr->init_size, (unsigned long long)bz->kernel_len);
	if (hdr->kernel_alignment & (hdr->kernel_alignment - 1) || !hdr->kernel_alignment)
		return image_fail(
			image, -ENOEXEC,
			"the bzImage's kernel_alignment 0x%x is not a power of two: it is "
			"damaged; copy it again",
			hdr->kernel_alignment);
	return 0;
}

/* The kernel runs at pref_address, wherever below it is loaded, and needs init_size bytes there. */
static int place_kernel(struct image *image, struct bzimage *bz)
{
	const struct setup_header *hdr = &bz->hdr;
	uint64_t low_end = image->shape->low_end, end;

	bz->base = hdr->pref_address;
	if (hdr->relocatable_kernel && bz->base < GIB(4))
		bz->base = ALIGN_UP(bz->base, (uint64_t)hdr->kernel_alignment);
	if (!checked_add(bz->base, (uint64_t)hdr->init_size, &end) || end > low_end ||
	    bz->base < GUEST_HOLE_END)
		return image_fail(
			image, -ENOSPC,
			"the bzImage needs 0x%x bytes (init_size) at 0x%llx "
			"(pref_address), the VM's RAM there is 0x100000-0x%llx; give more "
			"mem=; if that cannot be true, the file is damaged",
			hdr->init_size, (unsigned long long)hdr->pref_address,
			(unsigned long long)low_end - 1);
	return image_claim(image, bz->base, hdr->init_size, "the kernel");
}

#define BOOT_PARAMS(field) (LOWMEM_INFO + offsetof(struct boot_params, field))

static int put_e820(struct image *image)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint8_t count = (uint8_t)memory_map(image->shape, row);
	int err = image_write(image, BOOT_PARAMS(e820_entries), &count, sizeof(count));

	for (uint32_t i = 0; i < count && !err; i++) {
		struct boot_e820_entry e = {row[i].base, row[i].len, row[i].type};

		err = image_write(image, BOOT_PARAMS(e820_table) + i * sizeof(e), &e, sizeof(e));
	}
	return err;
}

/* 'setup_data: a singly linked list'; its one element is a seed for the guest's random numbers, if
 * there is one. */
static int put_setup_data(struct image *image, struct setup_header *hdr)
{
	const struct guest_shape *shape = image->shape;
	const struct setup_data data = {.type = SETUP_RNG_SEED, .len = sizeof(shape->seed)};
	int err;

	hdr->setup_data = 0;
	if (!shape->has_seed)
		return 0;
	hdr->setup_data = LOWMEM_SETUP_DATA;
	err = image_claim(image, LOWMEM_SETUP_DATA, PAGE_SIZE, "the loader's setup_data");
	if (!err)
		err = image_write(image, LOWMEM_SETUP_DATA, &data, sizeof(data));
	return err ? err
		   : image_write(image, LOWMEM_SETUP_DATA + sizeof(data), shape->seed,
				 sizeof(shape->seed));
}

/* A clean boot_params: zero but for what the document tells the loader to fill. */
static int put_boot_params(struct image *image, struct bzimage *bz)
{
	struct setup_header *hdr = &bz->hdr;
	const uint64_t rsdp = GUEST_ACPI_BASE;
	uint64_t initrd, initrd_len;
	int err = image_put_initrd(image, (uint64_t)hdr->initrd_addr_max + 1, &initrd, &initrd_len);

	if (err)
		return err;
	hdr->type_of_loader = TYPE_OF_LOADER_NONE;
	hdr->code32_start = (uint32_t)bz->base;
	hdr->cmd_line_ptr = LOWMEM_CMDLINE;
	/* Both fit: the initrd lies below initrd_addr_max. */
	hdr->ramdisk_image = (uint32_t)initrd;
	hdr->ramdisk_size = (uint32_t)initrd_len;
	err = put_setup_data(image, hdr);
	if (!err)
		err = image_zero(image, LOWMEM_INFO, sizeof(struct boot_params));
	if (!err)
		err = image_write(image, BOOT_PARAMS(hdr), hdr, sizeof(*hdr));
	if (!err)
		err = image_write(image, BOOT_PARAMS(acpi_rsdp_addr), &rsdp, sizeof(rsdp));
	return err ? err : put_e820(image);
}

int load_bzimage(struct image *image)
{
	struct guest_entry *entry = image->entry;
	struct bzimage bz = {0};
	int err = read_header(image, &bz);

	if (!err)
		err = check_sizes(image, &bz);
	if (!err)
		err = image_refuse_modules(image, "a bzImage");
	if (err)
		return err;
	bz.is_64 = bz.hdr.version >= PROTOCOL_XLOADFLAGS && bz.hdr.xloadflags & XLF_KERNEL_64;
	err = lowmem_build(image, bz.is_64 ? 64 : 32, "bzImage", bz.hdr.cmdline_size);
	if (!err)
		err = image_claim(image, LOWMEM_INFO, PAGE_SIZE, "the loader's boot_params");
	if (!err)
		err = place_kernel(image, &bz);
	if (!err)
		err = image_write_file(image, bz.base, image->data + bz.kernel_at, bz.kernel_len);
	if (!err)
		err = put_boot_params(image, &bz);
	entry->rsi = LOWMEM_INFO;
	entry->rip = bz.is_64 ? bz.base + ENTRY64_OFFSET : bz.base;
	return err;
}
