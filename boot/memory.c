/* Memory at boot: what is there, what is taken, and who hands out the rest. */
#include "boot/memory.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "mm/space.h"

/* How far boot/header.S' tables reach, and what an identity map can. */
#define BOOT_MAP_END GIB(4)
#define SPACE_END    (1ull << 47)

#define LOW_MEMORY_END 0xa0000u

extern const uint8_t image_start[], image_end[]; /* linker.ld */

/* Not to be handed out, but RAM to be mapped, whatever the map says. */
static int reserve(struct boot *boot, uint64_t start, uint64_t end)
{
	int err = 0;

	start = ALIGN_DOWN(start, (uint64_t)PAGE_SIZE);
	end = ALIGN_UP(end, (uint64_t)PAGE_SIZE);
	if (start < end)
		err = memmap_add(&boot->ram, start, end - start);
	if (!err && start < end)
		err = memmap_remove(&boot->free, start, end - start);
	return err;
}

/* For whoever looks into a boot that went wrong. */
static void log_map(const struct boot *boot)
{
	const struct mb2 *mb2 = &boot->mb2;

	for (uint32_t i = 0; i < boot->ram.count; i++)
		log_debug("RAM: %#llx to %#llx", (unsigned long long)boot->ram.range[i].start,
			  (unsigned long long)boot->ram.range[i].end);
	for (uint32_t i = 0; i < mb2->module_count; i++)
		log_debug("module %u: %#llx to %#llx", i + 1,
			  (unsigned long long)mb2->module[i].start,
			  (unsigned long long)mb2->module[i].end);
}

int memory_read_map(struct boot *boot)
{
	const struct mb2 *mb2 = &boot->mb2;
	uint64_t info = (uint64_t)(uintptr_t)mb2->info;
	int err = mb2_memmap(mb2, &boot->ram);

	if (!err)
		err = memmap_remove(&boot->ram, SPACE_END, UINT64_MAX - SPACE_END);
	boot->free = boot->ram;
	if (!err)
		err = memmap_remove(&boot->free, 0, PAGE_SIZE);
	if (!err)
		err = reserve(boot, (uint64_t)(uintptr_t)image_start,
			      (uint64_t)(uintptr_t)image_end);
	if (!err)
		err = reserve(boot, info, info + mb2->size);
	for (uint32_t i = 0; !err && i < mb2->module_count; i++)
		err = reserve(boot, mb2->module[i].start, mb2->module[i].end);
	if (err)
		log_error("the memory map cannot be used (error %d)", err);
	log_map(boot);
	return err;
}

bool memory_take_low_page(struct boot *boot, hpa_t *page)
{
	return memmap_find(&boot->free, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, LOW_MEMORY_END,
			   &page->v) &&
	       !memmap_remove(&boot->free, page->v, PAGE_SIZE);
}

/* Gives the allocator what is free below boot/header.S' reach, with the bytes for its pages at
 * `state`. */
static void add_low(const struct memmap *free, uint64_t state, uint64_t end)
{
	page_init(HPA(0), HPA(end), hpa_to_ptr(HPA(state)));
	for (uint32_t i = 0; i < free->count; i++) {
		uint64_t from = free->range[i].start, to = MIN(free->range[i].end, end);

		if (from < to)
			page_add_range(HPA(from), HPA(to));
	}
}

/* Above, each range holds the bytes for its own pages, 1 in 4096: in its last pages, which are a
 * whole GiB's less often than its first. One page alone is not worth it. */
static void add_high(const struct memmap *free)
{
	for (uint32_t i = 0; i < free->count; i++) {
		uint64_t start = MAX(free->range[i].start, BOOT_MAP_END), end = free->range[i].end;
		uint64_t bytes;

		if (start + PAGE_SIZE >= end)
			continue;
		bytes = ALIGN_UP(page_state_bytes(HPA(start), HPA(end)), (uint64_t)PAGE_SIZE);
		page_add_arena(HPA(start), HPA(end - bytes), hpa_to_ptr(HPA(end - bytes)));
		page_add_range(HPA(start), HPA(end - bytes));
	}
}

int memory_init(struct boot *boot)
{
	struct memmap *free = &boot->free;
	uint64_t end = free->count ? MIN(free->range[free->count - 1].end, BOOT_MAP_END) : 0;
	uint64_t state_bytes = ALIGN_UP(page_state_bytes(HPA(0), HPA(end)), (uint64_t)PAGE_SIZE);
	uint64_t state;
	int err;

	if (!free->count ||
	    !memmap_find(free, state_bytes, PAGE_SIZE, PAGE_SIZE, BOOT_MAP_END, &state)) {
		log_error("no %llu KiB of memory in one piece below 4 GiB for the page allocator",
			  (unsigned long long)state_bytes >> 10);
		return -ENOMEM;
	}
	err = memmap_remove(free, state, state_bytes);
	if (err)
		return err;
	add_low(free, state, end);
	err = space_init(&boot->ram);
	if (err) {
		log_error("the address space cannot be built (error %d)", err);
		return err;
	}
	/* Out of reach before the switch. */
	add_high(free);
	return 0;
}
