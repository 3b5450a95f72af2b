/* What the loaders of all formats share: the image that is being put into guest memory, who has
 * which piece of that memory, and how an error is told. Pure; for loader/ only. */
#ifndef LOADER_IMAGE_H
#define LOADER_IMAGE_H

#include "loader/load.h"

/* Pieces of one guest's memory: the fixed ones, segments, initrd, modules. */
#define IMAGE_CLAIMS_MAX   96
/* Loadable segments of one ELF file. */
#define IMAGE_SEGMENTS_MAX 32

struct image_claim {
	uint64_t base, len;
	const char *what; /* "the kernel", "the page tables" */
};

_Static_assert(IMAGE_CLAIMS_MAX >= CONFIG_MODULES_MAX + IMAGE_SEGMENTS_MAX + 10,
	       "a kernel and its modules fit, with what the loader adds");

struct image {
	const struct vm_config *config;
	const struct guest_shape *shape;
	const struct gmem *gmem;
	struct guest_entry *entry;
	const uint8_t *data; /* the kernel's file: untrusted bytes */
	uint64_t size;       /* not 0 */
	uint32_t claim_count;
	struct image_claim claim[IMAGE_CLAIMS_MAX];
	char *error;
	size_t error_size;
};

/* Writes "vm 'NAME': ..." as the error and returns `err`, a negative errno. */
int image_fail(struct image *image, int err, const char *fmt, ...) __printf_like(3, 4) __cold;

/* Reserves [base, base+len), len > 0, for `what`: it must be RAM that the guest's memory map calls
 * RAM, and nobody else's. 0; or -EINVAL with the error written. */
int __must_check image_claim(struct image *image, uint64_t base, uint64_t len, const char *what);

/* Where a piece may lie: in [floor, ceiling) of the RAM below 4 GiB, its base a multiple of
 * `align`, a power of two up to 2 GiB; the lowest such place, or the highest. */
struct image_place {
	uint64_t floor, ceiling, align;
	bool is_high;
};

/* Finds a place for `len` bytes that nobody has. False when there is none. */
bool image_find(const struct image *image, uint64_t len, const struct image_place *place,
		uint64_t *base);

/* Finds and reserves it, len > 0. 0; or -ENOSPC with the error written. */
int __must_check image_claim_place(struct image *image, uint64_t len,
				   const struct image_place *place, const char *what,
				   uint64_t *base);

/* The highest pages at or above 1 MiB and below `limit`. */
struct image_place image_place_high(uint64_t limit);

/* Copies what a loader has made to a place that is claimed. With the error written. */
int __must_check image_write(struct image *image, uint64_t to, const void *from, uint64_t len);

/* The same of bytes of a file; or zeros: later, when the shape's `fill` is there. Nothing else may
 * be written to that place. */
int __must_check image_write_file(struct image *image, uint64_t to, const void *from, uint64_t len);
int __must_check image_write_zeros(struct image *image, uint64_t to, uint64_t len);

/* Zeroes at once a small place into which something is then written. */
int __must_check image_zero(struct image *image, uint64_t to, uint64_t len);

/* Copies a boot module's file, which must not be empty, to such a place. */
int __must_check image_put_file(struct image *image, const struct boot_module *file,
				const struct image_place *place, const char *what, uint64_t *base);

/* Copies the initrd, if there is one, to the highest place below `limit`. `*base` and `*len` are 0
 * without one. */
int __must_check image_put_initrd(struct image *image, uint64_t limit, uint64_t *base,
				  uint64_t *len);

/* Refuses an initrd, or modules, that `what` ("a flat image") has no way to be told of. */
int __must_check image_refuse_initrd(struct image *image, const char *what);
int __must_check image_refuse_modules(struct image *image, const char *what);

/* One row of the guest's memory map, with E820 types. */
struct memory_map_row {
	uint64_t base, len;
	uint32_t type;
};
#define MEMORY_MAP_MAX 4

/* Fills `row` for the guest's shape; how many rows there are. */
uint32_t memory_map(const struct guest_shape *shape, struct memory_map_row row[MEMORY_MAP_MAX]);

/* The loaders, one a format. 0; or a negative errno with the error written. */
int __must_check load_flat(struct image *image);
int __must_check load_elf32(struct image *image);
int __must_check load_elf64(struct image *image);
int __must_check load_pvh(struct image *image);
int __must_check load_bzimage(struct image *image);
int __must_check load_multiboot1(struct image *image);
int __must_check load_multiboot2(struct image *image);

/* Is the file of this format, as far as its magic says? */
bool is_bzimage(const struct image *image);
bool is_elf(const struct image *image);
bool is_elf64(const struct image *image);
bool is_multiboot1(const struct image *image);
bool is_multiboot2(const struct image *image);
/* An ELF file with the PVH note. May leave an error of a defective ELF file behind. */
bool is_pvh(struct image *image);

#endif
