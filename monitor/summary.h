/* What stands at the end: how each VM ended, and where the time went. */
#ifndef MONITOR_SUMMARY_H
#define MONITOR_SUMMARY_H

#include "guest/vm.h"
#include "monitor/out.h"

/* 'verdict: NAME: ok|failed: REASON'. The VM's vCPUs have stopped. */
void summary_print_verdict(struct vm *vm);

/* The table of all VMs and vCPUs as things stand, in pieces: its head, each vCPU's lines, a VM's
 * NICs, and what is behind it. Any pCPU; figures of running vCPUs are read without a lock. */
void summary_print_head(struct out *out);
void summary_print_vcpu(struct out *out, const struct vcpu *vcpu);
void summary_print_nics(struct out *out, const struct vm *vm);
void summary_print_tail(struct out *out);

/* All of that table, on the console, at the end; the number of failed VMs. */
uint32_t summary_print(void);

#endif
