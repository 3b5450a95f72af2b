/* The MC146818: registers, updates, alarm and periodic interrupt. */
#include "devices/calendar.h"
#include "devices/isa.h"
#include "devices/rtc.h"
#include "lib/string.h"

enum rtc_byte {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	DAY_OF_WEEK = 0x06,
	DATE_OF_MONTH = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = 0x32,
};

enum {
	A_UIP = 0x80,
	A_DV = 0x70,
	A_DV_32KHZ = 0x20,
	A_RS = 0x0f,
	A_RS_1024HZ = 0x06,

	B_SET = 0x80,
	B_UIE = 0x10,
	B_SQWE = 0x08,
	B_DM = 0x04,
	B_24H = 0x02,

	/* The same bits enable in B and flag in C. */
	C_IRQF = 0x80,
	C_PF = 0x40,
	C_AF = 0x20,
	C_UF = 0x10,

	D_VRT = 0x80,

	HOURS_PM = 0x80,
	ALARM_ANY = 0xc0, /* 'don't care': any byte from 0xc0 to 0xff */
};

#define TICK_HZ 32768u
#define DAY     86400

/* 'Update Cycle': UIP rises 244 microseconds before a cycle of 1984 (at 32.768 kHz). */
#define UIP_NS 2228000u

static uint8_t rtc_encode(const struct rtc *rtc, uint32_t value)
{
	return (uint8_t)(rtc->cmos[REG_B] & B_DM ? value : value / 10 % 10 << 4 | value % 10);
}

static uint8_t rtc_decode(const struct rtc *rtc, uint8_t byte)
{
	return rtc->cmos[REG_B] & B_DM ? byte : (uint8_t)((byte >> 4) * 10 + (byte & 15));
}

static uint8_t rtc_encode_hour(const struct rtc *rtc, uint8_t hour)
{
	uint8_t byte;

	if (rtc->cmos[REG_B] & B_24H)
		return rtc_encode(rtc, hour);
	byte = rtc_encode(rtc, hour % 12 ? hour % 12 : 12);
	return hour >= 12 ? byte | HOURS_PM : byte;
}

static uint8_t rtc_decode_hour(const struct rtc *rtc, uint8_t byte)
{
	uint8_t hour;

	if (rtc->cmos[REG_B] & B_24H)
		return rtc_decode(rtc, byte);
	hour = rtc_decode(rtc, byte & (uint8_t)~HOURS_PM) % 12;
	return byte & HOURS_PM ? hour + 12 : hour;
}

static bool rtc_has_divider(const struct rtc *rtc)
{
	return (rtc->cmos[REG_A] & A_DV) == A_DV_32KHZ;
}

/* Does the time move? SET holds it, and so does any divider but the crystal's. */
static bool rtc_is_running(const struct rtc *rtc)
{
	return rtc_has_divider(rtc) && !(rtc->cmos[REG_B] & B_SET);
}

static int64_t rtc_second(const struct rtc *rtc, uint64_t now, uint32_t *nanos)
{
	uint64_t ns = rtc->platform->ops->wall_ns(rtc->platform->ctx, now) + rtc->phase;

	*nanos = (uint32_t)(ns % NSEC_PER_SEC);
	return (int64_t)(ns / NSEC_PER_SEC) + rtc->shift;
}

/* The time as bytes, from the clock. */
static void rtc_load_time(struct rtc *rtc, int64_t second)
{
	struct calendar date;

	calendar_from_seconds(second, &date);
	rtc->cmos[SECONDS] = rtc_encode(rtc, date.second);
	rtc->cmos[MINUTES] = rtc_encode(rtc, date.minute);
	rtc->cmos[HOURS] = rtc_encode_hour(rtc, date.hour);
	rtc->cmos[DAY_OF_WEEK] =
		rtc_encode(rtc, (uint32_t)(date.weekday + rtc->weekday_shift) % 7 + 1);
	rtc->cmos[DATE_OF_MONTH] = rtc_encode(rtc, date.day);
	rtc->cmos[MONTH] = rtc_encode(rtc, date.month);
	rtc->cmos[YEAR] = rtc_encode(rtc, (uint32_t)date.year % 100);
	rtc->cmos[CENTURY] = rtc_encode(rtc, (uint32_t)date.year / 100);
}

