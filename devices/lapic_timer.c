/* The local APIC's timer: one-shot, periodic and TSC-deadline. The count is never kept, it is
 * computed from the time that it began, so that reading it is exact and a period does not drift.
 *
 * The timer's clock (the 'bus clock' of the SDM's 'APIC Timer') is 1 GHz, as KVM's: one clock is 1
 * ns. */
#include "devices/lapic_internal.h"

/* A periodic timer fires at its own grid of times, but no two interrupts are nearer than this: a
 * guest must not be able to keep its pCPU in the timer path (KVM has 200 us here). */
#define MIN_PERIOD_NS 10000u

enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

static unsigned lvt_mode(uint32_t lvt)
{
	return lvt >> LVT_TIMER_SHIFT & 3; /* 3 is reserved: nothing runs in it */
}

static bool has_mode(const struct lapic *lapic, unsigned mode)
{
	return lvt_mode(lapic->timer_lvt) == mode;
}

/* 'Divide Configuration Register': bits 3, 1, 0 are 0 for 2, 1 for 4, ... 6 for 128, 7 for 1. */
static unsigned divide_shift(const struct lapic *lapic)
{
	uint32_t code = (lapic->timer_divide & 3) | (lapic->timer_divide & 8) >> 1;

	return (code + 1) & 7;
}

/* The smallest number of ticks in which `ns` have gone by. */
static uint64_t ticks_until(const struct lapic *lapic, uint64_t ns)
{
	const struct tsc_rate *rate = &lapic->platform->tsc;
	uint64_t ticks = ns_to_tsc(rate, ns);

	return tsc_to_ns(rate, ticks) < ns ? ticks + 1 : ticks;
}

static uint64_t elapsed_ns(const struct lapic *lapic, uint64_t now)
{
	return tsc_to_ns(&lapic->platform->tsc, now - lapic->timer_start);
}

static uint32_t count_at(const struct lapic *lapic, uint64_t now)
{
	uint64_t counted;

	if (!lapic->timer_period)
		return 0;
	counted = elapsed_ns(lapic, now) >> divide_shift(lapic);
	if (has_mode(lapic, TIMER_PERIODIC))
		counted %= lapic->timer_initial; /* reloaded as it reaches 0 */
	else if (counted >= lapic->timer_initial)
		return 0;
	return (uint32_t)(lapic->timer_initial - counted);
}

uint32_t lapic_timer_current(const struct lapic *lapic)
{
	return lapic->timer_period ? count_at(lapic, platform_now(lapic->platform)) : 0;
}

static void disarm(struct lapic *lapic)
{
	if (lapic->timer.is_armed)
		platform_timer_cancel(lapic->platform, &lapic->timer);
}

static void arm(struct lapic *lapic, uint64_t when)
{
	platform_timer_arm(lapic->platform, &lapic->timer, when);
}

/* Lets the count go on from `count` with the present divider and mode. */
static void run_from(struct lapic *lapic, uint32_t count, uint64_t now)
{
	unsigned shift = divide_shift(lapic);
	uint64_t counted = (uint64_t)(lapic->timer_initial - count) << shift;

	lapic->timer_start = now - ticks_until(lapic, counted);
	lapic->timer_period = count ? (uint64_t)lapic->timer_initial << shift : 0;
	lapic->timer_debt.owed = 0;
}

/* When, in ns since timer_start, a periodic timer's next interrupt is due. */
static uint64_t next_period(const struct lapic *lapic, uint64_t elapsed)
{
	uint64_t period = lapic->timer_period;

	if (period < MIN_PERIOD_NS)
		return (elapsed + MIN_PERIOD_NS) / period * period;
	return (elapsed / period + 1) * period;
}

/* Arms the platform's timer for the next moment after `now` at which an interrupt is due; a
 * periodic one `owed_gap` ns from now at the latest. What became due while the LVT was masked is
 * gone. */
static void arm_next(struct lapic *lapic, uint64_t now, uint64_t owed_gap)
{
	uint64_t period = lapic->timer_period, due = period, elapsed;

	if (lapic->timer_deadline && lapic->timer_deadline <= now)
		lapic->timer_deadline = 0;
	if (lapic->timer_lvt & LVT_MASKED || (!period && !lapic->timer_deadline)) {
		lapic->timer_debt.owed = 0;
		disarm(lapic);
		return;
	}
	if (lapic->timer_deadline) {
		arm(lapic, lapic->timer_deadline);
		return;
	}
	elapsed = elapsed_ns(lapic, now);
	if (has_mode(lapic, TIMER_PERIODIC)) {
		due = next_period(lapic, elapsed);
		lapic->timer_counted = elapsed / period;
		if (owed_gap < due - elapsed)
			due = elapsed + owed_gap;
	} else if (elapsed >= period) {
		lapic->timer_period = 0;
		disarm(lapic);
		return;
	}
	arm(lapic, lapic->timer_start + ticks_until(lapic, due));
}

