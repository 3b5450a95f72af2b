/* ELF: see elf.h. Every number of the file is checked before it is used. */
#include <elf.h>

#include "loader/elf.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

bool is_elf(const struct image *image)
{
	return image->size >= SELFMAG && !memcmp(image->data, ELFMAG, SELFMAG);
}

bool is_elf64(const struct image *image)
{
	return is_elf(image) && image->size > EI_CLASS && image->data[EI_CLASS] == ELFCLASS64;
}

static int not_elf(struct image *image, const char *defect)
{
	return image_fail(image, -ENOEXEC, "the kernel's ELF file %s; copy or build it again",
			  defect);
}

/* The fields of the two classes have the same names, at different places. */
#define READ_HEADER(type, image, elf, ident, machine, ehtype, phentsize)                           \
	do {                                                                                       \
		type header;                                                                       \
                                                                                                   \
		memcpy(&header, (image)->data, sizeof(header));                                    \
		(elf)->entry = header.e_entry;                                                     \
		(elf)->phnum = header.e_phnum;                                                     \
		(elf)->phoff = header.e_phoff;                                                     \
		(elf)->shnum = header.e_shnum;                                                     \
		(elf)->shentsize = header.e_shentsize;                                             \
		(elf)->shstrndx = header.e_shstrndx;                                               \
		(elf)->shoff = header.e_shoff;                                                     \
		*(ident) = header.e_ident[EI_DATA];                                                \
		*(machine) = header.e_machine;                                                     \
		*(ehtype) = header.e_type;                                                         \
		*(phentsize) = header.e_phentsize;                                                 \
	} while (0)

static int read_header(struct image *image, struct elf_file *elf)
{
	uint16_t machine, type, phentsize;
	uint64_t entry_size;
	uint8_t endian;

	*elf = (struct elf_file){.is_64 = is_elf64(image)};
	if (!is_elf(image))
		return image_fail(image, -ENOEXEC,
				  "the kernel is not an ELF file; leave format= "
				  "out to have the format recognised");
	if (image->size < (elf->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return not_elf(image, "is cut off inside its header");
	entry_size = elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	if (elf->is_64)
		READ_HEADER(Elf64_Ehdr, image, elf, &endian, &machine, &type, &phentsize);
	else
		READ_HEADER(Elf32_Ehdr, image, elf, &endian, &machine, &type, &phentsize);

	if (endian != ELFDATA2LSB || machine != (elf->is_64 ? EM_X86_64 : EM_386))
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file is for another CPU (e_machine %u); "
				  "use an x86 kernel",
				  machine);
	if (type != ET_EXEC && type != ET_DYN)
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file (e_type %u) is no executable; link it",
				  type);
	elf->is_fixed = type == ET_EXEC;
	if (!elf->phnum || phentsize != entry_size)
		return not_elf(image, "has no program headers of the right size");
	if (elf->phnum > ELF_SEGMENTS_MAX)
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file has %u program headers; at most %u are "
				  "looked at; link it with fewer",
				  elf->phnum, ELF_SEGMENTS_MAX);
	if (!range_is_inside(elf->phoff, elf->phnum * entry_size, 0, image->size))
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF program headers, %u at 0x%llx, lie outside the "
				  "file of 0x%llx bytes: it is truncated or damaged; copy it again",
				  elf->phnum, (unsigned long long)elf->phoff,
				  (unsigned long long)image->size);
	return 0;
}

#define READ_SEGMENT(type, image, elf, i, out)                                                     \
	do {                                                                                       \
		type ph;                                                                           \
                                                                                                   \
		memcpy(&ph, (image)->data + (elf)->phoff + (i) * sizeof(ph), sizeof(ph));          \
		*(out) = (struct elf_segment){ph.p_type,   ph.p_offset, ph.p_vaddr, ph.p_paddr,    \
					      ph.p_filesz, ph.p_memsz,  ph.p_align};               \
	} while (0)

struct elf_segment elf_segment(const struct image *image, const struct elf_file *elf, uint32_t i)
{
	struct elf_segment segment;

	if (elf->is_64)
		READ_SEGMENT(Elf64_Phdr, image, elf, i, &segment);
	else
		READ_SEGMENT(Elf32_Phdr, image, elf, i, &segment);
	return segment;
}

static bool is_from_file(const struct elf_segment *s)
{
	return s->type == PT_LOAD || s->type == PT_NOTE;
}

int elf_open(struct image *image, struct elf_file *elf)
{
	int err = read_header(image, elf);
	uint64_t notes = 0;

	for (uint32_t i = 0; i < elf->phnum && !err; i++) {
		struct elf_segment s = elf_segment(image, elf, i);

		if (s.type == PT_LOAD && s.filesz > s.memsz)
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF segment %u has more bytes in the file "
					  "(0x%llx) than in memory (0x%llx): it is damaged; build "
					  "it again",
					  i, (unsigned long long)s.filesz,
					  (unsigned long long)s.memsz);
		if (is_from_file(&s) && !range_is_inside(s.offset, s.filesz, 0, image->size))
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF segment %u, 0x%llx bytes at offset "
					  "0x%llx, lies outside the file of 0x%llx bytes: it is "
					  "truncated; copy it again",
					  i, (unsigned long long)s.filesz,
					  (unsigned long long)s.offset,
					  (unsigned long long)image->size);
		/* Each is in the file, whose size fits many times. */
		notes += s.type == PT_NOTE ? s.filesz : 0;
		if (notes > ELF_NOTES_MAX)
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF notes have more than %llu bytes in "
					  "all: they overlap, or are no kernel's; build it again, "
					  "or strip it",
					  (unsigned long long)ELF_NOTES_MAX);
	}
	return err;
}

