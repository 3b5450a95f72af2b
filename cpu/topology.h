/* Which pCPUs are threads of one core ('Hierarchical Mapping of Shared Resources'). Pure. */
#ifndef CPU_TOPOLOGY_H
#define CPU_TOPOLOGY_H

#include "lib/types.h"

/* How an APIC ID is put together: thread in the lowest bits, then core, then package. */
struct topology {
	uint8_t core_shift;    /* bits of the thread's number */
	uint8_t package_shift; /* bits of thread and core */
};

/* By this CPU's CPUID: leaf 0x1f, 0xb, or 4 and 1, the best that it has. */
void topology_read(struct topology *topology);

/* Writes '1 package, 2 cores, 4 threads; second threads: pCPU 1 3' for `count` pCPUs with these
 * APIC IDs. Always terminated; a list that does not fit ends in '...'. */
void topology_describe(const struct topology *topology, const uint32_t *apic_ids, uint32_t count,
		       char *buf, size_t size);

#endif
