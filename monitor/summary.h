/* What stands at the end: how each VM ended, and where the time went. */
#ifndef MONITOR_SUMMARY_H
#define MONITOR_SUMMARY_H

#include "guest/vm.h"

/* 'verdict: NAME: ok|failed: REASON'. The VM's vCPUs have stopped. */
void summary_print_verdict(struct vm *vm);

/* The table of all VMs and vCPUs: where the time went, exits, halt polling, as things stand. Any
 * pCPU; figures of running vCPUs are read without a lock. */
void summary_print_table(void);

/* That table, at the end; the number of failed VMs. */
uint32_t summary_print(void);

#endif