/* The clock, from the time as bytes. The part of a second goes on. */
static void rtc_store_time(struct rtc *rtc, uint64_t now)
{
	struct calendar date = {
		.year = rtc_decode(rtc, rtc->cmos[CENTURY]) % 100 * 100 +
			rtc_decode(rtc, rtc->cmos[YEAR]) % 100,
		.month = rtc_decode(rtc, rtc->cmos[MONTH]),
		.day = rtc_decode(rtc, rtc->cmos[DATE_OF_MONTH]),
		.hour = rtc_decode_hour(rtc, rtc->cmos[HOURS]),
		.minute = rtc_decode(rtc, rtc->cmos[MINUTES]),
		.second = rtc_decode(rtc, rtc->cmos[SECONDS]),
	};
	int64_t second = calendar_to_seconds(&date);
	uint32_t nanos;

	rtc->shift += second - rtc_second(rtc, now, &nanos);
	rtc->seen_second = second;
	calendar_from_seconds(second, &date);
	rtc->weekday_shift =
		(uint8_t)((rtc_decode(rtc, rtc->cmos[DAY_OF_WEEK]) + 6 + 7 - date.weekday) % 7);
}

/* One alarm byte: the value it waits for, -1 for any, or -2 for none that can come. */
static int rtc_alarm_value(const struct rtc *rtc, uint8_t byte, bool is_hour)
{
	uint8_t value = is_hour ? rtc_decode_hour(rtc, byte) : rtc_decode(rtc, byte);

	if (byte >= ALARM_ANY)
		return -1;
	if (value >= (is_hour ? 24 : 60) ||
	    byte != (is_hour ? rtc_encode_hour(rtc, value) : rtc_encode(rtc, value)))
		return -2;
	return value;
}

/* The first second after `second` at which the alarm matches; INT64_MAX if none ever does. */
static int64_t rtc_next_alarm(const struct rtc *rtc, int64_t second)
{
	int h = rtc_alarm_value(rtc, rtc->cmos[HOURS_ALARM], true);
	int m = rtc_alarm_value(rtc, rtc->cmos[MINUTES_ALARM], false);
	int s = rtc_alarm_value(rtc, rtc->cmos[SECONDS_ALARM], false);
	int64_t midnight = second - (second % DAY + DAY) % DAY;
	int64_t t = second - midnight + 1; /* a match comes within two days of midnight */

	if (h < -1 || m < -1 || s < -1)
		return INT64_MAX;
	for (;;) {
		if (h >= 0 && t / 3600 % 24 != h)
			t = (t / 3600 + 1) * 3600;
		else if (m >= 0 && t / 60 % 60 != m)
			t = (t / 60 + 1) * 60;
		else if (s >= 0 && t % 60 != s)
			t++;
		else
			return midnight + t;
	}
}

/* Ticks of 32768 Hz of a periodic interrupt, or 0 ('Periodic Interrupt Rate'). */
static uint32_t rtc_period(const struct rtc *rtc)
{
	unsigned rs = rtc->cmos[REG_A] & A_RS;

	if (!rs || !rtc_has_divider(rtc))
		return 0;
	return BIT((rs <= 2 ? rs + 7 : rs) - 1);
}

/* `due` periods have gone by. Where the guest wants interrupts of them, those that found PF still
 * set are owed; rtc_expire asks with 0 for one. */
static void rtc_tick(struct rtc *rtc, uint64_t due)
{
	uint32_t limit = rtc->cmos[REG_B] & C_PF ? tick_limit(rtc_period(rtc), TICK_HZ) : 0;

	if (tick_take(&rtc->debt, due, rtc->cmos[REG_C] & C_PF, limit))
		rtc->cmos[REG_C] |= C_PF;
}

/* Sets the flags of what has happened since the last look. */
static void rtc_sync(struct rtc *rtc, uint64_t now)
{
	uint64_t tick = mul_div_u64(now, TICK_HZ, rtc->platform->tsc.hz);
	uint32_t period = rtc_period(rtc), nanos;

	if (period && tick / period != rtc->seen_tick / period)
		rtc_tick(rtc, tick / period - rtc->seen_tick / period);
	rtc->seen_tick = tick;

	if (rtc_is_running(rtc)) {
		int64_t second = rtc_second(rtc, now, &nanos);

		if (second > rtc->seen_second) {
			rtc->cmos[REG_C] |= C_UF;
			if (rtc_next_alarm(rtc, rtc->seen_second) <= second)
				rtc->cmos[REG_C] |= C_AF;
			rtc->seen_second = second;
		}
	}
}

