/* The host's parallel port, for output (IEEE 1284, compatibility mode): a file in emulators, which
 * take a byte in no time. */
#ifndef DRIVERS_PARPORT_H
#define DRIVERS_PARPORT_H

#include "lib/types.h"

#define PARPORT_LPT1 0x378

struct parport {
	uint16_t base;
	bool is_dead; /* nobody took a byte in time: it gets no more */
};

/* Finds out whether there is one, and selects what is behind it. 0, or -ENODEV. */
int __must_check parport_open(struct parport *port, uint16_t base);

/* Writes all of it; waits for each byte until the last one was taken, with a bound. False when
 * nobody takes it. Interrupts any; one caller at a time. */
bool parport_write(struct parport *port, const void *bytes, size_t len);

#endif
