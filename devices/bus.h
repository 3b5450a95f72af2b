/* The port and MMIO bus of a VM: which model answers an access. Reads that nobody claims are all
 * ones, writes that nobody claims vanish; the caller counts them. */
#ifndef DEVICES_BUS_H
#define DEVICES_BUS_H

#include "lib/checked.h"
#include "lib/types.h"

#define BUS_REGIONS_MAX 48
#define BUS_SEARCH_SIZE 64 /* the power of two above it */

struct bus_region {
	uint64_t base, len;
	void *dev;
	/* `offset` from base, `size` 1, 2, 4 or 8; the access lies inside the region. The value is
	 * zero-extended. A model that cannot answer a width splits or ignores it as its data sheet
	 * says. */
	uint64_t (*read)(void *dev, uint64_t offset, unsigned size);
	void (*write)(void *dev, uint64_t offset, unsigned size, uint64_t value);
	const char *name; /* for reports */
};

/* Sorted by base, disjoint. The port bus is filled while the VM is built and read-only while it
 * runs; the MMIO bus changes, under the VM's lock, when the guest moves a PCI BAR. */
struct bus {
	/* The regions' bases once more, for the search alone; UINT64_MAX behind the last. */
	uint64_t base[BUS_SEARCH_SIZE];
	uint32_t count;
	const struct bus_region *recent; /* that answered last: it often does so again */
	struct bus_region region[BUS_SEARCH_SIZE];
};

void bus_init(struct bus *bus);

/* -EEXIST on overlap, -ENOSPC when full, -EINVAL for an empty or wrapping one. */
int __must_check bus_add(struct bus *bus, const struct bus_region *region);

/* Adds `count` regions of one model, with their `dev` filled in: the first error, or 0. */
int __must_check bus_add_all(struct bus *bus, void *dev, const struct bus_region *regions,
			     uint32_t count);

/* Takes out the region that begins at `base`, if there is one. */
void bus_remove(struct bus *bus, uint64_t base);

/* The region that holds all of [addr, addr+size), or NULL. */
const struct bus_region *bus_find(const struct bus *bus, uint64_t addr, unsigned size);

/* All ones of `size` bytes: what an unclaimed read gives. */
static inline uint64_t bus_unclaimed(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

static inline const struct bus_region *bus_find_again(struct bus *bus, uint64_t addr, unsigned size)
{
	const struct bus_region *region = bus->recent;

	if (likely(range_is_inside(addr, size, region->base, region->len)))
		return region;
	region = bus_find(bus, addr, size);
	if (likely(region))
		bus->recent = region;
	return region;
}

/* An access that no one region holds, byte by byte. */
bool bus_read_bytes(const struct bus *bus, uint64_t addr, unsigned size, uint64_t *value) __cold;
bool bus_write_bytes(const struct bus *bus, uint64_t addr, unsigned size, uint64_t value) __cold;

/* True when a model claimed at least one byte of the access. */
static inline bool bus_read(struct bus *bus, uint64_t addr, unsigned size, uint64_t *value)
{
	const struct bus_region *region = bus_find_again(bus, addr, size);

	if (unlikely(!region))
		return bus_read_bytes(bus, addr, size, value);
	*value = region->read(region->dev, addr - region->base, size);
	return true;
}

static inline bool bus_write(struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	const struct bus_region *region = bus_find_again(bus, addr, size);

	if (unlikely(!region))
		return bus_write_bytes(bus, addr, size, value);
	region->write(region->dev, addr - region->base, size, value);
	return true;
}

#endif