/* When the next enabled interrupt comes, in VM TSC ticks; DEADLINE_NEVER. After rtc_sync. */
static uint64_t rtc_next_event(const struct rtc *rtc, uint64_t now)
{
	const struct tsc_rate *tsc = &rtc->platform->tsc;
	uint8_t enabled = rtc->cmos[REG_B];
	uint64_t next = DEADLINE_NEVER;
	uint32_t period = rtc_period(rtc), nanos;
	int64_t second, target = INT64_MAX;

	if ((enabled & C_PF) && period)
		next = mul_div_u64((rtc->seen_tick / period + 1) * period, tsc->hz, TICK_HZ) + 1;
	if (rtc->debt.owed)
		next = MIN(next,
			   now + 1 + mul_div_u64(tick_gap(period, TICK_HZ), tsc->hz, TICK_HZ));
	if (!rtc_is_running(rtc))
		return next;
	second = rtc_second(rtc, now, &nanos);
	if (enabled & C_UF)
		target = second + 1;
	else if (enabled & C_AF)
		target = rtc_next_alarm(rtc, second);
	if (target != INT64_MAX)
		next = MIN(next, now + 1 +
					 ns_to_tsc(tsc, (uint64_t)(target - second) * NSEC_PER_SEC -
								nanos));
	return next;
}

/* 'IRQF = PF.PIE + AF.AIE + UF.UIE'; the line, and the timer for the next flag that would raise it.
 */
static void rtc_update(struct rtc *rtc, uint64_t now)
{
	bool level = rtc->cmos[REG_C] & rtc->cmos[REG_B] & (C_PF | C_AF | C_UF);
	uint64_t next = level ? DEADLINE_NEVER : rtc_next_event(rtc, now);

	if (level)
		rtc->cmos[REG_C] |= C_IRQF;
	else
		rtc->cmos[REG_C] &= (uint8_t)~C_IRQF;
	if (level != rtc->irq_level) {
		rtc->irq_level = level;
		irq_line_set(&rtc->irq, level);
	}
	if (next != DEADLINE_NEVER)
		platform_timer_arm(rtc->platform, &rtc->timer, next);
	else if (rtc->timer.is_armed)
		platform_timer_cancel(rtc->platform, &rtc->timer);
}

static void rtc_expire(void *owner, uint64_t now)
{
	struct rtc *rtc = owner;

	rtc_sync(rtc, now);
	rtc_tick(rtc, 0);
	rtc_update(rtc, now);
}

void rtc_hurry(struct rtc *rtc)
{
	if (rtc->debt.owed)
		rtc_expire(rtc, platform_now(rtc->platform));
}

static bool rtc_is_time(uint8_t index)
{
	return index == SECONDS || index == MINUTES || index == HOURS ||
	       (index >= DAY_OF_WEEK && index <= YEAR) || index == CENTURY;
}

/* Register A or B changes: the clock may stop (the bytes then hold the time) or start from the
 * bytes. */
static void rtc_write_control(struct rtc *rtc, uint8_t index, uint8_t value, uint64_t now)
{
	bool was_running = rtc_is_running(rtc), had_divider = rtc_has_divider(rtc);
	uint32_t nanos;
	int64_t second = rtc_second(rtc, now, &nanos);

	if (was_running)
		rtc_load_time(rtc, second);
	if (index == REG_A)
		value &= (uint8_t)~A_UIP;
	else if (value & B_SET)
		value &= (uint8_t)~B_UIE; /* 'the SET bit going high clears the UIE bit' */
	rtc->cmos[index] = value;
	rtc->debt.owed = 0;
	if (rtc_has_divider(rtc) && !had_divider) {
		/* 'The first update cycle begins one-half second later.' */
		rtc->phase = (uint32_t)((rtc->phase + NSEC_PER_SEC + NSEC_PER_SEC / 2 - nanos) %
					NSEC_PER_SEC);
	}
	if (rtc_is_running(rtc) && !was_running)
		rtc_store_time(rtc, now);
}

static uint8_t rtc_read_cmos(struct rtc *rtc, uint8_t index)
{
	uint64_t now = platform_now(rtc->platform);
	uint32_t nanos;
	int64_t second = rtc_second(rtc, now, &nanos);
	uint8_t value;

	if (rtc_is_running(rtc) && rtc_is_time(index))
		rtc_load_time(rtc, second);
	value = rtc->cmos[index];
	if (index == REG_A && rtc_is_running(rtc) && nanos >= NSEC_PER_SEC - UIP_NS)
		value |= A_UIP;
	if (index == REG_C) {
		rtc_sync(rtc, now);
		rtc_update(rtc, now);
		value = rtc->cmos[REG_C];
		rtc->cmos[REG_C] = 0;
		rtc_update(rtc, now);
	}
	return value;
}

