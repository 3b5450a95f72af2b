/* One counter of the 8254, computed from the time ('Mode Definitions'). */
#include "devices/pit_channel.h"
#include "lib/string.h"

enum {
	CONTROL_BCD = 0x01,
	CONTROL_RW = 0x30,
	RW_LSB = 0x10,
	RW_MSB = 0x20,
	RW_BOTH = 0x30,

	STATUS_OUT = 0x80,
	STATUS_NULL_COUNT = 0x40,
};

unsigned pit_channel_mode(const struct pit_channel *ch)
{
	unsigned mode = ch->control >> 1 & 7;

	return mode > 5 ? mode - 4 : mode;
}

static bool channel_is_periodic(const struct pit_channel *ch)
{
	return pit_channel_mode(ch) == 2 || pit_channel_mode(ch) == 3;
}

/* Modes 1 and 5: the gate's rising edge starts the count, its level means nothing. */
static bool channel_is_triggered(const struct pit_channel *ch)
{
	return pit_channel_mode(ch) == 1 || pit_channel_mode(ch) == 5;
}

static bool channel_is_paused(const struct pit_channel *ch)
{
	return !ch->gate && !channel_is_triggered(ch);
}

/* Ticks since the counting element held `loaded`; negative before the clock pulse that loads it. */
static int64_t channel_elapsed(const struct pit_channel *ch, int64_t t)
{
	return channel_is_paused(ch) ? ch->paused : t - ch->start;
}

/* Mode 3: how long OUT is high in a cycle of n. */
static uint32_t high_part(uint32_t n)
{
	return (n + 1) / 2;
}

/* 'The next CLK pulse' after a write or trigger loads the counting element. */
static void channel_load(struct pit_channel *ch, int64_t t)
{
	ch->loaded = ch->count;
	ch->start = t + 1;
	ch->paused = 0;
	ch->is_loaded = true;
	ch->is_pending = false;
	ch->reload_at = PIT_NEVER;
}

void pit_channel_sync(struct pit_channel *ch, int64_t t)
{
	if (t < ch->reload_at)
		return;
	ch->loaded = ch->count;
	ch->start = ch->next_start;
	ch->is_pending = false;
	ch->reload_at = PIT_NEVER;
}

/* Modes 2 and 3: a new count is taken at the end of the current cycle, or half-cycle. */
static void channel_load_later(struct pit_channel *ch, int64_t t)
{
	int64_t position;

	ch->is_pending = true;
	if (channel_is_paused(ch))
		return; /* the gate's rising edge takes it */
	if (t < ch->start) {
		channel_load(ch, t);
		return;
	}
	position = (t - ch->start) % ch->loaded;
	ch->reload_at = t - position + ch->loaded;
	ch->next_start = ch->reload_at;
	if (pit_channel_mode(ch) == 3 && position < high_part(ch->loaded)) {
		/* The low half comes next: of the new count. */
		ch->reload_at = t - position + high_part(ch->loaded);
		ch->next_start = ch->reload_at - high_part(ch->count);
	}
}

