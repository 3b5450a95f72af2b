/* What cannot be read from a capability MSR is tried out at boot, in guests of one page. */
#ifndef VMX_PROBE_H
#define VMX_PROBE_H

#include "lib/types.h"

/* Does an external interrupt fail to end a guest that was entered with RFLAGS.IF = 0? (A defect of
 * Bochs 2.7; no CPU has it.) Runs a guest `jmp .` with interrupts disabled against the LAPIC timer,
 * with the preemption timer as the bound. Boot pCPU, in VMX operation, interrupts on. False when it
 * cannot be tried. */
bool vmx_probe_if0_defect(void);

/* Does a host's interrupt make the CPU deliver a pending virtual interrupt to a guest that has
 * RFLAGS.IF = 0? (A defect of Bochs 2.7, which a guest's kernel does not survive: its handler runs
 * inside what IF = 0 protects.) Runs a guest that sends itself an interrupt and waits with
 * interrupts disabled; with vmx_machine.has_vid, else as above. */
bool vmx_probe_vid_defect(void);

#endif
