/* I/O ports for the unit tests, and the ways in which a machine ends: all that is done is written
 * down, in order. */
#ifndef FAKES_PORTS_H
#define FAKES_PORTS_H

#include <setjmp.h>

#include "lib/types.h"

/* Nothing is written down; every port reads as 0. */
void fake_ports_clear(void);

/* From now on this port reads as `value`. */
void fake_port_set(uint16_t port, uint32_t value);

/* How often the port has been read since. */
uint32_t fake_port_reads(uint16_t port);

/* 'outb 64 fe; outw 604 2000; lidt; int 2; halt': numbers in hexadecimal. */
const char *fake_ports_text(void);

/* halt_forever() comes back here. */
extern jmp_buf fake_halt;

#endif
