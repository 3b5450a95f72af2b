/* One more record for this pCPU's trace ring. */
#include "cpu/trace.h"

#include "cpu/insn.h"
#include "cpu/percpu.h"

__cold void trace_write(enum trace_event event, uint64_t tsc, uint16_t vcpu, uint8_t info,
			uint32_t arg)
{
	const struct trace_record record = {
		.tsc = tsc,
		.arg = arg,
		.vcpu = vcpu,
		.event = (uint8_t)event,
		.info = info,
	};
	/* Interrupt handlers write, too. */
	uint64_t flags = irq_save();

	trace_ring_write(&this_cpu()->trace, &record);
	irq_restore(flags);
}
