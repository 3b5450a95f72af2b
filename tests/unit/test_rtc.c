/* The MC146818; rules from its data sheet. The fake platform's wall clock shows 2000-01-01
 * 00:00:00, a Saturday, at TSC 0; the TSC runs at 1 GHz, so that it counts nanoseconds. */
#include <time.h>

#include "device_rig.h"
#include "devices/calendar.h"
#include "devices/rtc.h"

#define SECOND NSEC_PER_SEC

static struct fake_platform fake;
static struct wire irq;
static struct rtc rtc;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, SECOND);
	rtc_init(&rtc, &fake.platform, wire_line(&irq, 8));
	return 0;
}

static uint8_t get(uint8_t index)
{
	rtc_write(&rtc, 0x70, index);
	return rtc_read(&rtc, 0x71);
}

static void put(uint8_t index, uint8_t value)
{
	rtc_write(&rtc, 0x70, index);
	rtc_write(&rtc, 0x71, value);
}

static void go(uint64_t ns)
{
	fake_platform_run_until(&fake, fake.now + ns);
}

/* Second, minute, hour, weekday, day, month, year, century, as bytes. */
static void assert_time(const uint8_t expected[8])
{
	static const uint8_t index[8] = {0, 2, 4, 6, 7, 8, 9, 0x32};

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(get(index[i]), expected[i]);
}

static void set_time(const uint8_t value[8])
{
	static const uint8_t index[8] = {0, 2, 4, 6, 7, 8, 9, 0x32};

	for (unsigned i = 0; i < 8; i++)
		put(index[i], value[i]);
}

#define TIME(...) ((const uint8_t[8]){__VA_ARGS__})

/* The calendar agrees with the C library, and with itself. */
static void test_calendar(void **state)
{
	(void)state;
	for (int64_t s = -62167219200; s < 253402300800; s += 86399 * 5 + 12345) {
		time_t t = (time_t)s;
		struct calendar date;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		calendar_from_seconds(s, &date);
		assert_int_equal(date.year, tm.tm_year + 1900);
		assert_int_equal(date.month, tm.tm_mon + 1);
		assert_int_equal(date.day, tm.tm_mday);
		assert_int_equal(date.hour, tm.tm_hour);
		assert_int_equal(date.minute, tm.tm_min);
		assert_int_equal(date.second, tm.tm_sec);
		assert_int_equal(date.weekday, tm.tm_wday);
		assert_true(calendar_to_seconds(&date) == s);
	}
}

static void test_time_formats(void **state)
{
	(void)state;
	/* 13:45:59 on 31 December 1999 was a Friday, 10 h 14 min 1 s before TSC 0; go to the
	 * equivalent in 2000: 2000-12-31 is a Sunday. */
	go((365 * 86400ull + 13 * 3600 + 45 * 60 + 59) * SECOND);
	assert_time(TIME(0x59, 0x45, 0x13, 1, 0x31, 0x12, 0x00, 0x20));
	put(0x0b, 0x06); /* 24 hours, binary */
	assert_time(TIME(59, 45, 13, 1, 31, 12, 0, 20));
	put(0x0b, 0x04); /* 12 hours, binary */
	assert_int_equal(get(4), 0x80 | 1);
	put(0x0b, 0x00); /* 12 hours, BCD */
	assert_int_equal(get(4), 0x81);
	go(SECOND);
	assert_time(TIME(0x00, 0x46, 0x81, 1, 0x31, 0x12, 0x00, 0x20));
	go((10 * 3600 + 14 * 60) * SECOND);
	assert_time(TIME(0x00, 0x00, 0x12, 2, 0x01, 0x01, 0x01, 0x20)); /* midnight is 12 AM */
	go(12 * 3600 * SECOND);
	assert_int_equal(get(4), 0x92); /* noon is 12 PM */
	go((100ull * 365 + 24) * 86400 * SECOND);
	assert_int_equal(get(0x32), 0x21);
	assert_int_equal(get(9), 0x01);
	go(32 * 86400ull * SECOND);
	assert_int_equal(get(8), 0x02);
	go(86400 * SECOND);
	assert_int_equal(get(7), 0x03);
}

/* The way Linux sets it: SET, divider reset, bytes, and back. 'When the divider is changed from
 * reset to an operating time base, the first update cycle begins one-half second later.' */