static void rtc_write_cmos(struct rtc *rtc, uint8_t index, uint8_t value)
{
	uint64_t now = platform_now(rtc->platform);
	uint32_t nanos;

	if (index == REG_C || index == REG_D)
		return;
	if (index > REG_D && !rtc_is_time(index)) {
		rtc->cmos[index] = value;
		return;
	}
	rtc_sync(rtc, now);
	if (index == REG_A || index == REG_B) {
		rtc_write_control(rtc, index, value, now);
	} else if (rtc_is_time(index) && rtc_is_running(rtc)) {
		rtc_load_time(rtc, rtc_second(rtc, now, &nanos));
		rtc->cmos[index] = value;
		rtc_store_time(rtc, now);
	} else {
		rtc->cmos[index] = value;
	}
	rtc_update(rtc, now);
}

uint8_t rtc_read(struct rtc *rtc, uint16_t port)
{
	return port & 1 ? rtc_read_cmos(rtc, rtc->index) : 0xff; /* the index is write-only */
}

void rtc_write(struct rtc *rtc, uint16_t port, uint8_t value)
{
	if (port & 1) {
		rtc_write_cmos(rtc, rtc->index, value);
	} else {
		rtc->index = value & 0x7f;
		rtc->is_nmi_masked = value & 0x80;
	}
}

static void rtc_put(struct rtc *rtc, uint8_t index, uint64_t value, unsigned bytes)
{
	value = MIN(value, BIT_ULL(8 * bytes) - 1);
	for (unsigned i = 0; i < bytes; i++)
		rtc->cmos[index + i] = (uint8_t)(value >> (8 * i));
}

/* Firmware's checksum over bytes 0x10 to 0x2d, high byte first. */
static void rtc_put_checksum(struct rtc *rtc)
{
	uint16_t sum = 0;

	for (unsigned i = 0x10; i <= 0x2d; i++)
		sum = (uint16_t)(sum + rtc->cmos[i]);
	rtc->cmos[0x2e] = (uint8_t)(sum >> 8);
	rtc->cmos[0x2f] = (uint8_t)sum;
}

void rtc_set_memory(struct rtc *rtc, uint64_t low_end, uint64_t high_end)
{
	uint64_t extended = low_end > MIB(1) ? low_end - MIB(1) : 0;
	uint64_t above16 = low_end > MIB(16) ? low_end - MIB(16) : 0;
	uint64_t above4g = high_end > GIB(4) ? high_end - GIB(4) : 0;

	rtc_put(rtc, 0x15, MIN(low_end, KIB(640)) / KIB(1), 2);
	rtc_put(rtc, 0x17, extended / KIB(1), 2);
	rtc_put(rtc, 0x30, extended / KIB(1), 2);
	rtc_put(rtc, 0x34, above16 / KIB(64), 2);
	rtc_put(rtc, 0x5b, above4g / KIB(64), 3);
	rtc_put_checksum(rtc);
}

void rtc_init(struct rtc *rtc, struct platform *platform, struct irq_line irq)
{
	uint64_t now = platform_now(platform);
	uint32_t nanos;

	memset(rtc, 0, sizeof(*rtc));
	rtc->platform = platform;
	rtc->irq = irq;
	platform_timer_init(&rtc->timer, TIMER_VM_WIDE, rtc, rtc_expire);
	rtc->cmos[REG_A] = A_DV_32KHZ | A_RS_1024HZ;
	rtc->cmos[REG_B] = B_24H;
	rtc->cmos[REG_D] = D_VRT;
	rtc->cmos[0x14] = 0x02; /* equipment: a coprocessor, no floppy */
	rtc_put_checksum(rtc);
	rtc->seen_second = rtc_second(rtc, now, &nanos);
	rtc->seen_tick = mul_div_u64(now, TICK_HZ, platform->tsc.hz);
}

/* 'RESET has no affect on the clock, calendar, or RAM functions'; PIE, AIE, UIE, SQWE, PF, AF, UF
 * and IRQF are cleared. With PIE goes what is owed of it. */
void rtc_reset(struct rtc *rtc)
{
	uint64_t now = platform_now(rtc->platform);

	rtc->index = 0;
	rtc->is_nmi_masked = false;
	rtc_sync(rtc, now);
	rtc->cmos[REG_B] &= (uint8_t) ~(C_PF | C_AF | C_UF | B_SQWE);
	rtc->cmos[REG_C] = 0;
	rtc->debt.owed = 0;
	rtc_update(rtc, now);
}

ISA_BYTE_PORTS(rtc, rtc, 0x70)

int rtc_attach(struct rtc *rtc, struct bus *ports)
{
	static const struct bus_region region = ISA_REGION(rtc, 0x70, 2, "RTC");

	return bus_add_all(ports, rtc, &region, 1);
}
