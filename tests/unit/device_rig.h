/* What the device tests share: cmocka, a platform, a port bus, and wires that count their edges. */
#ifndef UNIT_DEVICE_RIG_H
#define UNIT_DEVICE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "devices/bus.h"
#include "devices/irq.h"
#include "fakes/platform.h"

/* A wire that is listened to. */
struct wire {
	bool level;
	unsigned rises, falls;
	uint32_t pin;
	bool is_pending; /* the CPU has not taken the last edge: the test says so */
};

static inline void wire_set(void *ctx, uint32_t pin, bool level)
{
	struct wire *wire = ctx;

	wire->rises += level && !wire->level;
	wire->falls += !level && wire->level;
	wire->level = level;
	wire->pin = pin;
}

static inline bool wire_is_pending(void *ctx, uint32_t pin)
{
	(void)pin;
	return ((struct wire *)ctx)->is_pending;
}

static inline struct irq_line wire_line(struct wire *wire, uint32_t pin)
{
	*wire = (struct wire){0};
	return (struct irq_line){
		.set = wire_set, .ctx = wire, .pin = pin, .is_pending = wire_is_pending};
}

static inline uint64_t port_in(struct bus *ports, uint16_t port, unsigned size)
{
	uint64_t value;

	assert_true(bus_read(ports, port, size, &value));
	return value;
}

static inline void port_out(struct bus *ports, uint16_t port, unsigned size, uint64_t value)
{
	assert_true(bus_write(ports, port, size, value));
}

#endif