static void test_set_time(void **state)
{
	(void)state;
	go(SECOND / 3);
	put(0x0b, 0x82);
	put(0x0a, 0x76);
	set_time(TIME(0x58, 0x59, 0x23, 0x05, 0x28, 0x02, 0x24, 0x20));
	go(100 * SECOND); /* stands still */
	assert_int_equal(get(0), 0x58);
	assert_int_equal(get(0x0a), 0x76);
	put(0x0b, 0x02);
	put(0x0a, 0x26);
	assert_time(TIME(0x58, 0x59, 0x23, 0x05, 0x28, 0x02, 0x24, 0x20));
	go(SECOND / 2 - 1);
	assert_int_equal(get(0), 0x58);
	go(1);
	assert_int_equal(get(0), 0x59);
	go(SECOND);
	/* A leap year; the weekday counts on from what the guest said. */
	assert_time(TIME(0x00, 0x00, 0x00, 0x06, 0x29, 0x02, 0x24, 0x20));
}

/* SET alone: the divider goes on, and so does the part of the second. */
static void test_set_bit_keeps_the_phase(void **state)
{
	(void)state;
	go(SECOND / 4);
	put(0x0b, 0x92); /* SET clears UIE */
	assert_int_equal(get(0x0b), 0x82);
	set_time(TIME(0x30, 0x10, 0x05, 0x01, 0x01, 0x06, 0x70, 0x19));
	put(0x0b, 0x02);
	go(3 * SECOND / 4 - 1);
	assert_int_equal(get(0), 0x30);
	go(1);
	assert_time(TIME(0x31, 0x10, 0x05, 0x01, 0x01, 0x06, 0x70, 0x19));
	/* A single byte written while it runs takes effect as well. */
	put(2, 0x59);
	go(29 * SECOND);
	assert_time(TIME(0x00, 0x00, 0x06, 0x01, 0x01, 0x06, 0x70, 0x19));
}

/* Nonsense in the time bytes is the guest's, but never undefined behaviour. */
static void test_nonsense_time(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 256; b += 5) {
		for (uint8_t mode = 0; mode < 8; mode += 2) {
			put(0x0b, 0x80 | mode);
			for (uint8_t i = 0; i < 10; i++)
				put(i, (uint8_t)b);
			put(0x32, (uint8_t)b);
			put(0x0b, mode | 0x70);
			go(SECOND);
			for (uint8_t i = 0; i < 0x0d; i++)
				(void)get(i);
			assert_true(get(2) < 0x60);
		}
	}
}

/* 'Update Cycle': UIP is set 244 microseconds before it, and until its end 1984 later. */
static void test_update_in_progress(void **state)
{
	(void)state;
	assert_int_equal(get(0x0a), 0x26);
	go(SECOND - 2228001);
	assert_int_equal(get(0x0a), 0x26);
	go(1);
	assert_int_equal(get(0x0a), 0xa6);
	go(2227999);
	assert_int_equal(get(0x0a), 0xa6);
	assert_int_equal(get(0), 0x00);
	go(1);
	assert_int_equal(get(0x0a), 0x26);
	assert_int_equal(get(0), 0x01);
	go(SECOND - 1);
	put(0x0b, 0x82); /* SET aborts the update */
	assert_int_equal(get(0x0a), 0x26);
	put(0x0a, 0xa6); /* UIP is read-only */
	put(0x0b, 0x02);
	assert_int_equal(rtc.cmos[0x0a], 0x26);
}

/* 'UF is set after each update cycle'; reading C clears the flags and the line. */
static void test_update_interrupt(void **state)
{
	(void)state;
	go(3 * SECOND / 2);
	assert_int_equal(get(0x0c), 0x40 | 0x10); /* set though not enabled, IRQF not */
	assert_int_equal(get(0x0c), 0);
	put(0x0b, 0x12);
	go(SECOND / 2 - 1);
	assert_false(irq.level);
	go(10);
	assert_true(irq.level);
	assert_false(rtc.timer.is_armed); /* until C is read */
	go(5 * SECOND);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(get(0x0c) & 0x90, 0x90);
	assert_false(irq.level);
	go(SECOND);
	assert_int_equal(irq.rises, 2);
	put(0x0b, 0x02);
	assert_false(irq.level);
	put(0x0b, 0x12); /* a flag that is set interrupts when it is enabled */
	assert_int_equal(irq.rises, 3);
}

static void check_alarm(uint8_t h, uint8_t m, uint8_t s, uint64_t seconds)
{
	setup(NULL);
	go(SECOND / 2);
	put(1, s);
	put(3, m);
	put(5, h);
	put(0x0b, 0x22);
	go(seconds * SECOND - SECOND / 2 - 1);
	assert_int_equal(irq.rises, 0);
	go(10);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(get(0x0c) & 0xa0, 0xa0);
}

/* 'The alarm interrupt will be generated at the time'; 'a "don't care" code is any byte from C0 to
 * FF'. */
