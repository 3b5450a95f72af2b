/* The trace's rings and what goes into them. Pure but for whom it tells. */
#include "monitor/tracing.h"

#include "cpu/apic.h"
#include "cpu/percpu.h"
#include "lib/trace.h"
#include "mm/page.h"
#include "sched/sched.h"

static bool make_rings(uint64_t records)
{
	uint64_t count = 1;

	while (count < records)
		count *= 2;
	for (uint32_t i = 0; i < percpu_count(); i++) {
		struct trace_ring *ring = &percpu_get(i)->trace;
		struct trace_record *memory;

		if (ring->records)
			continue;
		memory = pages_alloc_zeroed(count * sizeof(*memory));
		if (!memory)
			return false;
		trace_ring_init(ring, memory, count);
	}
	return true;
}

bool tracing_set(uint32_t groups, uint32_t records)
{
	if (groups && !make_rings(records))
		return false;
	__atomic_store_n(&trace_switch.groups, groups, __ATOMIC_RELEASE);
	/* Whether exits are traced is looked at when a vCPU begins to run: they begin anew. */
	for (uint32_t i = 0; i < percpu_count(); i++)
		if (i != this_cpu_id())
			apic_send_ipi(percpu_get(i)->apic_id, VECTOR_KICK);
	sched_run_kick_hook();
	return true;
}
