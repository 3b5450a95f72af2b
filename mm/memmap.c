/* The map of physical memory: a sorted table of disjoint ranges that do not touch. */
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/memmap.h"

void memmap_init(struct memmap *map)
{
	map->count = 0;
}

static void memmap_delete(struct memmap *map, uint32_t at, uint32_t n)
{
	memmove(&map->range[at], &map->range[at + n],
		(map->count - at - n) * sizeof(map->range[0]));
	map->count -= n;
}

static int memmap_insert(struct memmap *map, uint32_t at, uint64_t start, uint64_t end)
{
	if (map->count == MEMMAP_MAX)
		return -ENOSPC;
	memmove(&map->range[at + 1], &map->range[at], (map->count - at) * sizeof(map->range[0]));
	map->range[at] = (struct mem_range){start, end};
	map->count++;
	return 0;
}

int memmap_add(struct memmap *map, uint64_t start, uint64_t len)
{
	uint32_t first = 0, behind;
	uint64_t end;

	if (!len || !checked_add(start, len, &end))
		return -EINVAL;
	/* [first, behind) are the ranges that overlap or touch the new one. */
	while (first < map->count && map->range[first].end < start)
		first++;
	behind = first;
	while (behind < map->count && map->range[behind].start <= end)
		behind++;
	if (first == behind)
		return memmap_insert(map, first, start, end);
	map->range[first].start = MIN(map->range[first].start, start);
	map->range[first].end = MAX(map->range[behind - 1].end, end);
	memmap_delete(map, first + 1, behind - first - 1);
	return 0;
}

int memmap_remove(struct memmap *map, uint64_t start, uint64_t len)
{
	uint64_t end;

	if (!len || !checked_add(start, len, &end))
		return -EINVAL;
	for (uint32_t i = 0; i < map->count;) {
		struct mem_range *r = &map->range[i];

		if (r->start >= start && r->end <= end) {
			memmap_delete(map, i, 1);
			continue;
		}
		if (r->start < start && r->end > end) {
			int err = memmap_insert(map, i + 1, end, r->end);

			if (!err)
				r->end = start;
			return err;
		}
		if (r->start < start && r->end > start)
			r->end = start;
		else if (r->start < end && r->end > end)
			r->start = end;
		i++;
	}
	return 0;
}

void memmap_trim_to_pages(struct memmap *map)
{
	for (uint32_t i = 0; i < map->count;) {
		struct mem_range *r = &map->range[i];
		uint64_t end = ALIGN_DOWN(r->end, (uint64_t)PAGE_SIZE), start;

		if (checked_add(r->start, PAGE_SIZE - 1ull, &start)) {
			start = ALIGN_DOWN(start, (uint64_t)PAGE_SIZE);
			if (start < end) {
				*r = (struct mem_range){start, end};
				i++;
				continue;
			}
		}
		memmap_delete(map, i, 1);
	}
}

bool memmap_find(const struct memmap *map, uint64_t len, uint64_t align, uint64_t min, uint64_t max,
		 uint64_t *start)
{
	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t from = MAX(map->range[i].start, min), to = MIN(map->range[i].end, max);
		uint64_t aligned;

		if (!checked_add(from, align - 1, &aligned))
			return false;
		aligned = ALIGN_DOWN(aligned, align);
		if (aligned <= to && len <= to - aligned) {
			*start = aligned;
			return true;
		}
	}
	return false;
}

uint64_t memmap_total(const struct memmap *map)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < map->count; i++)
		total += map->range[i].end - map->range[i].start;
	return total;
}