static void test_alarm(void **state)
{
	(void)state;
	check_alarm(0x07, 0x30, 0x15, 7 * 3600 + 30 * 60 + 15);
	check_alarm(0xff, 0x30, 0x15, 30 * 60 + 15);
	check_alarm(0xc0, 0xff, 0x00, 60);
	check_alarm(0xff, 0xff, 0xff, 1);
	check_alarm(0x00, 0x00, 0x00, 86400);
	check_alarm(0x23, 0xc3, 0x59, 23 * 3600 + 59);
	check_alarm(0x00, 0xff, 0x00, 60);

	/* An alarm that can never match arms nothing. */
	setup(NULL);
	put(1, 0x1a);
	put(3, 0xff);
	put(5, 0xff);
	put(0x0b, 0x22);
	assert_false(rtc.timer.is_armed);
	go(200000 * SECOND);
	assert_int_equal(get(0x0c) & 0x20, 0);
	/* Without its interrupt the flag comes all the same, when somebody looks. */
	put(0x0b, 0x02);
	put(1, 0x30);
	assert_false(rtc.timer.is_armed);
	go(60 * SECOND);
	assert_int_equal(get(0x0c) & 0xa0, 0x20);
}

static void test_alarm_in_12_hour_mode(void **state)
{
	(void)state;
	put(0x0b, 0x20);
	put(1, 0x00);
	put(3, 0x00);
	put(5, 0x93); /* 0x13 is no hour there */
	assert_false(rtc.timer.is_armed);
	put(5, 0x83); /* 3 PM */
	go(15 * 3600 * SECOND - 1);
	assert_int_equal(irq.rises, 0);
	go(10);
	assert_int_equal(irq.rises, 1);
}

/* 'Periodic Interrupt Rate and Square Wave Output Frequency', at 32.768 kHz. */
static void test_periodic(void **state)
{
	static const uint32_t hz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
					256, 128, 64,  32,   16,   8,    4,    2};

	(void)state;
	for (uint8_t rs = 0; rs < 16; rs++) {
		unsigned n = 0;

		setup(NULL);
		put(0x0a, 0x20 | rs);
		put(0x0b, 0x42);
		for (; fake.now < SECOND && rtc.timer.is_armed; n++) {
			fake_platform_run_until(&fake, rtc.timer.when);
			assert_true(irq.level);
			assert_int_equal(get(0x0c) & 0xc0, 0xc0);
		}
		assert_int_equal(n, hz[rs]);
	}
	/* One that is not read does not come again, and costs no timer. */
	setup(NULL);
	put(0x0a, 0x23);
	put(0x0b, 0x42);
	go(SECOND);
	assert_int_equal(irq.rises, 1);
	assert_false(rtc.timer.is_armed);
	assert_int_equal(get(0x0c) & 0xc0, 0xc0);
	go(SECOND / 8192 + 10);
	assert_int_equal(irq.rises, 2);
	/* The divider in reset stops it. */
	put(0x0a, 0x63);
	(void)get(0x0c);
	go(SECOND);
	assert_int_equal(irq.rises, 2);
	assert_int_equal(get(0x0c), 0);
}

/* A periodic interrupt that found the flag still set is owed: it comes after the guest has read
 * register C, faster than its period, until the guest has had as many as there were. */
static void test_periodic_owed(void **state)
{
	unsigned n = 0;

	(void)state;
	put(0x0a, 0x26);
	put(0x0b, 0x42);
	go(SECOND / 4 + 1000); /* 256 periods of 1024 Hz */
	assert_int_equal(irq.rises, 1);
	while (fake.now < SECOND / 2) {
		n += !!(get(0x0c) & 0x40);
		fake_platform_run_until(&fake, MIN(rtc.timer.when, (uint64_t)SECOND / 2));
	}
	n += !!(get(0x0c) & 0x40);
	assert_int_equal(n, 512);
	assert_int_equal(rtc.debt.owed, 0);
	/* A vCPU that halts gets the next at once. */
	go(SECOND / 256);
	assert_int_equal(get(0x0c) & 0x40, 0x40);
	for (n = 0; n < 3; n++) {
		rtc_hurry(&rtc);
		assert_int_equal(get(0x0c) & 0x40, 0x40);
	}
	rtc_hurry(&rtc);
	assert_int_equal(get(0x0c) & 0x40, 0);
	/* One second's are owed at most, and none to a guest that only polls the flag. */
	go(10 * SECOND);
	(void)get(0x0c);
	assert_int_equal(rtc.debt.owed, 1024);
	put(0x0b, 0x02);
	(void)get(0x0c);
	go(SECOND);
	assert_int_equal(get(0x0c), 0x50);
	assert_int_equal(get(0x0c), 0);
}

/* 'RESET has no affect on the clock, calendar, or RAM functions'; PIE, AIE, UIE, SQWE and the flags
 * are cleared, and IRQ goes away. */
