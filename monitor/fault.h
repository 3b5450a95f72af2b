/* Faults on purpose: what a panic and the watchdog then report can be tried. */
#ifndef MONITOR_FAULT_H
#define MONITOR_FAULT_H

#include "lib/types.h"

/* Panics; in debug builds, when `kind` is not empty, fails in another way: the names are in
 * fault.c. False when there is no such way. Interrupts on. */
bool fault_inject(const char *kind, size_t len);

/* fault=KIND:N (lib/fault.h), those that begin by themselves: NMIs, a pCPU that stops. On the boot
 * pCPU, when the VMs are about to run; nothing in release builds. */
void fault_start(void);

#endif
