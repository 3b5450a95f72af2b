/* Proves that all clocks agree within 0.1 % over ten seconds: RTC, kvmclock, TSC, PM timer and HPET
 * as counters; 8254, HPET, local APIC timer and RTC by their periodic ticks, of which none may be
 * lost or doubled. With `share` a second vCPU is busy all the time, for a VM whose vCPUs have one
 * pCPU: then ticks come late, but they come. Words: seconds= (10), share. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/hpet.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#define RTC_INDEX   0x70
#define RTC_DATA    0x71
#define RTC_SECONDS 0x00
#define RTC_A       0x0a
#define RTC_B       0x0b
#define RTC_C       0x0c
#define RTC_A_256HZ 0x28
#define RTC_B_PIE   BIT(6)
#define RTC_B_DM    BIT(2)
#define RTC_B_24H   BIT(1)

#define PM_TIMER 0x608
#define PM_HZ    3579545ull

#define PIT_COUNT   2386    /* 500 Hz */
#define APIC_COUNT  1000000 /* 1000 Hz of the 1 GHz that KVM's guests know */
#define HPET_TICKS  250     /* a second */
#define PIN_PIT     2
#define PIN_RTC     8
#define PIN_HPET    20
#define SETTLE_NS   (4 * NS_PER_MS)
#define GAP_NS      (1 * NS_PER_MS)
#define BOUNDARY_NS (200 * NS_PER_US)

/* Ticks may be on their way at both ends. */
#define TICKS_WITHIN 2

enum source { SOURCE_PIT, SOURCE_HPET, SOURCE_APIC, SOURCE_RTC, SOURCES };
static const uint8_t vectors[SOURCES] = {0x50, 0x51, 0x52, 0x53};
static volatile uint64_t ticks[SOURCES];
static uint64_t stop;

/* All counters at one moment. */
struct reading {
	uint64_t ns, tsc, hpet, second;
	uint32_t pm;
};

/* All ticks at one moment. */
struct tally {
	uint64_t ns, ticks[SOURCES];
};

static uint8_t rtc_read(uint8_t index)
{
	outb(RTC_INDEX, index);
	return inb(RTC_DATA);
}

static void rtc_write(uint8_t index, uint8_t value)
{
	outb(RTC_INDEX, index);
	outb(RTC_DATA, value);
}

static void note(struct trap_frame *frame)
{
	for (unsigned i = 0; i < SOURCES; i++)
		ticks[i] += frame->vector == vectors[i];
	if (frame->vector == vectors[SOURCE_RTC])
		rtc_read(RTC_C);
	apic_eoi();
}

static void start_ticks(void)
{
	for (unsigned i = 0; i < SOURCES; i++)
		trap_set(vectors[i], note);
	ioapic_route(PIN_PIT, vectors[SOURCE_PIT], apic_id());
	ioapic_route(PIN_RTC, vectors[SOURCE_RTC], apic_id());
	ioapic_route(PIN_HPET, vectors[SOURCE_HPET], apic_id());
	pit_program(PIT_CHANNEL_0, PIT_MODE_RATE, PIT_COUNT);
	rtc_write(RTC_A, RTC_A_256HZ);
	rtc_write(RTC_B, RTC_B_PIE | RTC_B_DM | RTC_B_24H);
	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE);
	hpet_write(HPET_TIMER(0), HPET_TIMER_ROUTE(PIN_HPET) | HPET_TIMER_ENABLE |
					  HPET_TIMER_PERIODIC | HPET_TIMER_SET);
	hpet_write(HPET_COMPARATOR(0), hpet_read(HPET_COUNTER) + 100000);
	hpet_write(HPET_COMPARATOR(0),
		   1000000000000000ull / (hpet_read(HPET_ID) >> 32) / HPET_TICKS);
	apic_write(APIC_TDCR, APIC_TDCR_1);
	apic_write(APIC_LVT_TIMER, vectors[SOURCE_APIC] | APIC_LVT_PERIODIC);
	apic_write(APIC_TMICT, APIC_COUNT);
}

