/* Serial ports with a role of their own besides the console: monitor=, gdb-port=, dump=. */
#ifndef BOOT_PORTS_H
#define BOOT_PORTS_H

#include "boot/boot.h"
#include "drivers/uart16550.h"

/* Opens the ports that the options name, and says which do not answer. Boot CPU, before
 * ports_route. */
void ports_open(const struct hv_options *options);

/* The port with this role, or NULL: none is named, or it does not answer. From ports_open on. */
struct host_uart *ports_get(enum hv_port_role role);

/* Routes the interrupts of the serial console and of the open ports to this pCPU. What has none is
 * polled from ports_start on; the console's text waits for nobody. Boot CPU. */
void ports_route(const struct boot *boot);

/* Polls, on this pCPU, the ports that have no interrupt. After sched_init_cpu. */
void ports_start(void);

#endif
