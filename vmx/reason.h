/* What exit reasons, interruption information and instruction errors say of whose fault it is.
 * Pure.
 */
#ifndef VMX_REASON_H
#define VMX_REASON_H

#include <asm/vmx.h>

#include "lib/types.h"
#include "vmx/vmcs.h"

#define EXIT_REASON_BASIC_MASK    0xffffu
#define EXIT_REASON_ENTRY_FAILURE BIT(31)
#define VECTOR_MACHINE_CHECK      18u
#define VM_ERROR_ENTRY_CONTROLS   7 /* VM entry with invalid control field(s) */

/* An exit by #MC: its interruption information. */
static inline bool is_machine_check_event(uint32_t info)
{
	return (info & (INTR_INFO_TYPE | INTR_INFO_VECTOR)) ==
	       (INTR_TYPE_HARDWARE_EXCEPTION | VECTOR_MACHINE_CHECK);
}

/* 'Machine-Check Events During VM Entry': one of the three ways to answer one is a VM-entry failure
 * with basic exit reason 41. The event is the host's, as after an exit by #MC. */
static inline bool is_machine_check_entry_failure(uint32_t reason)
{
	return (reason & EXIT_REASON_ENTRY_FAILURE) &&
	       (reason & EXIT_REASON_BASIC_MASK) == EXIT_REASON_MCE_DURING_VMENTRY;
}

/* 'VM-Instruction Error Numbers': the only one of VMLAUNCH and VMRESUME in which a guest can have a
 * part, as some control fields (an event to inject) follow from its state. The others are the
 * host's: a VMCS in the wrong state, host state, VMX operation itself. */
static inline bool is_entry_error_of_one_vm(int64_t error)
{
	return error == VM_ERROR_ENTRY_CONTROLS;
}

#endif
