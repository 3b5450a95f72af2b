/* The machine's real-time clock, read once. */
#ifndef DRIVERS_RTC_H
#define DRIVERS_RTC_H

#include "lib/types.h"

/* Seconds since 1970 UTC, by a CMOS clock that is taken to run in UTC. Waits for an update in
 * progress to end, at most some milliseconds. Boot pCPU. */
uint64_t rtc_read_seconds(void);

#endif
