/* The dump of all counters and of the trace, for programs: monitor/dump_format.h. */
#ifndef MONITOR_DUMP_H
#define MONITOR_DUMP_H

#include "monitor/frame.h"

/* Where dumps go; boot pCPU, before the first one. Without it there is none. */
void dump_set_sink(struct dump_sink *sink);

bool dump_has_sink(void);

/* Begins one, which dump_step then writes a piece at a time: some milliseconds' work in an
 * emulator, so that guests can run in between. The figures of vCPUs that run are read without a
 * lock. False when there is no sink, or another one is being written; but at the end of the
 * machine, when all other pCPUs have stopped, that one is given up. Any pCPU. */
bool dump_begin(enum dump_reason reason);

/* The next piece; waits until it is out. False after the last. Who began it, one at a time. */
bool dump_step(void);

/* All of one. False as dump_begin. */
bool dump_write(enum dump_reason reason);

#endif
