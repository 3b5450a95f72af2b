/* The monitor's commands for programs, at a serial port of their own (monitor=PORT): a line in, the
 * answer's lines, and `ok` or `error: WHY` at its end. Empty lines and such that begin with # have
 * no answer. */
#ifndef MONITOR_PORT_H
#define MONITOR_PORT_H

#include "drivers/uart16550.h"

/* Serves the port from here on, and says so with the line 'monitor: ready'. Boot pCPU, when the VMs
 * exist. */
void monitor_port_start(struct host_uart *uart);

#endif
