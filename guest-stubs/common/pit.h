/* The 8254 timer, and port 0x61 with the gate and output of its channel 2. */
#ifndef GUEST_STUBS_COMMON_PIT_H
#define GUEST_STUBS_COMMON_PIT_H

#include "guest-stubs/common/insn.h"

#define PIT_HZ 1193182ull

#define PIT_CHANNEL_0     0
#define PIT_CHANNEL_2     2
#define PIT_MODE_ONE_SHOT 0 /* interrupt on terminal count */
#define PIT_MODE_RATE     2

#define PIT_PORT         0x40
#define PIT_PORT_CONTROL 0x43
#define PIT_ACCESS_LO_HI 0x30
#define PORT_61          0x61
#define PORT_61_GATE2    BIT(0)
#define PORT_61_SPEAKER  BIT(1)
#define PORT_61_OUT2     BIT(5)

static inline void pit_program(unsigned channel, unsigned mode, uint16_t count)
{
	outb(PIT_PORT_CONTROL, (uint8_t)(channel << 6 | PIT_ACCESS_LO_HI | mode << 1));
	outb((uint16_t)(PIT_PORT + channel), (uint8_t)count);
	outb((uint16_t)(PIT_PORT + channel), (uint8_t)(count >> 8));
}

/* The count, latched. */
static inline uint16_t pit_read(unsigned channel)
{
	uint8_t low;

	outb(PIT_PORT_CONTROL, (uint8_t)(channel << 6));
	low = inb((uint16_t)(PIT_PORT + channel));
	return (uint16_t)(low | inb((uint16_t)(PIT_PORT + channel)) << 8);
}

static inline void pit_gate(bool is_open)
{
	uint8_t v = inb(PORT_61) & (uint8_t) ~(PORT_61_GATE2 | PORT_61_SPEAKER);

	outb(PORT_61, is_open ? v | PORT_61_GATE2 : v);
}

static inline bool pit_out2(void)
{
	return inb(PORT_61) & PORT_61_OUT2;
}

#endif
