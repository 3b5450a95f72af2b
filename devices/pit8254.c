/* The 8254: control word register, read-back, channel 0's interrupt, and port 0x61. */
#include "devices/isa.h"
#include "devices/pit8254.h"
#include "devices/pit_channel.h"
#include "lib/string.h"

enum {
	READ_BACK = 3, /* in the control word's counter select */
	READ_BACK_NO_COUNT = 0x20,
	READ_BACK_NO_STATUS = 0x10,

	PORT61_GATE2 = 0x01,
	PORT61_WRITABLE = 0x0f, /* gate, speaker data, and the two NMI enables */
	PORT61_REFRESH = 0x10,
	PORT61_OUT2 = 0x20,

	REFRESH_TICKS = 18, /* the refresh request comes every 15 microseconds */
};

static int64_t pit_ticks(const struct pit *pit, uint64_t now)
{
	return (int64_t)mul_div_u64(now, PIT_HZ, pit->platform->tsc.hz);
}

/* The first TSC time at which pit_ticks gives `ticks`. */
static uint64_t pit_ticks_to_tsc(const struct pit *pit, int64_t ticks)
{
	uint64_t when = mul_div_u64((uint64_t)ticks, pit->platform->tsc.hz, PIT_HZ);

	return pit_ticks(pit, when) < ticks ? when + 1 : when;
}

static void pit_set_irq(struct pit *pit, bool level)
{
	if (level == pit->irq_level)
		return;
	pit->irq_level = level;
	irq_line_set(&pit->irq, level);
}

/* Delivers what is due, or owed: one edge. The line was low shortly before. True when it was. */
static bool pit_deliver(struct pit *pit, int64_t t)
{
	uint32_t period = pit_channel_period(&pit->channel[0], t);
	uint64_t due = 0;

	if (t >= pit->edge_at) {
		due = 1 + (period ? (uint64_t)(t - pit->edge_at) / period : 0);
		pit->edge_at = PIT_NEVER;
	}
	if (!tick_take(&pit->debt, due, period && irq_line_is_pending(&pit->irq),
		       period ? tick_limit(period, PIT_HZ) : 0))
		return false;
	pit_set_irq(pit, false);
	pit_set_irq(pit, true);
	return true;
}

/* `next_owed` is when an owed edge may come. */
static void pit_arm(struct pit *pit, int64_t t, int64_t next_owed)
{
	int64_t next;

	pit->edge_at = pit_channel_next_edge(&pit->channel[0], t);
	next = MIN(pit->edge_at, next_owed);
	if (next != PIT_NEVER)
		platform_timer_arm(pit->platform, &pit->timer, pit_ticks_to_tsc(pit, next));
	else if (pit->timer.is_armed)
		platform_timer_cancel(pit->platform, &pit->timer);
}

static void pit_expire(void *owner, uint64_t now)
{
	struct pit *pit = owner;
	int64_t t = pit_ticks(pit, now), next_owed = PIT_NEVER;

	if (pit_deliver(pit, t) && pit->debt.owed)
		next_owed = t + (int64_t)tick_gap(pit_channel_period(&pit->channel[0], t), PIT_HZ);
	pit_arm(pit, t, next_owed);
}

void pit_hurry(struct pit *pit)
{
	if (pit->debt.owed)
		pit_expire(pit, platform_now(pit->platform));
}

/* Channel 0 was written. Mode 0 holds the line low until its count ends; otherwise OUT is high but
 * for the low phases, whose end pit_deliver shows. */
static void pit_channel0_changed(struct pit *pit, int64_t t)
{
	struct pit_channel *ch = &pit->channel[0];

	pit->debt.owed = 0;
	pit_set_irq(pit, pit_channel_mode(ch) || pit_channel_out(ch, t));
	pit_arm(pit, t, PIT_NEVER);
}

static void pit_read_back(struct pit *pit, uint8_t command, int64_t t)
{
	for (unsigned i = 0; i < PIT_CHANNELS; i++) {
		if (!(command & BIT(i + 1)))
			continue;
		if (!(command & READ_BACK_NO_COUNT))
			pit_channel_latch_count(&pit->channel[i], t);
		if (!(command & READ_BACK_NO_STATUS))
			pit_channel_latch_status(&pit->channel[i], t);
	}
}

static void pit_write_control(struct pit *pit, uint8_t value, int64_t t)
{
	unsigned select = value >> 6;

	if (select == READ_BACK) {
		pit_read_back(pit, value, t);
	} else if (!(value & 0x30)) {
		pit_channel_latch_count(&pit->channel[select], t);
	} else {
		pit_channel_control(&pit->channel[select], value);
		if (select == 0)
			pit_channel0_changed(pit, t);
	}
}

static uint8_t pit_read_port61(struct pit *pit, int64_t t)
{
	uint8_t value = pit->port61;

	if (t / REFRESH_TICKS & 1)
		value |= PORT61_REFRESH;
	if (pit_channel_out(&pit->channel[2], t))
		value |= PORT61_OUT2;
	return value;
}

uint8_t pit_read(struct pit *pit, uint16_t port)
{
	int64_t t = pit_ticks(pit, platform_now(pit->platform));

	if (port == 0x61)
		return pit_read_port61(pit, t);
	if (port == 0x43)
		return 0xff; /* 'no-operation' */
	return pit_channel_read(&pit->channel[port - 0x40], t);
}

void pit_write(struct pit *pit, uint16_t port, uint8_t value)
{
	int64_t t = pit_ticks(pit, platform_now(pit->platform));

	if (t >= pit->edge_at)
		pit_deliver(pit, t);
	switch (port) {
	case 0x61:
		pit->port61 = value & PORT61_WRITABLE;
		pit_channel_set_gate(&pit->channel[2], value & PORT61_GATE2, t);
		break;
	case 0x43:
		pit_write_control(pit, value, t);
		break;
	case 0x40:
		pit_channel_write(&pit->channel[0], value, t);
		pit_channel0_changed(pit, t);
		break;
	default:
		pit_channel_write(&pit->channel[port - 0x40], value, t);
		break;
	}
}

void pit_init(struct pit *pit, struct platform *platform, struct irq_line irq)
{
	memset(pit, 0, sizeof(*pit));
	pit->platform = platform;
	pit->irq = irq;
	pit->irq_level = true; /* OUT as it stands in a mode that does not count: no edge yet */
	pit->edge_at = PIT_NEVER;
	for (unsigned i = 0; i < PIT_CHANNELS; i++)
		pit_channel_init(&pit->channel[i], i != 2);
	platform_timer_init(&pit->timer, TIMER_VM_WIDE, pit, pit_expire);
}

ISA_BYTE_PORTS(pit, pit, 0x40)
ISA_BYTE_PORTS(port61, pit, 0x61)

int pit_attach(struct pit *pit, struct bus *ports)
{
	static const struct bus_region regions[] = {
		ISA_REGION(pit, 0x40, 4, "8254"),
		ISA_REGION(port61, 0x61, 1, "system control port"),
	};

	return bus_add_all(ports, pit, regions, ARRAY_SIZE(regions));
}
