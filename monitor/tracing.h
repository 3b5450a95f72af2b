/* Turns the trace on and off. */
#ifndef MONITOR_TRACING_H
#define MONITOR_TRACING_H

#include "lib/types.h"

/* From here on exactly these groups (enum trace_group) are traced on all pCPUs; 0: nothing. What
 * was traced before stays in the rings. `records`, rounded up to a power of two, is the room for
 * each pCPU, if it has none yet. False when there is no memory for it. Any pCPU, one caller at a
 * time, no lock held. */
bool tracing_set(uint32_t groups, uint32_t records);

#endif
