/* The high precision event timers. Nothing is counted: the counter is computed from the time, and
 * each comparator knows when it matches next. `t` is the time in the counter's ticks since VM TSC
 * 0. */
#include "devices/hpet.h"
#include "lib/checked.h"
#include "lib/string.h"

enum hpet_register {
	GCAP_ID = 0x000,
	GEN_CONF = 0x010,
	GINTR_STA = 0x020,
	MAIN_CNT = 0x0f0,
	TIMERS = 0x100, /* 0x20 bytes each: configuration, comparator, FSB route */
	TIMER_SIZE = 0x20,
	TIMER_CONFIG = 0x00,
	TIMER_COMPARATOR = 0x08,
};

#define ENABLE_CNF BIT_ULL(0)
#define LEG_RT_CNF BIT_ULL(1)

#define INT_TYPE    BIT_ULL(1) /* level */
#define INT_ENB     BIT_ULL(2)
#define TYPE_CNF    BIT_ULL(3) /* periodic */
#define PER_INT_CAP BIT_ULL(4)
#define SIZE_CAP    BIT_ULL(5)
#define VAL_SET     BIT_ULL(6)
#define MODE_32     BIT_ULL(8)
#define ROUTE_SHIFT 9
#define ROUTE       (0x1full << ROUTE_SHIFT)
#define WRITABLE    (INT_TYPE | INT_ENB | TYPE_CNF | VAL_SET | MODE_32 | ROUTE)

#define NEVER UINT64_MAX

/* Interrupts of a comparator with a shorter period come so many ticks apart: 10 microseconds. */
#define MIN_PERIOD 1000u

static uint64_t hpet_ticks(const struct hpet *hpet, uint64_t now)
{
	return mul_div_u64(now, HPET_HZ, hpet->platform->tsc.hz);
}

/* The first TSC time at which hpet_ticks gives `t`; DEADLINE_NEVER when the TSC never gets there.
 */
static uint64_t hpet_ticks_to_tsc(const struct hpet *hpet, uint64_t t)
{
	uint64_t when = mul_div_u64(t, hpet->platform->tsc.hz, HPET_HZ);

	return when != DEADLINE_NEVER && hpet_ticks(hpet, when) < t ? when + 1 : when;
}

static bool is_running(const struct hpet *hpet)
{
	return hpet->config & ENABLE_CNF;
}

static uint64_t hpet_counter(const struct hpet *hpet, uint64_t t)
{
	return is_running(hpet) ? hpet->origin + t : hpet->counter;
}

/* --- the lines --- */

static bool is_legacy(const struct hpet *hpet, uint32_t n)
{
	return n < 2 && (hpet->config & LEG_RT_CNF);
}

/* The IOAPIC's pin as a bit, or 0: what Tn_INT_ROUTE_CNF may say is in HPET_ROUTES. */
static uint32_t route_of(const struct hpet *hpet, uint32_t n)
{
	return BIT(hpet->timer[n].config >> ROUTE_SHIFT & 0x1f) & HPET_ROUTES;
}

/* The line that comparator `n` drives now; not connected when it has none. */
static struct irq_line line_of(const struct hpet *hpet, uint32_t n)
{
	struct irq_line line = {0};

	if (is_legacy(hpet, n))
		return hpet->legacy[n];
	if (!route_of(hpet, n))
		return line;
	line = hpet->route;
	line.pin = (uint32_t)__builtin_ctz(route_of(hpet, n));
	return line;
}