static void periodic_expire(struct lapic *lapic, uint64_t now)
{
	uint64_t period = lapic->timer_period, due, owed_gap = UINT64_MAX;
	bool is_sent;

	due = elapsed_ns(lapic, now) / period - lapic->timer_counted;
	is_sent = tick_take(&lapic->timer_debt, due,
			    lapic_is_requested(lapic, (uint8_t)lapic->timer_lvt),
			    tick_limit(period, NSEC_PER_SEC));
	if (is_sent && lapic->timer_debt.owed)
		owed_gap = tick_gap(period, NSEC_PER_SEC);
	arm_next(lapic, now, owed_gap);
	if (is_sent)
		lapic_fire(lapic, lapic->timer_lvt);
}

void lapic_timer_hurry(struct lapic *lapic)
{
	if (lapic->timer_debt.owed)
		periodic_expire(lapic, platform_now(lapic->platform));
}

static void timer_expire(void *owner, uint64_t now)
{
	struct lapic *lapic = owner;

	lapic->timer_deadline = 0;
	if (has_mode(lapic, TIMER_PERIODIC) && lapic->timer_period) {
		periodic_expire(lapic, now);
		return;
	}
	lapic->timer_period = 0;
	lapic_fire(lapic, lapic->timer_lvt);
}

/* An interrupt that was due before software touches the timer is not lost by the touch. */
static void catch_up(struct lapic *lapic, uint64_t now)
{
	if (lapic->timer.is_armed && lapic->timer.when <= now) {
		disarm(lapic);
		timer_expire(lapic, now);
	}
}

void lapic_timer_init(struct lapic *lapic)
{
	platform_timer_init(&lapic->timer, lapic->vcpu, lapic, timer_expire);
}

static void set_initial(struct lapic *lapic, uint32_t count)
{
	lapic->timer_initial = count;
	lapic_put(lapic, LAPIC_TMICT, count);
}

static void stop(struct lapic *lapic)
{
	disarm(lapic);
	set_initial(lapic, 0);
	lapic->timer_period = 0;
	lapic->timer_deadline = 0;
}

void lapic_timer_reset(struct lapic *lapic)
{
	stop(lapic);
	lapic->timer_divide = 0;
}

void lapic_timer_set_lvt(struct lapic *lapic, uint32_t lvt)
{
	uint64_t now = platform_now(lapic->platform);
	uint32_t old = lapic->timer_lvt, count;

	catch_up(lapic, now);
	count = count_at(lapic, now);
	lapic->timer_lvt = lvt;
	if (lvt_mode(old) == lvt_mode(lvt)) {
		if ((old ^ lvt) & LVT_MASKED)
			arm_next(lapic, now, UINT64_MAX);
	} else if (lvt_mode(old) >= TIMER_DEADLINE || lvt_mode(lvt) >= TIMER_DEADLINE) {
		/* 'Transitioning between TSC-deadline mode and other timer modes also disarms the
		 * timer.' */
		stop(lapic);
	} else {
		run_from(lapic, count, now);
		arm_next(lapic, now, UINT64_MAX);
	}
}

void lapic_timer_set_initial(struct lapic *lapic, uint32_t count)
{
	uint64_t now;

	if (lvt_mode(lapic->timer_lvt) >= TIMER_DEADLINE) {
		/* 'In TSC-deadline mode, writes to the initial-count register are ignored.' */
		lapic_put(lapic, LAPIC_TMICT, lapic->timer_initial);
		return;
	}
	now = platform_now(lapic->platform);
	catch_up(lapic, now);
	set_initial(lapic, count);
	run_from(lapic, count, now); /* 0 stops it */
	arm_next(lapic, now, UINT64_MAX);
}

void lapic_timer_set_divide(struct lapic *lapic, uint32_t tdcr)
{
	uint64_t now = platform_now(lapic->platform);
	uint32_t count;

	catch_up(lapic, now);
	count = count_at(lapic, now);
	lapic->timer_divide = tdcr;
	lapic_put(lapic, LAPIC_TDCR, tdcr);
	if (lapic->timer_period) {
		run_from(lapic, count, now);
		arm_next(lapic, now, UINT64_MAX);
	}
}

void lapic_tsc_deadline_write(struct lapic *lapic, uint64_t when)
{
	if (unlikely(!has_mode(lapic, TIMER_DEADLINE)))
		return;
	if (lapic->timer.is_armed)
		catch_up(lapic, platform_now(lapic->platform));
	lapic->timer_deadline = when;
	if (when && likely(!(lapic->timer_lvt & LVT_MASKED)))
		arm(lapic, when);
	else
		disarm(lapic);
}

uint64_t lapic_tsc_deadline_read(const struct lapic *lapic)
{
	uint64_t when = lapic->timer_deadline;

	/* 'When the timer generates an interrupt, it disarms itself and clears the MSR'; masked,
	 * nobody was there to do it. */
	return when && platform_now(lapic->platform) < when ? when : 0;
}
