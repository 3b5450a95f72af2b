/* The 8042 keyboard controller with its auxiliary port, and nothing plugged into either ('IBM PS/2
 * Hardware Interface Technical Reference', 'Keyboard and Auxiliary Device Controller'). A byte to
 * an absent device is answered as the controller does when the device does not: 0xfe in the output
 * buffer, with the time-out bit, here at once. So drivers find out without waiting. */
#ifndef DEVICES_I8042_H
#define DEVICES_I8042_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"

struct i8042 {
	struct platform *platform; /* (i) */
	struct irq_line irq[2];    /* (i) keyboard: IRQ 1, auxiliary: IRQ 12 */
	bool irq_level[2];
	uint8_t status;      /* without the system flag: that is in ram[0] */
	uint8_t output;      /* what port 0x60 gives */
	uint8_t ram[32];     /* [0] is the command byte */
	uint8_t command;     /* waits for its byte at port 0x60; 0: none */
	uint8_t output_port; /* bits 1 (A20) and 0 (no reset) */
};

void i8042_init(struct i8042 *kbc, struct platform *platform, struct irq_line keyboard,
		struct irq_line auxiliary);

/* Ports 0x60 and 0x64. As bus_add. */
int __must_check i8042_attach(struct i8042 *kbc, struct bus *ports);

uint8_t i8042_read(struct i8042 *kbc, uint16_t port);
void i8042_write(struct i8042 *kbc, uint16_t port, uint8_t value);

#endif
