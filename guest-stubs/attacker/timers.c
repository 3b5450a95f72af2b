/* Attacks by timers: work in other VMs' turns, interrupts without end, ticks that are owed. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/hpet.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/pit.h"

#define HPET_PERIOD 1000   /* 10 us at 100 MHz */
#define HPET_AHEAD  100000 /* for the first match: it must not have passed when it is written */
#define FIRST_PIN   20
#define VECTOR_HPET 0x60
#define VECTOR_PIT  0x70
#define VECTOR_RTC  0x71

#define RTC_INDEX 0x70
#define RTC_DATA  0x71
#define RTC_A     0x0a
#define RTC_B     0x0b
#define RTC_C     0x0c

static void hpet_start(uint32_t flags, uint64_t period)
{
	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE);
	for (unsigned n = 0; n < 3; n++) {
		hpet_write(HPET_TIMER(n), HPET_TIMER_ROUTE(FIRST_PIN + n) | HPET_TIMER_ENABLE |
						  HPET_TIMER_PERIODIC | HPET_TIMER_SET | flags);
		hpet_write(HPET_COMPARATOR(n), hpet_read(HPET_COUNTER) + HPET_AHEAD);
		hpet_write(HPET_COMPARATOR(n), period);
	}
}

/* Nobody takes the interrupts. */
static void hpet(void)
{
	hpet_start(0, HPET_PERIOD);
}

static void hpet_routed(void)
{
	for (unsigned n = 0; n < 3; n++)
		ioapic_route((uint8_t)(FIRST_PIN + n), (uint8_t)(VECTOR_HPET + n), apic_id());
	hpet_start(0, HPET_PERIOD);
}

/* To the second CPU, which is elsewhere. */
static void hpet_away(void)
{
	for (unsigned n = 0; n < 3; n++)
		ioapic_route((uint8_t)(FIRST_PIN + n), (uint8_t)(VECTOR_HPET + n), 1);
	hpet_start(0, HPET_PERIOD);
}

/* Levels that nobody clears: each EOI brings the next. */
static void hpet_level(void)
{
	for (unsigned n = 0; n < 3; n++) {
		ioapic_route((uint8_t)(FIRST_PIN + n), (uint8_t)(VECTOR_HPET + n), apic_id());
		ioapic_write((uint8_t)IOAPIC_ENTRY(FIRST_PIN + n), BIT(15) | (VECTOR_HPET + n));
	}
	hpet_start(HPET_TIMER_LEVEL, HPET_PERIOD);
}

/* Broadcast to all CPUs by each edge. */
static void hpet_broadcast(void)
{
	for (unsigned n = 0; n < 3; n++)
		ioapic_route((uint8_t)(FIRST_PIN + n), (uint8_t)(VECTOR_HPET + n), 0xff);
	hpet_start(0, HPET_PERIOD);
}

static void pit(void)
{
	pit_program(PIT_CHANNEL_0, PIT_MODE_RATE, 2);
}

static void pit_routed(void)
{
	ioapic_route(2, VECTOR_PIT, apic_id());
	pit();
}

static void rtc_write(uint8_t index, uint8_t value)
{
	outb(RTC_INDEX, index);
	outb(RTC_DATA, value);
}

static void rtc(void)
{
	rtc_write(RTC_A, 0x23); /* 8192 Hz */
	for (uint8_t at = 1; at <= 5; at += 2)
		rtc_write(at, 0xff); /* an alarm each second */
	rtc_write(RTC_B, 0x72);      /* periodic, alarm and update */
	ioapic_route(8, VECTOR_RTC, apic_id());
	outb(RTC_INDEX, RTC_C);
	inb(RTC_DATA);
}

static void rtc_round(uint64_t n)
{
	attack_halt(n);
	outb(RTC_INDEX, RTC_C);
	inb(RTC_DATA);
}

/* The shortest periods that there are, and all at once. */
static void everything(void)
{
	hpet();
	pit();
	rtc();
	attack_tick(100);
}

static void apic_timer(void)
{
	attack_tick(100);
}

static void apic_timer_masked(void)
{
	attack_tick(100);
	apic_write(APIC_LVT_TIMER, apic_read(APIC_LVT_TIMER) | APIC_LVT_MASKED);
}

/* Ticks each 50 us that wait for half a second, then all of them are owed. */
static void owed_begin(void)
{
	ioapic_route(FIRST_PIN, VECTOR_HPET, apic_id());
	hpet_start(0, 5 * HPET_PERIOD);
}

static void owed(uint64_t n)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(20 * NS_PER_MS);

	while (rdtsc() < end)
		;
	for (unsigned i = 0; i < 500; i++)
		attack_halt(n);
}

static void deadline_past(uint64_t n)
{
	(void)n;
	apic_write(APIC_LVT_TIMER, 0xd0 | APIC_LVT_TSC_DEADLINE);
	for (unsigned i = 0; i < 100; i++) {
		wrmsr(MSR_TSC_DEADLINE, 1);
		irq_window();
	}
}

/* Comparators that are set again and again, just ahead. */
static void rearm(uint64_t n)
{
	for (unsigned t = 0; t < 3; t++)
		hpet_write(HPET_COMPARATOR(t), hpet_read(HPET_COUNTER) + (n & 63));
	pit_program(PIT_CHANNEL_0, PIT_MODE_ONE_SHOT, (uint16_t)(1 + (n & 15)));
	irq_window();
}

static void rearm_begin(void)
{
	hpet_routed();
	for (unsigned n = 0; n < 3; n++)
		hpet_write(HPET_TIMER(n), HPET_TIMER_ROUTE(FIRST_PIN + n) | HPET_TIMER_ENABLE);
}

const struct attack attacks_by_timers[] = {
	{"hpet", hpet, attack_halt, NULL},
	{"hpet-busy", hpet, attack_spin, NULL},
	{"hpet-irq", hpet_routed, attack_halt, NULL},
	{"hpet-irq-busy", hpet_routed, attack_spin, NULL},
	{"hpet-level", hpet_level, attack_halt, NULL},
	{"hpet-broadcast", hpet_broadcast, attack_halt, attack_halt},
	{"hpet-away", hpet_away, attack_halt, attack_halt},
	{"hpet-rearm", rearm_begin, rearm, NULL},
	{"pit", pit, attack_halt, NULL},
	{"pit-irq", pit_routed, attack_halt, NULL},
	{"rtc", rtc, rtc_round, NULL},
	{"all-timers", everything, attack_halt, NULL},
	{"apic-timer", apic_timer, attack_halt, NULL},
	{"apic-timer-masked", apic_timer_masked, attack_halt, NULL},
	{"owed", owed_begin, owed, NULL},
	{"deadline-past", NULL, deadline_past, NULL},
	{NULL},
};
