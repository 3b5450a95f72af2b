/* How a VM's vCPUs are laid out in sockets, cores and threads, and the APIC IDs that follow from
 * it. Pure. */
#ifndef GUEST_TOPOLOGY_H
#define GUEST_TOPOLOGY_H

#include "lib/types.h"

struct topology {
	uint32_t sockets;
	uint32_t cores;   /* of a socket */
	uint32_t threads; /* of a core */
};

/* How many bits number so many things. */
static inline uint32_t topology_bits(uint32_t count)
{
	return count > 1 ? 32 - (uint32_t)__builtin_clz(count - 1) : 0;
}

/* From where on an APIC ID numbers the cores, and the sockets. */
static inline uint32_t topology_core_shift(const struct topology *t)
{
	return topology_bits(t->threads);
}

static inline uint32_t topology_socket_shift(const struct topology *t)
{
	return topology_bits(t->threads) + topology_bits(t->cores);
}

/* The APIC ID of vCPU number `index`: 'Hierarchical Mapping of Shared Resources' gives each level a
 * field of whole bits, so that IDs have gaps where a level is no power of two. */
static inline uint32_t topology_apic_id(const struct topology *t, uint32_t index)
{
	uint32_t core = index / t->threads;

	return core / t->cores << topology_socket_shift(t) |
	       core % t->cores << topology_core_shift(t) | index % t->threads;
}

#endif
