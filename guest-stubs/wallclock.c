/* Proves that the clocks agree: kvmclock's wall clock with the RTC, and kvmclock with the ACPI PM
 * timer and the PIT. Words: wall_s= (allowed difference, default 2). */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#include <asm/kvm_para.h>

#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define RTC_SECONDS  0x00
#define RTC_MINUTES  0x02
#define RTC_HOURS    0x04
#define RTC_DAY      0x07
#define RTC_MONTH    0x08
#define RTC_YEAR     0x09
#define RTC_A        0x0a
#define RTC_B        0x0b
#define RTC_A_UIP    BIT(7)
#define RTC_B_BINARY BIT(2)
#define RTC_B_24H    BIT(1)

#define PM_TIMER     0x608
#define PM_HZ        3579545ull
#define PM_MASK      0xffffffu /* 24 bits are there in any case */
#define PM_READS     1000
#define MEASURE_NS   (20 * NS_PER_MS)
#define PIT_TICKS    2386 /* 2 ms */
#define TRIES        10
#define RTC_SLEEP_NS (1100 * NS_PER_MS)

/* Clocks may differ by this many percent. */
#define TOLERANCE_PERCENT 2

static volatile struct pvclock_wall wall;

static unsigned rtc_read(uint8_t index)
{
	outb(RTC_INDEX, index);
	return inb(RTC_DATA);
}

static unsigned from_bcd(unsigned v, unsigned rtc_b)
{
	return rtc_b & RTC_B_BINARY ? v : (v >> 4) * 10 + (v & 0xf);
}

/* Days since 1970-01-01 of a date of this century. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	uint64_t days = (year - 1970) * 365ull + (year - 1969) / 4 + before[month - 1] + day - 1;

	return days + (month > 2 && year % 4 == 0);
}

static uint64_t rtc_once(void)
{
	unsigned b = rtc_read(RTC_B), hour = rtc_read(RTC_HOURS);
	unsigned month = from_bcd(rtc_read(RTC_MONTH), b);
	uint64_t days;

	if (month < 1 || month > 12)
		bail("the RTC's month is %u", month);
	days = days_since_1970(2000 + from_bcd(rtc_read(RTC_YEAR), b), month,
			       from_bcd(rtc_read(RTC_DAY), b));
	if (!(b & RTC_B_24H)) {
		bool is_pm = hour & BIT(7);

		hour = from_bcd(hour & 0x7f, b) % 12 + (is_pm ? 12 : 0);
	} else {
		hour = from_bcd(hour, b);
	}
	return ((days * 24 + hour) * 60 + from_bcd(rtc_read(RTC_MINUTES), b)) * 60 +
	       from_bcd(rtc_read(RTC_SECONDS), b);
}

/* Seconds since 1970, read twice alike and not during an update. */
static uint64_t rtc_seconds(void)
{
	uint64_t first, second;

	do {
		while (rtc_read(RTC_A) & RTC_A_UIP)
			cpu_relax();
		first = rtc_once();
		second = rtc_once();
	} while (first != second);
	return first;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_near(uint64_t got, uint64_t want)
{
	return distance(got, want) * 100 <= want * TOLERANCE_PERCENT;
}

static void check_wall(void)
{
	uint64_t rtc, kvm;

	if (!kvm_has(KVM_FEATURE_CLOCKSOURCE2)) {
		skip("kvmclock's wall clock and the RTC agree", "no kvmclock");
		return;
	}
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, (uint64_t)&wall);
	kvm = wall.sec + (wall.nsec + clock_ns()) / NS_PER_SEC;
	rtc = rtc_seconds();
	diag("kvmclock: %lu s, RTC: %lu s since 1970", kvm, rtc);
	ok(distance(kvm, rtc) <= cmdline_u64("wall_s", 2),
	   "kvmclock's wall clock and the RTC agree");
}

static void check_rtc_runs(void)
{
	uint64_t start = rtc_seconds(), seconds;

	timer_halt_ns(RTC_SLEEP_NS);
	seconds = rtc_seconds() - start;
	ok(seconds >= 1 && seconds <= 2, "the RTC went on by %lu s in 1.1 s", seconds);
}

/* The PM timer's time and the clock's over a while: do they agree? */
static bool is_pm_rate_right(void)
{
	uint64_t start_ns = clock_ns(), ns, ticks;
	uint32_t start = inl(PM_TIMER);

	clock_spin_ns(MEASURE_NS);
	ticks = (inl(PM_TIMER) - start) & PM_MASK;
	ns = clock_ns() - start_ns;
	diag("PM timer: %lu ticks in %lu us", ticks, ns / NS_PER_US);
	return is_near(ticks * NS_PER_SEC / PM_HZ, ns);
}

static void check_pm_timer(void)
{
	uint32_t last = inl(PM_TIMER);
	uint64_t backwards = 0;
	bool is_right = false;

	for (unsigned i = 0; i < PM_READS; i++) {
		uint32_t now = inl(PM_TIMER);

		/* Half of the range and more 'forward' is backward. */
		backwards += ((now - last) & PM_MASK) > PM_MASK / 2;
		last = now;
	}
	is(backwards, 0, "%u reads of the PM timer never went backwards", PM_READS);
	/* Being preempted between the two readings spoils a try. */
	for (unsigned i = 0; i < TRIES && !is_right; i++)
		is_right = is_pm_rate_right();
	ok(is_right, "the PM timer goes as fast as the clock");
}

/* Being preempted only makes a measurement longer: the shortest counts. */
static void check_pit(void)
{
	uint64_t best = UINT64_MAX, hz;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t ticks = clock_pit_measure(PIT_TICKS);

		best = ticks < best ? ticks : best;
	}
	hz = best * PIT_HZ / PIT_TICKS;
	diag("TSC by the PIT: %lu Hz, by the clock: %lu Hz", hz, clock_tsc_hz());
	ok(is_near(hz, clock_tsc_hz()), "the PIT goes as fast as the clock");
}

void stub_main(void)
{
	plan(5);
	timer_init();
	check_wall();
	check_rtc_runs();
	check_pm_timer();
	check_pit();
}
