/* Flat images: the file's bytes at address=, started at the first one. */
#include "loader/lowmem.h"
#include "lib/errno.h"

static int load_real_mode(struct image *image, uint64_t address)
{
	struct guest_entry *entry = image->entry;
	int err;

	if (image->config->append[0])
		return image_fail(image, -EINVAL,
				  "a real-mode image cannot be given a command line; "
				  "remove what stands behind '--'");
	if (address >= GUEST_HOLE_BASE || address % 16)
		return image_fail(image, -EINVAL,
				  "mode=real starts at a multiple of 16 below 0xa0000, not at "
				  "address=0x%llx; use address=0x7c00",
				  (unsigned long long)address);
	err = image_claim(image, 0, LOWMEM_REAL_STACK, "the real-mode vectors and stack");
	*entry = (struct guest_entry){
		.mode = 16,
		.rip = address,
		.rsp = LOWMEM_REAL_STACK,
		.cs = (uint16_t)(address >> 4),
		.format = entry->format,
	};
	return err;
}

static int load_protected_mode(struct image *image, uint64_t address)
{
	int err = lowmem_build(image, image->config->flat_mode, "flat", PAGE_SIZE);

	if (!err)
		err = lowmem_build_stack(image);
	if (!err && address >= GIB(4))
		err = image_fail(image, -EINVAL,
				 "address=0x%llx of a flat image lies above 4 GiB; use 0x100000",
				 (unsigned long long)address);
	image->entry->rip = address;
	return err;
}

int load_flat(struct image *image)
{
	uint64_t address = image->config->flat_address;
	int err = image_refuse_initrd(image, "a flat image");

	if (!err)
		err = image_refuse_modules(image, "a flat image");
	if (!err)
		err = image->config->flat_mode == 16 ? load_real_mode(image, address)
						     : load_protected_mode(image, address);
	if (!err)
		err = image_claim(image, address, image->size, "the flat image");
	return err ? err : image_write_file(image, address, image->data, image->size);
}
