/* The port and MMIO bus of a VM: which model answers an access. Reads that nobody claims are all
 * ones, writes that nobody claims vanish; the caller counts them. */
#ifndef DEVICES_BUS_H
#define DEVICES_BUS_H

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
	bool is_unlocked; /* the region's model takes care of itself: no VM lock (the local APIC) */
};

/* Sorted by base, disjoint. The port bus is filled while the VM is built and read-only while it
 * runs; the MMIO bus changes, under the VM's lock, when the guest moves a PCI BAR. */
struct bus {
	/* The regions' bases once more, for the search alone; UINT64_MAX behind the last. */
	uint64_t base[BUS_SEARCH_SIZE];
	uint32_t count;
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

/* An access of a size that crosses regions is split into bytes by these. True when a model claimed
 * at least one byte of it. */
bool bus_read(const struct bus *bus, uint64_t addr, unsigned size, uint64_t *value);
bool bus_write(const struct bus *bus, uint64_t addr, unsigned size, uint64_t value);

#endif
