/* Loading a guest: what its image is, which loader takes it. */
#include "loader/load.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "loader/acpi.h"
#include "loader/image.h"
#include "loader/lowmem.h"

struct foreign {
	uint32_t at, len;
	const char *magic, *what;
};

/* Files that are often given by mistake. */
static const struct foreign foreign[] = {
	{0, 2, "\x1f\x8b", "gzip-compressed; unpack it first"},
	{0, 6,
	 "\xfd"
	 "7zXZ\0",
	 "xz-compressed; unpack it first"},
	{0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"},
	{0, 3, "BZh", "bzip2-compressed; unpack it first"},
	{0, 6, "070701", "a cpio archive; give an initrd with the word initrd"},
	{0, 8, "!<arch>\n", "a Debian package or library; take the kernel out of it"},
	{0x38, 4, "ARMd", "an arm64 kernel; use an x86 kernel"},
	{0x8001, 5, "CD001", "an ISO image; take the kernel out of it"},
};

/* FORMAT_AUTO when nothing fits. A flat image has no mark: it is never recognised. */
static enum image_format recognise(struct image *image)
{
	if (is_bzimage(image))
		return FORMAT_BZIMAGE;
	if (is_pvh(image))
		return FORMAT_PVH;
	if (is_multiboot2(image))
		return FORMAT_MULTIBOOT2;
	if (is_multiboot1(image))
		return FORMAT_MULTIBOOT1;
	if (is_elf(image))
		return is_elf64(image) ? FORMAT_ELF64 : FORMAT_ELF32;
	return FORMAT_AUTO;
}

static int refuse_unknown(struct image *image)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		const struct foreign *f = &foreign[i];

		if (image->size >= f->at + f->len && !memcmp(image->data + f->at, f->magic, f->len))
			return image_fail(image, -ENOEXEC, "the kernel's file is %s", f->what);
	}
	if (image->size < 1024)
		return image_fail(image, -ENOEXEC,
				  "the kernel's file has %llu bytes and no known format: it is "
				  "truncated or foreign; copy it again, or add format=flat for a "
				  "flat binary",
				  (unsigned long long)image->size);
	return image_fail(image, -ENOEXEC,
			  "the kernel's file is neither a bzImage nor an ELF file; give one of "
			  "these, or add format=flat for a flat binary");
}

static int load_image(struct image *image, enum image_format format)
{
	switch (format) {
	case FORMAT_FLAT:
		return load_flat(image);
	case FORMAT_ELF32:
		return load_elf32(image);
	case FORMAT_ELF64:
		return load_elf64(image);
	case FORMAT_PVH:
		return load_pvh(image);
	case FORMAT_BZIMAGE:
		return load_bzimage(image);
	case FORMAT_MULTIBOOT1:
		return load_multiboot1(image);
	case FORMAT_MULTIBOOT2:
		return load_multiboot2(image);
	case FORMAT_AUTO:
		break;
	}
	return refuse_unknown(image);
}

int load_guest(const struct vm_config *config, const struct guest_shape *shape,
	       const struct gmem *gmem, struct guest_entry *entry, char *error, size_t error_size)
{
	struct image image = {
		.config = config,
		.shape = shape,
		.gmem = gmem,
		.entry = entry,
		.data = config->kernel->data,
		.size = config->kernel->size,
		.error = error,
		.error_size = error_size,
	};
	enum image_format format = config->format;
	int err;

	memset(entry, 0, sizeof(*entry));
	if (!image.size)
		return image_fail(
			&image, -ENOEXEC,
			"the kernel's file is empty; check the file and its module2 line");
	if (format == FORMAT_AUTO)
		format = recognise(&image);
	entry->format = image_format_name(format);
	/* First, because Multiboot2 hands out copies of the root pointer. */
	if (acpi_build(shape, gmem))
		return image_fail(&image, -ENOSPC,
				  "the ACPI tables find no RAM at 0x%x-0x%x; give more mem=",
				  GUEST_ACPI_BASE, GUEST_ACPI_BASE + GUEST_ACPI_SIZE - 1);
	err = lowmem_build_firmware(&image);
	if (!err)
		err = load_image(&image, format);
	if (!err)
		error[0] = '\0';
	return err;
}
