/* The scheduler's events in the trace, with the stamps of the accounting. */
#ifndef SCHED_TRACE_H
#define SCHED_TRACE_H

#include "cpu/trace.h"
#include "sched/runq.h"

static inline void sched_trace(enum trace_event event, const struct sched_entity *se, uint64_t now,
			       uint8_t info, uint32_t arg)
{
	if (trace_is_on(TRACE_GROUP_SCHED))
		trace_write(event, now, se->id, info, arg);
}

#endif