static void channel_set_count(struct pit_channel *ch, uint16_t raw, int64_t t)
{
	uint32_t count = raw;

	if (ch->control & CONTROL_BCD)
		count = ((raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u +
			 (raw & 15)) %
			10000u;
	if (!count)
		count = ch->control & CONTROL_BCD ? 10000 : 65536;
	ch->count = count;
	ch->has_count = true;
	if (channel_is_triggered(ch))
		ch->is_pending = true;
	else if (channel_is_periodic(ch) && ch->is_loaded)
		channel_load_later(ch, t);
	else
		channel_load(ch, t);
}

/* What the counting element holds, in the channel's number format. */
static uint16_t channel_counter(struct pit_channel *ch, int64_t t)
{
	bool is_bcd = ch->control & CONTROL_BCD;
	int64_t elapsed = channel_elapsed(ch, t);
	int64_t n = ch->loaded, value, position;

	if (!ch->is_loaded || elapsed < 0)
		elapsed = 0;
	position = n ? elapsed % n : 0;
	switch (pit_channel_mode(ch)) {
	case 2:
		value = n - position;
		break;
	case 3:
		/* Counts down by two, twice a cycle; an odd count begins with n - 1. */
		if (position >= high_part(ch->loaded))
			position -= high_part(ch->loaded);
		value = (n & ~1ll) - 2 * position;
		break;
	default: /* wraps to the highest count and goes on */
		value = n - elapsed % (is_bcd ? 10000 : 65536);
		break;
	}
	if (!is_bcd)
		return (uint16_t)value;
	value = (value + 10000) % 10000;
	return (uint16_t)(value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 |
			  value % 10);
}

bool pit_channel_out(struct pit_channel *ch, int64_t t)
{
	int64_t elapsed;

	pit_channel_sync(ch, t);
	elapsed = channel_elapsed(ch, t);
	if (!ch->is_loaded || elapsed < 0)
		return pit_channel_mode(ch) != 0;
	switch (pit_channel_mode(ch)) {
	case 0:
	case 1:
		return elapsed >= ch->loaded;
	case 2:
		return !ch->gate || elapsed % ch->loaded != ch->loaded - 1;
	case 3:
		return !ch->gate || elapsed % ch->loaded < high_part(ch->loaded);
	default: /* 4, 5: the strobe of one clock */
		return elapsed != ch->loaded;
	}
}

int64_t pit_channel_next_edge(struct pit_channel *ch, int64_t t)
{
	int64_t edge, period;

	pit_channel_sync(ch, t);
	if (!ch->is_loaded || channel_is_triggered(ch))
		return PIT_NEVER;
	if (!channel_is_periodic(ch)) {
		edge = ch->start + ch->loaded + (pit_channel_mode(ch) == 4);
		return edge > t ? edge : PIT_NEVER;
	}
	if (ch->reload_at != PIT_NEVER)
		return ch->next_start < ch->reload_at ? ch->next_start + ch->count : ch->reload_at;
	period = ch->loaded;
	if (period < PIT_EDGE_GAP)
		period *= (PIT_EDGE_GAP + period - 1) / period;
	return t < ch->start ? ch->start + period : t + period - (t - ch->start) % period;
}

uint32_t pit_channel_period(struct pit_channel *ch, int64_t t)
{
	pit_channel_sync(ch, t);
	if (!ch->is_loaded || !channel_is_periodic(ch) || ch->reload_at != PIT_NEVER ||
	    ch->loaded < PIT_EDGE_GAP)
		return 0;
	return ch->loaded;
}

void pit_channel_set_gate(struct pit_channel *ch, bool gate, int64_t t)
{
	pit_channel_sync(ch, t);
	if (gate == ch->gate)
		return;
	if (!gate) {
		int64_t elapsed = t - ch->start;

		/* Falling: modes 0, 2, 3 and 4 stop counting. */
		ch->paused = MAX(elapsed, (int64_t)0);
		ch->reload_at = PIT_NEVER;
		ch->gate = false;
		return;
	}
	ch->gate = true;
	if (channel_is_triggered(ch) || channel_is_periodic(ch)) {
		if (ch->has_count)
			channel_load(ch, t);
	} else {
		ch->start = t - ch->paused;
	}
}

void pit_channel_control(struct pit_channel *ch, uint8_t control)
{
	bool gate = ch->gate;
	uint32_t loaded = ch->loaded;

	/* 'All Control Logic is reset'. */
	memset(ch, 0, sizeof(*ch));
	ch->gate = gate;
	ch->loaded = loaded;
	ch->control = control & 0x3f;
	ch->reload_at = PIT_NEVER;
}

void pit_channel_init(struct pit_channel *ch, bool gate)
{
	memset(ch, 0, sizeof(*ch));
	ch->gate = gate;
	pit_channel_control(ch, RW_BOTH | 3 << 1);
}

void pit_channel_latch_count(struct pit_channel *ch, int64_t t)
{
	pit_channel_sync(ch, t);
	if (ch->latched)
		return;
	ch->latch = channel_counter(ch, t);
	ch->latched = (ch->control & CONTROL_RW) == RW_BOTH ? 2 : 1;
}

void pit_channel_latch_status(struct pit_channel *ch, int64_t t)
{
	bool out = pit_channel_out(ch, t);
	bool is_null =
		!ch->is_loaded || ch->is_pending || (!channel_is_paused(ch) && t < ch->start);

	if (ch->is_status_latched)
		return;
	ch->status = ch->control | (out ? STATUS_OUT : 0) | (is_null ? STATUS_NULL_COUNT : 0);
	ch->is_status_latched = true;
}

uint8_t pit_channel_read(struct pit_channel *ch, int64_t t)
{
	uint16_t value;
	bool is_high = (ch->control & CONTROL_RW) == RW_MSB;

	if (ch->is_status_latched) {
		ch->is_status_latched = false;
		return ch->status;
	}
	pit_channel_sync(ch, t);
	value = ch->latched ? ch->latch : channel_counter(ch, t);
	if (ch->latched)
		ch->latched--;
	if ((ch->control & CONTROL_RW) == RW_BOTH) {
		is_high = ch->is_read_high;
		ch->is_read_high = !is_high;
	}
	return (uint8_t)(is_high ? value >> 8 : value);
}

void pit_channel_write(struct pit_channel *ch, uint8_t value, int64_t t)
{
	pit_channel_sync(ch, t);
	switch (ch->control & CONTROL_RW) {
	case RW_LSB:
		channel_set_count(ch, value, t);
		break;
	case RW_MSB:
		channel_set_count(ch, (uint16_t)(value << 8), t);
		break;
	case RW_BOTH:
		ch->is_write_high = !ch->is_write_high;
		if (!ch->is_write_high) {
			channel_set_count(ch, (uint16_t)(value << 8 | ch->write_low), t);
			break;
		}
		ch->write_low = value;
		/* Mode 0: 'writing the first byte disables counting. OUT is set low immediately'.
		 */
		if (pit_channel_mode(ch) == 0)
			ch->is_loaded = false;
		break;
	}
}
