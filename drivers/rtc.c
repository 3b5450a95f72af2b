/* The CMOS clock ('MC146818 Real-Time Clock plus RAM' data sheet). */
#include "drivers/rtc.h"

#include "cpu/insn.h"

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

enum {
	RTC_SECONDS = 0x00,
	RTC_MINUTES = 0x02,
	RTC_HOURS = 0x04,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
};

#define RTC_A_UIP    BIT(7)
#define RTC_B_BINARY BIT(2)
#define RTC_B_24H    BIT(1)
#define HOUR_PM      0x80
#define UIP_SPINS    100000
#define READ_TRIES   10

static uint8_t read_cmos(uint8_t index)
{
	outb(RTC_INDEX, index);
	return inb(RTC_DATA);
}

static void read_fields(uint8_t field[6])
{
	static const uint8_t index[6] = {RTC_SECONDS, RTC_MINUTES, RTC_HOURS,
					 RTC_DAY,     RTC_MONTH,   RTC_YEAR};

	for (unsigned spins = 0; spins < UIP_SPINS && (read_cmos(RTC_A) & RTC_A_UIP); spins++)
		cpu_relax();
	for (unsigned i = 0; i < 6; i++)
		field[i] = read_cmos(index[i]);
}

static unsigned from_bcd(uint8_t value)
{
	return (value >> 4) * 10u + (value & 0xf);
}

/* Days since 1970-01-01 of a Gregorian date, by counting in eras of 400 years from 1 March. */
static uint64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y % 400;
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	uint64_t days = of_era * 365ull + of_era / 4 - of_era / 100 + of_year;

	return era * 146097ull + days - 719468;
}

uint64_t rtc_read_seconds(void)
{
	uint8_t first[6], again[6];
	unsigned value[6], hour;
	uint8_t mode = read_cmos(RTC_B);
	bool is_same = false, is_pm;

	/* An update between two reads shows as a difference. */
	for (unsigned i = 0; i < READ_TRIES && !is_same; i++) {
		read_fields(first);
		read_fields(again);
		is_same = true;
		for (unsigned k = 0; k < 6; k++)
			is_same &= first[k] == again[k];
	}
	is_pm = first[2] & HOUR_PM;
	if (!(mode & RTC_B_24H))
		first[2] &= (uint8_t)~HOUR_PM;
	for (unsigned k = 0; k < 6; k++)
		value[k] = mode & RTC_B_BINARY ? first[k] : from_bcd(first[k]);
	hour = value[2];
	if (!(mode & RTC_B_24H))
		hour = hour % 12 + (is_pm ? 12 : 0);
	/* Garbage from an absent clock must not index past a month. */
	if (value[4] < 1 || value[4] > 12 || value[3] < 1 || value[3] > 31)
		return 0;
	return days_from_civil(2000 + value[5], value[4], value[3]) * 86400 + hour * 3600ull +
	       value[1] * 60ull + value[0];
}
