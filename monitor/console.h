/* What is typed at the hypervisor's console: text for a guest, and commands for the hypervisor.
 *
 * A command is the byte 0x01 (Ctrl-A), a line, and a newline:
 *   verdict NAME ok|failed REASON   ends that VM with this verdict
 *   focus NAME                      what is typed goes to that VM from now on (at first: VM 0)
 *   stats                           prints the table of all VMs and vCPUs as it stands
 *   quit                            ends every VM */
#ifndef MONITOR_CONSOLE_H
#define MONITOR_CONSOLE_H

/* Takes the console's input from here on. Boot pCPU, when the VMs exist. */
void console_start(void);

#endif
