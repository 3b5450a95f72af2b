/* The port and MMIO bus of a VM: a sorted table and a binary search. */
#include "devices/bus.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof(*bus));
	memset(bus->base, 0xff, sizeof(bus->base));
	bus->recent = &bus->region[0];
}

int bus_add(struct bus *bus, const struct bus_region *region)
{
	uint64_t end;
	uint32_t place = 0;

	if (!region->len || !checked_add(region->base, region->len, &end))
		return -EINVAL;
	for (uint32_t i = 0; i < bus->count; i++) {
		const struct bus_region *other = &bus->region[i];

		if (range_is_overlapping(region->base, region->len, other->base, other->len))
			return -EEXIST;
		place += other->base < region->base;
	}
	if (bus->count == BUS_REGIONS_MAX)
		return -ENOSPC;
	memmove(&bus->region[place + 1], &bus->region[place],
		(bus->count - place) * sizeof(bus->region[0]));
	memmove(&bus->base[place + 1], &bus->base[place],
		(bus->count - place) * sizeof(bus->base[0]));
	bus->region[place] = *region;
	bus->base[place] = region->base;
	bus->count++;
	return 0;
}

int bus_add_all(struct bus *bus, void *dev, const struct bus_region *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct bus_region region = regions[i];
		int error;

		region.dev = dev;
		error = bus_add(bus, &region);
		if (error)
			return error;
	}
	return 0;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	uint32_t place = 0;

	while (place < bus->count && bus->base[place] != base)
		place++;
	if (place == bus->count)
		return;
	bus->count--;
	bus->recent = &bus->region[0];
	memmove(&bus->region[place], &bus->region[place + 1],
		(bus->count - place) * sizeof(bus->region[0]));
	memmove(&bus->base[place], &bus->base[place + 1],
		(bus->count - place) * sizeof(bus->base[0]));
	memset(&bus->region[bus->count], 0, sizeof(bus->region[0]));
	bus->base[bus->count] = UINT64_MAX;
}

/* Six steps of compare and add, no loop. What lies behind the
 * last region has length 0 and holds nothing. */
const struct bus_region *bus_find(const struct bus *bus, uint64_t addr, unsigned size)
{
	const uint64_t *base = bus->base; /* the last one at or below addr, if there is one */
	const struct bus_region *region;

#pragma GCC unroll 6
	for (unsigned step = BUS_SEARCH_SIZE / 2; step; step /= 2)
		base = base[step] <= addr ? base + step : base;
	region = &bus->region[base - bus->base];
	return range_is_inside(addr, size, region->base, region->len) ? region : NULL;
}

bool bus_read_bytes(const struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
	bool is_claimed = false;

	*value = 0;
	for (unsigned i = 0; i < size; i++) {
		const struct bus_region *region = bus_find(bus, addr + i, 1);
		uint64_t byte = 0xff;

		if (region) {
			byte = region->read(region->dev, addr + i - region->base, 1);
			is_claimed = true;
		}
		*value |= byte << (8 * i);
	}
	return is_claimed;
}

bool bus_write_bytes(const struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	bool is_claimed = false;

	for (unsigned i = 0; i < size; i++) {
		const struct bus_region *region = bus_find(bus, addr + i, 1);

		if (!region)
			continue;
		region->write(region->dev, addr + i - region->base, 1, value >> (8 * i) & 0xff);
		is_claimed = true;
	}
	return is_claimed;
}
