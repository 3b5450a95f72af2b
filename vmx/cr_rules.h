/* What MOV to CR0 and CR4 may do, and what it does besides (SDM, 'MOV - Move to/from Control
 * Registers', 'Control Registers', 'IA-32e Mode System Data Structure Consistency', 'Loading of the
 * PDPTE Registers with PAE Paging'). The CPU does not check what comes by an exit; VM entry does.
 * Pure. */
#ifndef VMX_CR_RULES_H
#define VMX_CR_RULES_H

#include "lib/types.h"

/* What the rules look at, as it is before the instruction. Access rights in the VMCS's format. */
struct cr_state {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t cs_access, tr_access;
};

/* False: #GP(0). `allowed`: the CR4 bits that the guest has been told of. */
bool cr0_is_legal(const struct cr_state *state, uint64_t value);
bool cr4_is_legal(const struct cr_state *state, uint64_t value, uint64_t allowed);

/* Does the new value load the four PDPTEs from memory? */
bool cr0_loads_pdptes(const struct cr_state *state, uint64_t value);
bool cr4_loads_pdptes(const struct cr_state *state, uint64_t value);

/* 'PDPTE Registers': reserved bits of entries that are present must be 0. */
bool pdptes_are_legal(const uint64_t pdpte[4], unsigned maxphyaddr);

/* Must what the TLB holds of the vCPU's linear addresses go ('Operations that Invalidate TLBs and
 * Paging-Structure Caches')? */
bool cr0_flushes(uint64_t old, uint64_t value);
bool cr4_flushes(uint64_t old, uint64_t value);

#endif
