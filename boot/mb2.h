/* Multiboot2: a bounds-checked parser of the information structure that the boot loader leaves
 * ('Multiboot2 specification', 'Boot information format'). The structure counts as untrusted bytes.
 * Pure. The numbers are for the assembly, too. */
#ifndef BOOT_MB2_H
#define BOOT_MB2_H

#include "lib/multiboot2.h"

/* The screen that is asked for: 128 x 48 characters, which firmware has as a rule. */
#define MB2_HEADER_FB_WIDTH  1024
#define MB2_HEADER_FB_HEIGHT 768
#define MB2_HEADER_FB_DEPTH  32

#ifndef __ASSEMBLER__

#include "lib/types.h"
#include "mm/memmap.h"

#define MB2_MODULES_MAX 256

struct mb2_module {
	uint64_t start, end; /* physical bytes, end exclusive; start == end for an empty file */
	const char *string;  /* its command line: terminated, inside the structure */
};

enum mb2_framebuffer_type { MB2_FB_INDEXED, MB2_FB_RGB, MB2_FB_EGA_TEXT };

struct mb2_framebuffer {
	uint64_t address;       /* physical */
	uint32_t pitch;         /* bytes a line */
	uint32_t width, height; /* pixels; characters for EGA text */
	uint8_t bpp;
	uint8_t type; /* enum mb2_framebuffer_type */
	/* MB2_FB_RGB: the place and width of each colour in a pixel, in bits. */
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

/* A memory map inside the structure: read it with mb2_mmap_entry or mb2_efi_entry. */
struct mb2_entries {
	const uint8_t *data; /* NULL when the loader gave none */
	uint32_t entry_size, count;
};

/* Types of a memory map's entry; any other is reserved, too. */
#define MB2_MEMORY_AVAILABLE 1
#define MB2_MEMORY_RESERVED  2
#define MB2_MEMORY_ACPI      3 /* ACPI tables: readable, not ours to hand out */
#define MB2_MEMORY_NVS       4
#define MB2_MEMORY_BAD       5

struct mb2_range {
	uint64_t start, len;
	uint32_t type; /* MB2_MEMORY_*, or the EFI memory type */
};

/* Everything points into the structure, which must stay where it is. */
struct mb2 {
	const uint8_t *info; /* the structure itself, to be reserved: [info, info + size) */
	uint32_t size;
	const char *cmdline;     /* "" when there is none */
	const char *loader_name; /* "" when there is none */
	uint32_t module_count;
	uint32_t
		modules_left_out; /* there were more than MB2_MODULES_MAX, or they were malformed */
	struct mb2_module module[MB2_MODULES_MAX];
	struct mb2_entries mmap, efi_mmap;
	bool has_framebuffer;
	struct mb2_framebuffer framebuffer;
	/* The copy of the ACPI root pointer, the newer of those given; NULL when there is none. */
	const uint8_t *rsdp;
	uint32_t rsdp_len;
	const uint8_t *smbios; /* the structures; NULL when there are none */
	uint32_t smbios_len;
};

/* Parses the structure at `info`, of which at most `available` bytes may be read. 0; or -EINVAL,
 * with the reason in the log, when the structure as a whole cannot be trusted (misaligned, too
 * short, a tag that leaves it, no end tag). A single tag with malformed contents is left out and
 * named in the log. */
int __must_check mb2_parse(struct mb2 *mb2, const void *info, uint64_t available);

/* Entry `i` < count of a memory map and of an EFI memory map. */
struct mb2_range mb2_mmap_entry(const struct mb2_entries *mmap, uint32_t i);
struct mb2_range mb2_efi_entry(const struct mb2_entries *efi_mmap, uint32_t i);

/* Initialises `map` with the usable RAM that the structure tells of, in whole pages: available
 * memory less whatever another entry says is not. The loader's map counts, without one EFI's.
 * Neither the image nor the modules nor the structure are taken out yet. 0; -ENOENT without any
 * map; -ENOSPC when the map is too fragmented. Errors are in the log. */
int __must_check mb2_memmap(const struct mb2 *mb2, struct memmap *map);

#endif /* __ASSEMBLER__ */
#endif
