/* What the 8254's tests share. The TSC runs at a thousand times the PIT's rate, so that PIT tick t
 * is TSC t * 1000; one test takes a rate that does not divide. */
#ifndef UNIT_PIT_RIG_H
#define UNIT_PIT_RIG_H

#include "device_rig.h"
#include "devices/pit8254.h"

#define TICK 1000ull

static struct fake_platform fake;
static struct wire irq;
static struct pit pit;

static inline int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, PIT_HZ * TICK);
	pit_init(&pit, &fake.platform, wire_line(&irq, 0));
	fake_platform_run_until(&fake, 100 * TICK);
	return 0;
}

static inline void go(uint64_t ticks)
{
	fake_platform_run_until(&fake, fake.now + ticks * TICK);
}

static inline void control(uint8_t value)
{
	pit_write(&pit, 0x43, value);
}

static inline void count(unsigned channel, uint16_t value)
{
	pit_write(&pit, (uint16_t)(0x40 + channel), (uint8_t)value);
	pit_write(&pit, (uint16_t)(0x40 + channel), (uint8_t)(value >> 8));
}

static inline uint16_t read_count(unsigned channel)
{
	uint16_t port = (uint16_t)(0x40 + channel), low;

	control((uint8_t)(channel << 6));
	low = pit_read(&pit, port);
	return (uint16_t)(low | pit_read(&pit, port) << 8);
}

static inline uint8_t read_status(unsigned channel)
{
	control((uint8_t)(0xe0 | 2u << channel));
	return pit_read(&pit, (uint16_t)(0x40 + channel));
}

static inline bool out(unsigned channel)
{
	return read_status(channel) & 0x80;
}

static inline void gate2(bool gate)
{
	pit_write(&pit, 0x61, gate);
}

#endif