/* Drives the lines of the level-triggered comparators: several may share one. */
static void update_lines(struct hpet *hpet)
{
	uint32_t routes = 0, changed;
	uint8_t legacy = 0;

	for (uint32_t n = 0; n < HPET_TIMERS; n++) {
		if (!(hpet->status & BIT(n)) || !(hpet->timer[n].config & INT_ENB))
			continue;
		if (is_legacy(hpet, n))
			legacy |= (uint8_t)BIT(n);
		else
			routes |= route_of(hpet, n);
	}
	changed = routes ^ hpet->routes;
	hpet->routes = routes;
	for (; changed; changed &= changed - 1) {
		struct irq_line line = hpet->route;

		line.pin = (uint32_t)__builtin_ctz(changed);
		irq_line_set(&line, routes >> line.pin & 1);
	}
	changed = legacy ^ hpet->legacy_levels;
	hpet->legacy_levels = legacy;
	for (uint32_t n = 0; n < 2; n++)
		if (changed & BIT(n))
			irq_line_set(&hpet->legacy[n], legacy & BIT(n));
}

/* --- matches --- */

static bool is_periodic(const struct hpet_timer *timer)
{
	return timer->config & TYPE_CNF;
}

static uint64_t in_mode(const struct hpet_timer *timer, uint64_t value)
{
	return timer->config & MODE_32 ? (uint32_t)value : value;
}

/* When the comparator matches next, after t: it has to be reached, so one that is equal waits for a
 * whole turn. */
static void find_due(struct hpet *hpet, struct hpet_timer *timer, uint64_t t)
{
	uint64_t distance = in_mode(timer, timer->comparator - hpet_counter(hpet, t));

	if (!distance)
		distance = timer->config & MODE_32 ? BIT_ULL(32) : NEVER;
	if (!is_running(hpet) || !checked_add(t, distance, &timer->due))
		timer->due = NEVER;
}

/* Goes past the matches up to t: how many. 'Another interrupt will be generated when the main
 * counter matches the value in the timer's comparator register after a wrap around'; a periodic one
 * adds its period. */
static uint64_t pass_matches(struct hpet_timer *timer, uint64_t t)
{
	uint64_t step = timer->config & MODE_32 ? BIT_ULL(32) : 0, count = 1;

	if (t < timer->due)
		return 0;
	if (is_periodic(timer) && timer->period)
		step = timer->period;
	if (step)
		count += (t - timer->due) / step;
	if (is_periodic(timer))
		timer->comparator = in_mode(timer, timer->comparator + count * timer->period);
	if (!step || !checked_add(timer->due, count * step, &timer->due))
		timer->due = NEVER;
	return count;
}

/* Tells the guest of what is due at t, or owed. True when an edge was sent. */
static bool serve(struct hpet *hpet, uint32_t n, uint64_t t)
{
	struct hpet_timer *timer = &hpet->timer[n];
	uint64_t count = pass_matches(timer, t);
	struct irq_line line = line_of(hpet, n);

	if (timer->config & INT_TYPE) {
		hpet->status |= count ? BIT(n) : 0;
		update_lines(hpet);
		return false;
	}
	if (!(timer->config & INT_ENB) ||
	    !tick_take(&timer->debt, count, is_periodic(timer) && irq_line_is_pending(&line),
		       is_periodic(timer) ? tick_limit(timer->period, HPET_HZ) : 0))
		return false;
	irq_line_set(&line, true);
	irq_line_set(&line, false);
	return true;
}

/* Arms comparator `n`'s timer for what comes next; `next_owed` is when an owed tick may. */
static void arm(struct hpet *hpet, uint32_t n, uint64_t t, uint64_t next_owed)
{
	struct hpet_timer *timer = &hpet->timer[n];
	uint64_t next = MIN(timer->due, next_owed), when = DEADLINE_NEVER;

	if (is_periodic(timer) && timer->period < MIN_PERIOD)
		next = timer->due == NEVER ? NEVER : MAX(next, t + MIN_PERIOD);
	if ((timer->config & INT_ENB) && next != NEVER)
		when = hpet_ticks_to_tsc(hpet, next);
	if (when != DEADLINE_NEVER)
		platform_timer_arm(hpet->platform, &timer->timer, when);
	else if (timer->timer.is_armed)
		platform_timer_cancel(hpet->platform, &timer->timer);
}

