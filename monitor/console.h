/* What is typed at the hypervisor's console: text for one VM, keys and commands for the hypervisor.
 *
 * A key is Ctrl-A and one more: docs/guests.md has them, Ctrl-A h tells them.
 * A command is Ctrl-A ':', a line, and Enter; it is what programs use:
 *
 *   verdict NAME ok|failed REASON   ends that VM with this verdict
 *
 *   focus NAME                      what is typed goes to that VM (at first: the first)
 *
 *   raw [NAME]                      and its console comes raw, all lines marked
 *
 *   lines                           the end of that
 *
 *   room                            'room: N': so many bytes can be typed without loss
 *
 *   stats                           prints the table of all VMs and vCPUs as it stands
 *
 *   quit                            ends every VM
 *
 * 'raw: NAME' and 'lines:' on lines of their own say where the raw part begins and ends, 'input:
 * NAME' who is typed to; the first of these says that input is served. */
#ifndef MONITOR_CONSOLE_H
#define MONITOR_CONSOLE_H

#include "guest/vm.h"

/* Takes the console's input from here on, and says so. Boot pCPU, when the VMs exist. */
void console_start(void);

/* The VM's vCPUs have stopped: if its console is raw, lines are next. Any pCPU, no lock held. */
void console_vm_ended(struct vm *vm);

/* Lines from here on: the machine ends. Any pCPU, no lock held. */
void console_end(void);

#endif
