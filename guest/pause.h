/* Pausing: vCPUs that are kept out of the guest for a while, by the monitor or the debugger, or
 * because their console is too far ahead of the port.
 *
 * A reason is a bit of vcpu->requests (VCPU_REQ_PAUSE_*). While one is set the vCPU is parked: it
 * is blocked in the scheduler, and neither interrupts, NMIs, INITs and SIPIs nor its timers wake
 * it. They stay pending, and it sees them when the last reason is gone. A stop (VCPU_REQ_STOP: the
 * VM ends, or begins anew) is served at once, and the reasons outlive a restart.
 *
 * To the guest a pause is what a long wait for a pCPU is, but that no steal time is counted: the
 * TSC and all clocks that follow it run on; ticks of a periodic timer are owed as docs/guests.md
 * says. In the statistics a parked vCPU is blocked, as one that halts. */
#ifndef GUEST_PAUSE_H
#define GUEST_PAUSE_H

#include "guest/vm.h"

/* Adds `reason` to those for which the VM's vCPUs, or one, are paused; nothing when it is one
 * already. They come to rest soon after: see vm_is_parked. Any pCPU, a VM's lock may be held. */
void vm_pause(struct vm *vm, uint32_t reason);
void vcpu_pause(struct vcpu *vcpu, uint32_t reason);

/* Takes it away; whoever has no reason left goes on. Any pCPU, a VM's lock may be held. */
void vm_resume(struct vm *vm, uint32_t reason);
void vcpu_resume(struct vcpu *vcpu, uint32_t reason);

/* Has a vCPU that is paused come to rest? Then it stays out of the guest until the last reason is
 * taken away. One that does not run, or no longer, is at rest too. Any pCPU. */
bool vcpu_is_parked(const struct vcpu *vcpu);
bool vm_is_parked(const struct vm *vm);

/* Before a vCPU serves other requests: true when it is paused, and must wait (SCHED_WAIT). Owner
 * pCPU. */
bool vcpu_hold(struct vcpu *vcpu);

/* What sched_ops.is_woken answers for a vCPU. */
bool vcpu_is_woken(const struct vcpu *vcpu);

#endif