static void expire(struct hpet *hpet, uint32_t n, uint64_t now)
{
	struct hpet_timer *timer = &hpet->timer[n];
	uint64_t t = hpet_ticks(hpet, now), next_owed = NEVER;

	if (serve(hpet, n, t) && timer->debt.owed)
		next_owed = t + tick_gap(timer->period, HPET_HZ);
	arm(hpet, n, t, next_owed);
}

static void hpet_expire(void *owner, uint64_t now)
{
	struct hpet *hpet = owner;

	for (uint32_t n = 0; n < HPET_TIMERS; n++)
		if (!hpet->timer[n].timer.is_armed && (hpet->timer[n].config & INT_ENB))
			expire(hpet, n, now);
}

void hpet_hurry(struct hpet *hpet)
{
	for (uint32_t n = 0; n < HPET_TIMERS; n++)
		if (hpet->timer[n].debt.owed)
			expire(hpet, n, platform_now(hpet->platform));
}

bool hpet_is_tick_owed(const struct hpet *hpet)
{
	return tick_is_owed(&hpet->timer[0].debt) || tick_is_owed(&hpet->timer[1].debt) ||
	       tick_is_owed(&hpet->timer[2].debt);
}

/* What has become due before software touches a register is not lost by the touch. */
static void catch_up(struct hpet *hpet, uint64_t t)
{
	for (uint32_t n = 0; n < HPET_TIMERS; n++)
		if (t >= hpet->timer[n].due)
			serve(hpet, n, t);
}

/* Comparator `n` starts anew from what its registers say. */
static void restart(struct hpet *hpet, uint32_t n, uint64_t t)
{
	hpet->timer[n].debt.owed = 0;
	find_due(hpet, &hpet->timer[n], t);
	arm(hpet, n, t, NEVER);
}

/* --- registers --- */

static void write_general_config(struct hpet *hpet, uint64_t value, uint64_t t)
{
	uint64_t old = hpet->config;
	uint64_t counter = hpet_counter(hpet, t);

	hpet->config = value & (ENABLE_CNF | LEG_RT_CNF);
	hpet->counter = counter;
	hpet->origin = counter - t;
	if ((old ^ hpet->config) & LEG_RT_CNF) {
		irq_line_set(&hpet->legacy_select, hpet->config & LEG_RT_CNF);
		update_lines(hpet);
	}
	if ((old ^ hpet->config) & ENABLE_CNF)
		for (uint32_t n = 0; n < HPET_TIMERS; n++)
			restart(hpet, n, t);
}

static void write_counter(struct hpet *hpet, uint64_t value, uint64_t t)
{
	hpet->counter = value;
	hpet->origin = value - t;
	for (uint32_t n = 0; n < HPET_TIMERS; n++)
		restart(hpet, n, t);
}

static void write_timer_config(struct hpet *hpet, uint32_t n, uint64_t value, uint64_t t)
{
	struct hpet_timer *timer = &hpet->timer[n];

	/* 'If the value is not supported by this particular timer, then the value read back will
	 * not match what was written.' */
	if (!(BIT(value >> ROUTE_SHIFT & 0x1f) & HPET_ROUTES))
		value = (value & ~ROUTE) | (timer->config & ROUTE);
	timer->config = value & WRITABLE;
	timer->comparator = in_mode(timer, timer->comparator);
	timer->period = in_mode(timer, timer->period);
	if (!(timer->config & INT_TYPE))
		hpet->status &= ~BIT(n);
	update_lines(hpet);
	restart(hpet, n, t);
}

/* `mask` has the half that is written, or both. */
static void write_comparator(struct hpet *hpet, uint32_t n, uint64_t value, uint64_t mask,
			     uint64_t t)
{
	struct hpet_timer *timer = &hpet->timer[n];

	/* In periodic mode the comparator runs on by itself: 'by writing this bit to a 1, the
	 * software is then allowed to directly set the timer's accumulator'. */
	if (!is_periodic(timer) || (timer->config & VAL_SET))
		timer->comparator = in_mode(timer, (timer->comparator & ~mask) | (value & mask));
	timer->period = in_mode(timer, (timer->period & ~mask) | (value & mask));
	timer->config &= ~VAL_SET;
	restart(hpet, n, t);
}

