/* What stands at the end: how each VM ended, and where the time went. */
#ifndef MONITOR_SUMMARY_H
#define MONITOR_SUMMARY_H

#include "guest/vm.h"

/* 'verdict: NAME: ok|failed: REASON'. The VM's vCPUs have stopped. */
void summary_print_verdict(struct vm *vm);

/* The table of all VMs and vCPUs; the number of failed VMs. */
uint32_t summary_print(void);

#endif
