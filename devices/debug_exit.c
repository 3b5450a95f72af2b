/* isa-debug-exit, debugcon and Bochs's shutdown port. */
#include "devices/debug_exit.h"
#include "devices/isa.h"
#include "lib/string.h"

enum { DEBUGCON = 0xe9, DEBUG_EXIT = 0xf4, SHUTDOWN = 0x8900 };

void debug_exit_write(struct debug_exit *debug, uint32_t value)
{
	debug->platform->ops->end(debug->platform->ctx, VM_END_DEBUG_EXIT, value);
}

/* Debugcon answers its own number: 'is it there?'. */
uint8_t debug_exit_port_read(struct debug_exit *debug, uint16_t port)
{
	(void)debug;
	return port == DEBUGCON ? DEBUGCON : 0xff;
}

void debug_exit_port_write(struct debug_exit *debug, uint16_t port, uint8_t value)
{
	static const char word[] = "Shutdown";

	if (port == DEBUGCON) {
		(void)debug->platform->ops->console(debug->platform->ctx, value);
		return;
	}
	if (value != (uint8_t)word[debug->matched])
		debug->matched = 0;
	if (value == (uint8_t)word[debug->matched])
		debug->matched++;
	if (debug->matched == sizeof(word) - 1) {
		debug->matched = 0;
		debug->platform->ops->end(debug->platform->ctx, VM_END_SHUTDOWN, 0);
	}
}

void debug_exit_init(struct debug_exit *debug, struct platform *platform)
{
	memset(debug, 0, sizeof(*debug));
	debug->platform = platform;
}

static uint64_t exit_bus_read(void *dev, uint64_t offset, unsigned size)
{
	(void)dev, (void)offset, (void)size;
	return 0;
}

static void exit_bus_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	(void)offset, (void)size;
	debug_exit_write(dev, (uint32_t)value);
}

ISA_BYTE_PORTS(debugcon, debug_exit_port, DEBUGCON)
ISA_BYTE_PORTS(shutdown, debug_exit_port, SHUTDOWN)

int debug_exit_attach(struct debug_exit *debug, struct bus *ports)
{
	static const struct bus_region regions[] = {
		ISA_REGION(debugcon, DEBUGCON, 1, "debugcon"),
		ISA_REGION(exit, DEBUG_EXIT, 4, "isa-debug-exit"),
		ISA_REGION(shutdown, SHUTDOWN, 1, "Bochs shutdown"),
	};

	return bus_add_all(ports, debug, regions, ARRAY_SIZE(regions));
}
