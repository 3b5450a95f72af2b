/* The Gregorian calendar. Days are counted in years that begin in March, so that a leap day is the
 * last of its year. */
#include "devices/calendar.h"

#define DAYS_400_YEARS 146097l
#define DAYS_TO_1970   719468l /* from 0000-03-01 */
#define SECONDS_A_DAY  86400

/* Days before month m (0 is March): 31 30 31 30 31 of five months are 153 days. */
static int64_t days_before_month(int64_t m)
{
	return (153 * m + 2) / 5;
}

static int64_t days_before_year(int64_t year)
{
	return year * 365 + year / 4 - year / 100 + year / 400;
}

int64_t calendar_to_seconds(const struct calendar *date)
{
	int64_t march = (date->month + 9) % 12;
	int64_t year = date->year - (march >= 10) + 400; /* not below 0, in the same cycle */
	int64_t days = days_before_year(year) + days_before_month(march) + date->day - 1 -
		       DAYS_400_YEARS - DAYS_TO_1970;

	return ((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
}

void calendar_from_seconds(int64_t seconds, struct calendar *date)
{
	int64_t days = seconds / SECONDS_A_DAY, in_day = seconds % SECONDS_A_DAY;
	int64_t year, march;

	if (in_day < 0) {
		in_day += SECONDS_A_DAY;
		days--;
	}
	date->hour = (uint8_t)(in_day / 3600);
	date->minute = (uint8_t)(in_day / 60 % 60);
	date->second = (uint8_t)(in_day % 60);
	date->weekday = (uint8_t)(((days + 4) % 7 + 7) % 7); /* 1970 began on a Thursday */

	/* 10000 years are 25 cycles. */
	days = ((days + DAYS_TO_1970) % (25 * DAYS_400_YEARS) + 25 * DAYS_400_YEARS) %
	       (25 * DAYS_400_YEARS);
	year = days * 400 / DAYS_400_YEARS;
	while (days_before_year(year + 1) <= days) /* the estimate is off by one at most */
		year++;
	while (days_before_year(year) > days)
		year--;
	days -= days_before_year(year);
	march = (5 * days + 2) / 153;
	date->day = (uint8_t)(days - days_before_month(march) + 1);
	date->month = (uint8_t)(march < 10 ? march + 3 : march - 9);
	date->year = (int32_t)((year + (march >= 10)) % 10000);
}
