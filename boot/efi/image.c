/* The hypervisor's own ELF file. The file is of this machine's administrator, but may be cut off or
 * be another one. */
#include <elf.h>

#include "boot/efi/image.h"
#include "boot/mb2.h"
#include "lib/checked.h"
#include "lib/string.h"

/* 'The layout of Multiboot2 header': it 'must be contained completely within the first 32768 bytes
 * of the OS image, and must be 64-bit aligned'. */
#define HEADER_SEARCH 32768u

static bool has_multiboot2_header(const uint8_t *file, uint64_t size)
{
	struct {
		uint32_t magic, architecture, length, checksum;
	} header;

	for (uint64_t at = 0;
	     range_is_inside(at, sizeof(header), 0, MIN(size, (uint64_t)HEADER_SEARCH));
	     at += MB2_HEADER_ALIGN) {
		memcpy(&header, file + at, sizeof(header));
		if (header.magic == MB2_HEADER_MAGIC &&
		    header.architecture == MB2_HEADER_ARCH_I386 &&
		    header.magic + header.architecture + header.length + header.checksum == 0)
			return true;
	}
	return false;
}

static bool is_elf_good(const Elf64_Ehdr *ehdr, uint64_t size)
{
	return !memcmp(ehdr->e_ident, ELFMAG, SELFMAG) && ehdr->e_ident[EI_CLASS] == ELFCLASS64 &&
	       ehdr->e_ident[EI_DATA] == ELFDATA2LSB && ehdr->e_machine == EM_X86_64 &&
	       ehdr->e_type == ET_EXEC && ehdr->e_phentsize == sizeof(Elf64_Phdr) &&
	       range_is_inside(ehdr->e_phoff, (uint64_t)ehdr->e_phnum * sizeof(Elf64_Phdr), 0,
			       size);
}

static const char *add_segment(struct efi_image *image, const Elf64_Phdr *phdr, uint64_t size)
{
	if (!range_is_inside(phdr->p_offset, phdr->p_filesz, 0, size))
		return "is cut off";
	if (phdr->p_filesz > phdr->p_memsz || phdr->p_offset > UINT32_MAX ||
	    !range_is_inside(phdr->p_paddr, phdr->p_memsz, MIB(1), GIB(4) - 1 - MIB(1)))
		return "has a segment that cannot be loaded";
	for (uint32_t i = 0; i < image->segment_count; i++)
		if (range_is_overlapping(image->segment[i].to,
					 image->segment[i].file_size + image->segment[i].zero_size,
					 phdr->p_paddr, phdr->p_memsz))
			return "has segments on each other";
	if (image->segment_count == EFI_IMAGE_SEGMENTS_MAX)
		return "has too many segments";
	image->segment[image->segment_count++] = (struct efi_segment){
		.offset = (uint32_t)phdr->p_offset,
		.to = (uint32_t)phdr->p_paddr,
		.file_size = (uint32_t)phdr->p_filesz,
		.zero_size = (uint32_t)(phdr->p_memsz - phdr->p_filesz),
	};
	image->start = MIN(image->start, (uint32_t)phdr->p_paddr);
	image->end = MAX(image->end, (uint32_t)(phdr->p_paddr + phdr->p_memsz));
	return NULL;
}

const char *efi_image_read(struct efi_image *image, const void *file, uint64_t size)
{
	const uint8_t *bytes = file;
	Elf64_Ehdr ehdr;

	*image = (struct efi_image){.start = UINT32_MAX};
	if (size < sizeof(ehdr))
		return "is no 64-bit ELF file";
	memcpy(&ehdr, file, sizeof(ehdr));
	if (!is_elf_good(&ehdr, size))
		return "is no 64-bit ELF file";
	if (!has_multiboot2_header(bytes, size))
		return "has no Multiboot2 header";
	for (uint32_t i = 0; i < ehdr.e_phnum; i++) {
		const char *wrong = NULL;
		Elf64_Phdr phdr;

		memcpy(&phdr, bytes + ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type == PT_LOAD && phdr.p_memsz)
			wrong = add_segment(image, &phdr, size);
		if (wrong)
			return wrong;
	}
	for (uint32_t i = 0; i < image->segment_count; i++)
		if (range_is_inside(ehdr.e_entry, 1, image->segment[i].to,
				    image->segment[i].file_size)) {
			image->entry = (uint32_t)ehdr.e_entry;
			return NULL;
		}
	return "begins outside its segments";
}
