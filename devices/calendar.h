/* The Gregorian calendar: seconds since 1970 to a date and back. */
#ifndef DEVICES_CALENDAR_H
#define DEVICES_CALENDAR_H

#include "lib/types.h"

struct calendar {
	int32_t year;  /* 0-9999 */
	uint8_t month; /* 1-12 */
	uint8_t day;   /* 1-31 */
	uint8_t hour, minute, second;
	uint8_t weekday; /* 0 is Sunday */
};

/* `seconds` since 1970-01-01 00:00:00 UTC, negative before. Years past 9999 wrap to 0. */
void calendar_from_seconds(int64_t seconds, struct calendar *date);

/* The reverse. Fields out of range carry over (the 31st of April is the 1st of May); the month is
 * taken modulo 12, and the weekday ignored. */
int64_t calendar_to_seconds(const struct calendar *date);

#endif
