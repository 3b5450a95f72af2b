/* Host-physical addresses as pointers. The hypervisor maps all RAM at its physical address
 * (identity), its own text read-only and executable, everything else writable and never executable.
 * These two functions are the only ones that know. A seam for the host's unit tests, whose
 * 'physical memory' is the process's own. */
#ifndef MM_HOSTMAP_H
#define MM_HOSTMAP_H

#include "lib/types.h"

static inline void *hpa_to_ptr(hpa_t hpa)
{
	return (void *)(uintptr_t)hpa.v;
}

static inline hpa_t ptr_to_hpa(const void *ptr)
{
	return HPA((uint64_t)(uintptr_t)ptr);
}

#endif