static bool is_loaded(const struct elf_segment *s)
{
	return s->type == PT_LOAD && s->memsz;
}

static int claim_segments(struct image *image, const struct elf_file *elf, uint64_t slide,
			  uint64_t entry)
{
	bool is_entry_loaded = false;
	uint32_t count = 0;

	for (uint32_t i = 0; i < elf->phnum; i++) {
		struct elf_segment s = elf_segment(image, elf, i);
		int err;

		if (!is_loaded(&s))
			continue;
		if (++count > IMAGE_SEGMENTS_MAX)
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF file has more than %u loadable "
					  "segments; link it with fewer",
					  IMAGE_SEGMENTS_MAX);
		err = image_claim(image, s.paddr + slide, s.memsz, "an ELF segment");
		if (err)
			return err;
		is_entry_loaded |= range_is_inside(entry, 1, s.paddr + slide, s.filesz);
	}
	if (!count)
		return not_elf(image, "has nothing to load");
	if (!is_entry_loaded || entry >= GIB(4))
		return image_fail(
			image, -ENOEXEC,
			"the entry point 0x%llx lies outside the loaded segments, or above "
			"4 GiB; it must be a physical address that is loaded",
			(unsigned long long)entry);
	return 0;
}

int elf_load_at(struct image *image, const struct elf_file *elf, uint64_t slide, uint64_t entry)
{
	int err = claim_segments(image, elf, slide, entry);

	for (uint32_t i = 0; i < elf->phnum && !err; i++) {
		struct elf_segment s = elf_segment(image, elf, i);
		uint64_t to = s.paddr + slide;

		if (!is_loaded(&s))
			continue;
		err = image_write_file(image, to, image->data + s.offset, s.filesz);
		if (!err)
			err = image_write_zeros(image, to + s.filesz, s.memsz - s.filesz);
	}
	return err;
}

int elf_load(struct image *image, const struct elf_file *elf, uint64_t entry)
{
	if (!elf->is_fixed)
		return image_fail(image, -ENOEXEC,
				  "the kernel's ELF file (e_type %u) has no fixed addresses; link "
				  "it with -static -no-pie",
				  ET_DYN);
	return elf_load_at(image, elf, 0, entry);
}

int elf_span(struct image *image, const struct elf_file *elf, uint64_t *low, uint64_t *high)
{
	*low = *high = 0;
	for (uint32_t i = 0; i < elf->phnum; i++) {
		struct elf_segment s = elf_segment(image, elf, i);
		uint64_t end;

		if (!is_loaded(&s))
			continue;
		if (!checked_add(s.paddr, s.memsz, &end))
			return image_fail(image, -ENOEXEC,
					  "the kernel's ELF segment %u, 0x%llx bytes at 0x%llx, "
					  "ends beyond all memory: it is damaged; build it again",
					  i, (unsigned long long)s.memsz,
					  (unsigned long long)s.paddr);
		*low = *high ? MIN(*low, s.paddr) : s.paddr;
		*high = MAX(*high, end);
	}
	return 0;
}

uint64_t elf_physical_entry(const struct image *image, const struct elf_file *elf)
{
	for (uint32_t i = 0; i < elf->phnum; i++) {
		struct elf_segment s = elf_segment(image, elf, i);

		if (is_loaded(&s) && range_is_inside(elf->entry, 1, s.vaddr, s.memsz))
			return elf->entry - s.vaddr + s.paddr;
	}
	return elf->entry;
}

/* One PT_NOTE segment of `len` bytes; padding of names and descriptors is `align`, 4 or 8. */
static const uint8_t *find_note_in(const uint8_t *notes, uint64_t len, uint64_t align,
				   const char *name, uint32_t type, uint32_t *desc_len)
{
	uint64_t name_len = strlen(name) + 1, at = 0;

	while (range_is_inside(at, sizeof(Elf32_Nhdr), 0, len)) {
		Elf32_Nhdr note; /* the same in both classes */
		uint64_t name_at = at + sizeof(note), desc_at;

		memcpy(&note, notes + at, sizeof(note));
		desc_at = ALIGN_UP(name_at + note.n_namesz, align);
		if (!range_is_inside(desc_at, note.n_descsz, 0, len))
			return NULL;
		if (note.n_type == type && note.n_namesz == name_len &&
		    !memcmp(notes + name_at, name, name_len)) {
			*desc_len = note.n_descsz;
			return notes + desc_at;
		}
		at = ALIGN_UP(desc_at + note.n_descsz, align);
	}
	return NULL;
}

const uint8_t *elf_find_note(const struct image *image, const struct elf_file *elf,
			     const char *name, uint32_t type, uint32_t *len)
{
	for (uint32_t i = 0; i < elf->phnum; i++) {
		struct elf_segment s = elf_segment(image, elf, i);
		const uint8_t *desc;

		if (s.type != PT_NOTE)
			continue;
		desc = find_note_in(image->data + s.offset, s.filesz, s.align == 8 ? 8 : 4, name,
				    type, len);
		if (desc)
			return desc;
	}
	return NULL;
}
