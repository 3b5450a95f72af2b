/* Traces what happens on this pCPU, where that is asked for. Costs a load and a branch when it is
 * not; off the paths that CPUID and HLT take. */
#ifndef CPU_TRACE_H
#define CPU_TRACE_H

#include "lib/trace.h"

/* Is the group being traced? A hint: it may change at any time. */
static inline bool trace_is_on(uint32_t group)
{
	return unlikely(__atomic_load_n(&trace_switch.groups, __ATOMIC_RELAXED) & group);
}

/* Writes it to this pCPU's ring, if it has one. Any context but NMI. */
void trace_write(enum trace_event event, uint64_t tsc, uint16_t vcpu, uint8_t info, uint32_t arg);

#endif
