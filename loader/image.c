/* Pieces of guest memory while a guest is loaded, and the guest's memory map. */
#include <stdarg.h>
#include <asm/e820.h>

#include "loader/image.h"
#include "guest/fill.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "loader/elf.h"
#include "loader/lowmem.h"

int image_fail(struct image *image, int err, const char *fmt, ...)
{
	va_list args;
	int used = fmt_snprintf(image->error, image->error_size, "vm '%s': ", image->config->name);

	va_start(args, fmt);
	if ((size_t)used < image->error_size)
		(void)fmt_vsnprintf(image->error + used, image->error_size - (size_t)used, fmt,
				    args);
	va_end(args);
	return err;
}

uint32_t memory_map(const struct guest_shape *shape, struct memory_map_row row[MEMORY_MAP_MAX])
{
	uint32_t n = 0;

	row[n++] = (struct memory_map_row){0, GUEST_HOLE_BASE, E820_RAM};
	row[n++] = (struct memory_map_row){GUEST_HOLE_BASE, GUEST_HOLE_END - GUEST_HOLE_BASE,
					   E820_RESERVED};
	if (shape->low_end > GUEST_HOLE_END)
		row[n++] = (struct memory_map_row){GUEST_HOLE_END, shape->low_end - GUEST_HOLE_END,
						   E820_RAM};
	if (shape->high_end > GIB(4))
		row[n++] = (struct memory_map_row){GIB(4), shape->high_end - GIB(4), E820_RAM};
	return n;
}

static bool is_usable(const struct image *image, uint64_t base, uint64_t len)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint32_t n = memory_map(image->shape, row);

	for (uint32_t i = 0; i < n; i++)
		if (row[i].type == E820_RAM && range_is_inside(base, len, row[i].base, row[i].len))
			return true;
	return false;
}

static const struct image_claim *claim_in(const struct image *image, uint64_t base, uint64_t len)
{
	for (uint32_t i = 0; i < image->claim_count; i++) {
		const struct image_claim *c = &image->claim[i];

		if (range_is_overlapping(base, len, c->base, c->len))
			return c;
	}
	return NULL;
}

static int add_claim(struct image *image, uint64_t base, uint64_t len, const char *what)
{
	if (image->claim_count == IMAGE_CLAIMS_MAX)
		return image_fail(image, -EINVAL, "%s is one piece too many; at most %u are loaded",
				  what, IMAGE_CLAIMS_MAX);
	image->claim[image->claim_count++] = (struct image_claim){base, len, what};
	return 0;
}

int image_claim(struct image *image, uint64_t base, uint64_t len, const char *what)
{
	const struct image_claim *other = claim_in(image, base, len);

	if (!is_usable(image, base, len))
		return image_fail(
			image, -EINVAL,
			"%s, 0x%llx bytes at 0x%llx, lies outside the VM's RAM (0-0x9ffff, "
			"0x100000-0x%llx); give more mem= or link it elsewhere",
			what, (unsigned long long)len, (unsigned long long)base,
			(unsigned long long)image->shape->low_end - 1);
	if (other)
		return image_fail(image, -EINVAL,
				  "%s, 0x%llx bytes at 0x%llx, overlaps %s at 0x%llx-0x%llx; link "
				  "it elsewhere",
				  what, (unsigned long long)len, (unsigned long long)base,
				  other->what, (unsigned long long)other->base,
				  (unsigned long long)(other->base + other->len - 1));
	return add_claim(image, base, len, what);
}

static bool find_low(const struct image *image, uint64_t len, uint64_t align, uint64_t from,
		     uint64_t to, uint64_t *base)
{
	const struct image_claim *other;

	for (*base = ALIGN_UP(from, align); *base <= to && len <= to - *base;
	     *base = ALIGN_UP(other->base + other->len, align)) {
		other = claim_in(image, *base, len);
		if (!other)
			return true;
	}
	return false;
}

static bool find_high(const struct image *image, uint64_t len, uint64_t align, uint64_t from,
		      uint64_t to, uint64_t *base)
{
	const struct image_claim *other;

	for (; len <= to && ALIGN_DOWN(to - len, align) >= from; to = other->base) {
		*base = ALIGN_DOWN(to - len, align);
		other = claim_in(image, *base, len);
		if (!other)
			return true;
	}
	return false;
}