static void test_reset(void **state)
{
	(void)state;
	put(0x0b, 0x02);
	set_time(TIME(0x58, 0x59, 0x23, 0x05, 0x28, 0x02, 0x24, 0x20));
	put(0x01, 0x33);
	put(0x50, 0xa5);
	put(0x0b, 0x7a);
	go(SECOND);
	assert_true(irq.level);
	rtc_write(&rtc, 0x70, 0x8b);
	rtc_reset(&rtc);
	assert_false(irq.level);
	assert_false(rtc.is_nmi_masked);
	assert_int_equal(get(0x0b), 0x02);
	assert_int_equal(get(0x0c), 0x00);
	assert_int_equal(get(0x01), 0x33);
	assert_int_equal(get(0x50), 0xa5);
	assert_time(TIME(0x59, 0x59, 0x23, 0x05, 0x28, 0x02, 0x24, 0x20));
	go(10 * SECOND);
	assert_false(irq.level);
	assert_false(rtc.timer.is_armed);
}

/* What was owed before is not afterwards: no timer is left armed, which a restart of the VM takes
 * for granted (platform_reset forgets the heap). */
static void test_reset_forgets_what_is_owed(void **state)
{
	(void)state;
	put(0x0a, 0x26);
	put(0x0b, 0x42);
	go(SECOND);
	assert_true(rtc.debt.owed > 0 || irq.level);
	(void)get(0x0c);
	go(SECOND / 512);
	assert_true(rtc.debt.owed > 0);
	rtc_reset(&rtc);
	assert_int_equal(rtc.debt.owed, 0);
	assert_false(rtc.timer.is_armed);
	go(SECOND);
	assert_false(irq.level);
}

static void test_cmos(void **state)
{
	uint16_t sum = 0;

	(void)state;
	rtc_set_memory(&rtc, GIB(3), GIB(4) + MIB(512));
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
	assert_int_equal(get(0x30) | get(0x31) << 8, 0xffff);
	assert_int_equal(get(0x34) | get(0x35) << 8, (GIB(3) - MIB(16)) / KIB(64));
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, MIB(512) / KIB(64));
	rtc_set_memory(&rtc, MIB(8), 0);
	assert_int_equal(get(0x17) | get(0x18) << 8, 7 * 1024);
	assert_int_equal(get(0x30) | get(0x31) << 8, 7 * 1024);
	assert_int_equal(get(0x34) | get(0x35) << 8, 0);
	assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0);
	for (uint8_t i = 0x10; i <= 0x2d; i++)
		sum = (uint16_t)(sum + get(i));
	assert_int_equal(get(0x2e) << 8 | get(0x2f), sum);
	rtc_set_memory(&rtc, KIB(512), 0);
	assert_int_equal(get(0x15) | get(0x16) << 8, 512);

	put(0x0f, 0x0a); /* the shutdown byte is memory */
	assert_int_equal(get(0x0f), 0x0a);
	put(0x7f, 0x55);
	assert_int_equal(get(0x7f), 0x55);
	put(0x0d, 0x00); /* VRT is read-only, C too */
	assert_int_equal(get(0x0d), 0x80);
	put(0x0c, 0xff);
	assert_int_equal(get(0x0c), 0);
}

static void test_ports_and_nmi_mask(void **state)
{
	static struct bus ports;

	(void)state;
	bus_init(&ports);
	assert_int_equal(rtc_attach(&rtc, &ports), 0);
	port_out(&ports, 0x70, 1, 0x80 | 0x0f);
	assert_true(rtc.is_nmi_masked);
	port_out(&ports, 0x71, 1, 0x42);
	port_out(&ports, 0x70, 1, 0x0f);
	assert_false(rtc.is_nmi_masked);
	assert_int_equal(port_in(&ports, 0x71, 1), 0x42);
	assert_int_equal(port_in(&ports, 0x70, 1), 0xff);
	port_out(&ports, 0x70, 2, 0x330f); /* index and data in one word */
	assert_int_equal(port_in(&ports, 0x71, 1), 0x33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calendar, setup),
		cmocka_unit_test_setup(test_time_formats, setup),
		cmocka_unit_test_setup(test_set_time, setup),
		cmocka_unit_test_setup(test_set_bit_keeps_the_phase, setup),
		cmocka_unit_test_setup(test_nonsense_time, setup),
		cmocka_unit_test_setup(test_update_in_progress, setup),
		cmocka_unit_test_setup(test_update_interrupt, setup),
		cmocka_unit_test_setup(test_alarm, setup),
		cmocka_unit_test_setup(test_alarm_in_12_hour_mode, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_periodic_owed, setup),
		cmocka_unit_test_setup(test_reset_forgets_what_is_owed, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_cmos, setup),
		cmocka_unit_test_setup(test_ports_and_nmi_mask, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
