/* gdb at a serial port, and the VM that it debugs: one at a time. */
#ifndef MONITOR_GDB_SESSION_H
#define MONITOR_GDB_SESSION_H

#include "drivers/uart16550.h"
#include "guest/vm.h"

/* Lets gdb debug the VM through this port. With `is_waiting` the VM stands at its first instruction
 * until gdb lets it go on. Boot pCPU, once, before the VM starts. -ENOMEM. */
int __must_check gdb_attach(struct vm *vm, struct host_uart *uart, bool is_waiting);

/* A VM has ended and its vCPUs have stopped: gdb is told if it is its. Waits until that is sent.
 * Any pCPU, no lock held. */
void gdb_vm_ended(const struct vm *vm);

#endif