bool image_find(const struct image *image, uint64_t len, const struct image_place *place,
		uint64_t *base)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint32_t n = memory_map(image->shape, row);
	bool is_found = false;

	for (uint32_t i = 0; i < n && !is_found; i++) {
		const struct memory_map_row *r = &row[place->is_high ? n - 1 - i : i];
		uint64_t from = MAX(place->floor, r->base);
		uint64_t to = MIN(place->ceiling, r->base + r->len);

		if (r->type != E820_RAM || r->base >= GIB(4) || from >= to)
			continue;
		is_found = place->is_high ? find_high(image, len, place->align, from, to, base)
					  : find_low(image, len, place->align, from, to, base);
	}
	return is_found;
}

int image_claim_place(struct image *image, uint64_t len, const struct image_place *place,
		      const char *what, uint64_t *base)
{
	uint64_t kib = len / 1024 + !!(len % 1024);

	if (image_find(image, len, place, base))
		return add_claim(image, *base, len, what);
	return image_fail(image, -ENOSPC,
			  "no place in RAM for %s of %llu KiB; give more mem=", what,
			  (unsigned long long)kib);
}

struct image_place image_place_high(uint64_t limit)
{
	return (struct image_place){GUEST_HOLE_END, limit, PAGE_SIZE, true};
}

static int no_ram(struct image *image, uint64_t to, uint64_t len)
{
	return image_fail(image, -EFAULT, "no RAM at 0x%llx, 0x%llx bytes", (unsigned long long)to,
			  (unsigned long long)len);
}

/* Each segment has bytes and zeros, each section bytes; the initrd; and one to spare. */
_Static_assert(GUEST_FILL_MAX >= 2 * IMAGE_SEGMENTS_MAX + ELF_SECTIONS_MAX + CONFIG_MODULES_MAX + 2,
	       "all pieces of an image are noted");

int image_write(struct image *image, uint64_t to, const void *from, uint64_t len)
{
	return gmem_write(image->gmem, GPA(to), from, len) ? no_ram(image, to, len) : 0;
}

/* Notes a piece for later; `from` NULL: zeros. */
static int put_later(struct image *image, uint64_t to, const void *from, uint64_t len)
{
	return guest_fill_add(image->shape->fill, image->gmem, GPA(to), from, len)
		       ? no_ram(image, to, len)
		       : 0;
}

int image_write_file(struct image *image, uint64_t to, const void *from, uint64_t len)
{
	return image->shape->fill ? put_later(image, to, from, len)
				  : image_write(image, to, from, len);
}

int image_write_zeros(struct image *image, uint64_t to, uint64_t len)
{
	return image->shape->fill ? put_later(image, to, NULL, len) : image_zero(image, to, len);
}

int image_zero(struct image *image, uint64_t to, uint64_t len)
{
	return gmem_zero(image->gmem, GPA(to), len) ? no_ram(image, to, len) : 0;
}

int image_put_file(struct image *image, const struct boot_module *file,
		   const struct image_place *place, const char *what, uint64_t *base)
{
	int err;

	if (!file->size)
		return image_fail(image, -EINVAL,
				  "%s's file is empty; check the file and its module2 line", what);
	err = image_claim_place(image, file->size, place, what, base);
	return err ? err : image_write_file(image, *base, file->data, file->size);
}

int image_put_initrd(struct image *image, uint64_t limit, uint64_t *base, uint64_t *len)
{
	const struct boot_module *initrd = image->config->initrd;
	const struct image_place place = image_place_high(limit);

	*base = *len = 0;
	if (!initrd)
		return 0;
	*len = initrd->size;
	return image_put_file(image, initrd, &place, "the initrd", base);
}

int image_refuse_initrd(struct image *image, const char *what)
{
	if (!image->config->initrd)
		return 0;
	return image_fail(image, -EINVAL,
			  "%s cannot be given an initrd; leave the initrd's module out", what);
}

int image_refuse_modules(struct image *image, const char *what)
{
	if (!image->config->module_count)
		return 0;
	return image_fail(image, -EINVAL, "%s cannot be given modules; leave them out", what);
}
