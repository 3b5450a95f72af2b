/* The dump of all counters and of the trace, for programs: monitor/dump_format.h. */
#ifndef MONITOR_DUMP_H
#define MONITOR_DUMP_H

#include "monitor/frame.h"

/* Where dumps go; boot pCPU, before the first one. Without it there is none. */
void dump_set_sink(struct dump_sink *sink);

bool dump_has_sink(void);

/* Writes one; waits until it is out. The figures of vCPUs that run meanwhile are read without a
 * lock. False when there is no sink or, by command, another one is being written. At the end of the
 * machine, when all other pCPUs have stopped, it is written in any case. Any pCPU, no lock held. */
bool dump_write(enum dump_reason reason);

#endif
