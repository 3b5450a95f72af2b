/* Pieces of guest memory while a guest is loaded, and the guest's memory map. */
#include <stdarg.h>
#include <asm/e820.h>

#include "loader/image.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/printf.h"
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

int image_claim_high(struct image *image, uint64_t len, uint64_t limit, const char *what,
		     uint64_t *base)
{
	uint64_t top = MIN(limit, image->shape->low_end);
	const struct image_claim *other;

	while (len <= top && ALIGN_DOWN(top - len, (uint64_t)PAGE_SIZE) >= GUEST_HOLE_END) {
		*base = ALIGN_DOWN(top - len, (uint64_t)PAGE_SIZE);
		other = claim_in(image, *base, len);
		if (!other)
			return add_claim(image, *base, len, what);
		top = other->base;
	}
	return image_fail(image, -ENOSPC,
			  "no place in RAM for %s of %llu KiB; give more mem=", what,
			  (unsigned long long)(len + 1023) / 1024);
}

int image_write(struct image *image, uint64_t to, const void *from, uint64_t len)
{
	if (gmem_write(image->gmem, GPA(to), from, len))
		return image_fail(image, -EFAULT, "no RAM at 0x%llx, 0x%llx bytes",
				  (unsigned long long)to, (unsigned long long)len);
	return 0;
}

int image_zero(struct image *image, uint64_t to, uint64_t len)
{
	if (gmem_zero(image->gmem, GPA(to), len))
		return image_fail(image, -EFAULT, "no RAM at 0x%llx, 0x%llx bytes",
				  (unsigned long long)to, (unsigned long long)len);
	return 0;
}

int image_put_initrd(struct image *image, uint64_t limit, uint64_t *base, uint64_t *len)
{
	const struct boot_module *initrd = image->config->initrd;
	int err;

	*base = *len = 0;
	if (!initrd)
		return 0;
	if (!initrd->size)
		return image_fail(
			image, -EINVAL,
			"the initrd's file is empty; check the file and its module2 line");
	err = image_claim_high(image, initrd->size, limit, "the initrd", base);
	if (err)
		return err;
	*len = initrd->size;
	return image_write(image, *base, initrd->data, *len);
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