static uint64_t read_timer(const struct hpet *hpet, uint64_t place)
{
	const struct hpet_timer *timer = &hpet->timer[(place - TIMERS) / TIMER_SIZE];

	switch (place % TIMER_SIZE) {
	case TIMER_CONFIG:
		return timer->config | PER_INT_CAP | SIZE_CAP | (uint64_t)HPET_ROUTES << 32;
	case TIMER_COMPARATOR:
		return timer->comparator;
	default: /* no delivery by message */
		return 0;
	}
}

/* The 64-bit register at `place`. */
static uint64_t read_register(struct hpet *hpet, uint64_t place)
{
	uint64_t t = hpet_ticks(hpet, platform_now(hpet->platform));

	if (place == MAIN_CNT)
		return hpet_counter(hpet, t);
	catch_up(hpet, t);
	if (place >= TIMERS && place < TIMERS + HPET_TIMERS * TIMER_SIZE)
		return read_timer(hpet, place);
	switch (place) {
	case GCAP_ID:
		return HPET_CAPABILITIES | (uint64_t)HPET_PERIOD_FS << 32;
	case GEN_CONF:
		return hpet->config;
	case GINTR_STA:
		return hpet->status;
	default:
		return 0;
	}
}

uint64_t hpet_read(struct hpet *hpet, uint64_t offset, unsigned size)
{
	uint64_t value = read_register(hpet, offset & ~7ull) >> (8 * (offset & 7));

	return value & bus_unclaimed(size);
}

void hpet_write(struct hpet *hpet, uint64_t offset, unsigned size, uint64_t value)
{
	uint64_t t = hpet_ticks(hpet, platform_now(hpet->platform));
	uint64_t place = offset & ~7ull, mask, whole;
	uint32_t n = (uint32_t)((place - TIMERS) / TIMER_SIZE);

	if (size < 4 || offset % size)
		return;
	mask = bus_unclaimed(size) << (8 * (offset & 4));
	value <<= 8 * (offset & 4);
	whole = (read_register(hpet, place) & ~mask) | (value & mask);
	if (place == GEN_CONF) {
		write_general_config(hpet, whole, t);
	} else if (place == GINTR_STA) {
		hpet->status &= ~(uint32_t)(value & mask);
		update_lines(hpet);
	} else if (place == MAIN_CNT) {
		write_counter(hpet, whole, t);
	} else if (place >= TIMERS && n < HPET_TIMERS) {
		if (place % TIMER_SIZE == TIMER_CONFIG)
			write_timer_config(hpet, n, whole, t);
		else if (place % TIMER_SIZE == TIMER_COMPARATOR)
			write_comparator(hpet, n, value, mask, t);
	}
}

void hpet_init(struct hpet *hpet, struct platform *platform)
{
	memset(hpet, 0, sizeof(*hpet));
	hpet->platform = platform;
	for (uint32_t n = 0; n < HPET_TIMERS; n++) {
		/* 'Comparator: the default value is all ones.' */
		hpet->timer[n].comparator = hpet->timer[n].period = UINT64_MAX;
		hpet->timer[n].due = NEVER;
		platform_timer_init(&hpet->timer[n].timer, TIMER_VM_WIDE, hpet, hpet_expire);
	}
}

static uint64_t hpet_bus_read(void *dev, uint64_t offset, unsigned size)
{
	return hpet_read(dev, offset, size);
}

static void hpet_bus_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	hpet_write(dev, offset, size, value);
}

int hpet_attach(struct hpet *hpet, struct bus *mmio)
{
	static const struct bus_region region = {.base = HPET_BASE,
						 .len = HPET_MMIO_SIZE,
						 .read = hpet_bus_read,
						 .write = hpet_bus_write,
						 .name = "HPET"};

	return bus_add_all(mmio, hpet, &region, 1);
}
