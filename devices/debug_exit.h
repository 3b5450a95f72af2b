/* The small ports that test kernels know from QEMU and Bochs: isa-debug-exit at 0xf4, debugcon at
 * 0xe9, and the string 'Shutdown' at 0x8900. */
#ifndef DEVICES_DEBUG_EXIT_H
#define DEVICES_DEBUG_EXIT_H

#include "devices/bus.h"
#include "devices/platform.h"

struct debug_exit {
	struct platform *platform; /* (i) */
	uint8_t matched;           /* how many characters of 'Shutdown' have come */
};

void debug_exit_init(struct debug_exit *debug, struct platform *platform);

/* Ports 0xe9, 0xf4-0xf7 and 0x8900. As bus_add. */
int __must_check debug_exit_attach(struct debug_exit *debug, struct bus *ports);

/* isa-debug-exit: a value of any width ends the VM with VM_END_DEBUG_EXIT. */
void debug_exit_write(struct debug_exit *debug, uint32_t value);

/* Ports 0xe9 and 0x8900. */
uint8_t debug_exit_port_read(struct debug_exit *debug, uint16_t port);
void debug_exit_port_write(struct debug_exit *debug, uint16_t port, uint8_t value);

#endif
