/* NMIs between pCPUs: the panic stops the others, and a pCPU that makes no progress is looked at.
 */
#ifndef CPU_NMI_H
#define CPU_NMI_H

#include "lib/types.h"

struct trap_frame;

/* Asks pCPU `cpu` for a sign of life; nmi_has_answered tells whether it has come since. One asker a
 * pCPU. */
void nmi_probe(uint32_t cpu);
bool nmi_has_answered(uint32_t cpu);

/* Has pCPU `cpu` panic where it is, because it has been stuck for `ms` milliseconds; when the NMI
 * finds it in a guest, it is not stuck, and nothing happens. */
void nmi_panic(uint32_t cpu, uint32_t ms);

/* fault=stop: has pCPU `cpu` stop for good, with NMIs blocked. */
void nmi_stop(uint32_t cpu);

/* The handler: cpu/trap.c's. `frame` is where the NMI came. No lock may be taken. */
void nmi_handle(const struct trap_frame *frame);

/* Runs the handler for an NMI that a VM exit took. */
void nmi_reflect(void);

/* Where pCPU `cpu` was when a panic stopped it: an address of the hypervisor; 0, in a guest;
 * UINT64_MAX, it has not stopped. */
uint64_t nmi_stopped_at(uint32_t cpu);

#endif
