/* 64-bit ELF files without another protocol (Carousel's guest stubs): loaded at their physical
 * addresses and entered in long mode at e_entry. The registers are in docs/guests.md. */
#include "loader/elf.h"
#include "loader/lowmem.h"
#include "lib/errno.h"

int load_elf64(struct image *image)
{
	struct elf_file elf;
	int err = elf_open(image, &elf);

	if (!err && !elf.is_64)
		err = image_fail(
			image, -ENOEXEC,
			"the kernel is a 32-bit ELF file without a PVH note, which Carousel "
			"has no way to start; give it the note, or build it for 64 bits");
	if (!err)
		err = image_refuse_initrd(image, "an ELF64 image");
	if (!err)
		err = image_refuse_modules(image, "an ELF64 image");
	if (!err)
		err = lowmem_build(image, 64, "ELF64", PAGE_SIZE);
	if (!err)
		err = lowmem_build_stack(image);
	if (!err)
		err = elf_load(image, &elf, elf.entry);
	image->entry->rip = elf.entry;
	return err;
}
