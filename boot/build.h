/* From the configuration to virtual machines. */
#ifndef BOOT_BUILD_H
#define BOOT_BUILD_H

#include "boot/boot.h"

/* What all VMs share: clock, halt polling. `on_end` is told of each VM's end. Boot pCPU, before
 * vmx_init. */
void build_machine(const struct boot *boot, void (*on_end)(void));

/* Creates, loads and starts every VM of the configuration, one after the other; a bad one becomes a
 * failed VM with a message. True when the input as a whole had an error. Boot pCPU, when every
 * pCPU's run queue is there. */
bool build_vms(const struct boot *boot);

#endif