/* Interrupts open until there was none that waited: the CPU was not away for a while. */
static struct tally settle(void)
{
	struct tally tally;
	uint64_t start = clock_ns(), last = start, now;

	while (last - start < SETTLE_NS) {
		irq_window();
		now = clock_ns();
		if (now - last > GAP_NS)
			start = now;
		last = now;
	}
	tally.ns = last;
	for (unsigned i = 0; i < SOURCES; i++)
		tally.ticks[i] = ticks[i];
	return tally;
}

/* At the moment when the RTC's second changes, seen closely: a preemption in between would show in
 * the time since the look before. */
static struct reading read_at_second(void)
{
	for (;;) {
		uint8_t before = rtc_read(RTC_SECONDS), after = before;
		uint64_t last = rdtsc(), previous = last;
		struct reading r;

		while (after == before) {
			irq_window();
			previous = rdtsc();
			after = rtc_read(RTC_SECONDS);
		}
		r.tsc = rdtsc();
		r.ns = clock_ns();
		r.pm = inl(PM_TIMER);
		r.hpet = hpet_read(HPET_COUNTER);
		r.second = after;
		if (clock_tsc_to_ns(rdtsc() - previous) < BOUNDARY_NS)
			return r;
	}
}

static void check_counter(const char *name, uint64_t ns, uint64_t want)
{
	uint64_t off = ns > want ? ns - want : want - ns;

	diag("%s: %lu us while kvmclock goes on by %lu us", name, ns / NS_PER_US, want / NS_PER_US);
	ok(off * 1000 <= want, "%s and kvmclock agree within 0.1 %%", name);
}

static void check_counters(const struct reading *from, const struct reading *to)
{
	uint64_t ns = to->ns - from->ns;
	uint64_t hpet_ns = hpet_read(HPET_ID) >> 32;
	uint64_t seconds = (to->second + 60 - from->second) % 60;

	check_counter("RTC", seconds * NS_PER_SEC, ns);
	check_counter("TSC", clock_tsc_to_ns(to->tsc - from->tsc), ns);
	check_counter("PM timer", (uint32_t)(to->pm - from->pm) * NS_PER_SEC / PM_HZ, ns);
	check_counter("HPET", (to->hpet - from->hpet) * hpet_ns / 1000000, ns);
}

static void check_ticks(const char *name, enum source source, const struct tally *from,
			const struct tally *to, uint64_t period_ps)
{
	uint64_t got = to->ticks[source] - from->ticks[source];
	uint64_t want = (to->ns - from->ns) * 1000 / period_ps;

	diag("%s: %lu ticks in %lu us", name, got, (to->ns - from->ns) / NS_PER_US);
	ok(got + TICKS_WITHIN >= want && got <= want + TICKS_WITHIN,
	   "%s: no tick of %lu lost or doubled", name, want);
}

static void be_busy(uint64_t arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		;
}

void stub_main(void)
{
	uint64_t end, seconds = cmdline_u64("seconds", 10);
	struct reading from, to;
	struct tally first, last;

	plan(8);
	clock_init();
	if (!clock_is_kvm())
		bail("no kvmclock");
	apic_enable(apic_has_x2apic());
	if (cmdline_is("share", "")) {
		smp_start(2);
		smp_run(1, be_busy, 0);
	}
	start_ticks();
	first = settle();
	from = read_at_second();
	end = clock_ns() + seconds * NS_PER_SEC - NS_PER_SEC / 2;
	while (clock_ns() < end)
		irq_enable_and_halt();
	to = read_at_second();
	last = settle();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	check_counters(&from, &to);
	check_ticks("8254", SOURCE_PIT, &first, &last, PIT_COUNT * 1000000000000ull / PIT_HZ);
	check_ticks("HPET", SOURCE_HPET, &first, &last, 1000000000000ull / HPET_TICKS);
	check_ticks("APIC timer", SOURCE_APIC, &first, &last, APIC_COUNT * 1000ull);
	check_ticks("RTC", SOURCE_RTC, &first, &last, 1000000000000ull / 256);
}
