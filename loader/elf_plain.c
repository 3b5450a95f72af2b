/* ELF files without another protocol (Carousel's guest stubs): loaded at their physical addresses
 * and entered at e_entry, in long mode or, 32-bit ones, in 32-bit mode. The registers are in
 * docs/guests.md. */
#include "loader/elf.h"
#include "loader/lowmem.h"
#include "lib/errno.h"

static int load_plain(struct image *image, uint8_t mode, const char *format, const char *what)
{
	struct elf_file elf;
	int err = elf_open(image, &elf);

	if (!err && elf.is_64 != (mode == 64))
		err = image_fail(image, -ENOEXEC,
				 "the kernel is an ELF file of %u bits, format= says %u; leave "
				 "format= out to have the format recognised",
				 elf.is_64 ? 64 : 32, mode);
	if (!err)
		err = image_refuse_initrd(image, what);
	if (!err)
		err = image_refuse_modules(image, what);
	if (!err)
		err = lowmem_build(image, mode, format, PAGE_SIZE);
	if (!err)
		err = lowmem_build_stack(image);
	if (!err)
		err = elf_load(image, &elf, elf.entry);
	image->entry->rip = elf.entry;
	return err;
}

int load_elf32(struct image *image)
{
	return load_plain(image, 32, "ELF32", "an ELF32 image");
}

int load_elf64(struct image *image)
{
	return load_plain(image, 64, "ELF64", "an ELF64 image");
}
