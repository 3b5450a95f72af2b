/* Pausing a VM's vCPUs, and letting them go on. */
#include "guest/pause.h"

#include "guest/debug.h"

void vcpu_pause(struct vcpu *vcpu, uint32_t reason)
{
	uint32_t old = __atomic_fetch_or(&vcpu->requests, reason, __ATOMIC_SEQ_CST);

	/* A blocked one is woken, to park. */
	if (!(old & reason))
		sched_kick(&vcpu->se);
}

void vcpu_resume(struct vcpu *vcpu, uint32_t reason)
{
	/* First what wakes it, then the end of what keeps it: whoever blocks finds one of both, or
	 * is found blocked (sched_kick). */
	__atomic_fetch_or(&vcpu->requests, VCPU_REQ_RESUME, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&vcpu->requests, ~reason, __ATOMIC_SEQ_CST);
	sched_kick(&vcpu->se);
}

void vm_pause(struct vm *vm, uint32_t reason)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		vcpu_pause(vm->vcpu[i], reason);
}

void vm_resume(struct vm *vm, uint32_t reason)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		vcpu_resume(vm->vcpu[i], reason);
}

bool vcpu_is_parked(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->parked, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&vcpu->se.state, __ATOMIC_ACQUIRE) == SCHED_STOPPED;
}

bool vm_is_parked(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		if (!vcpu_is_parked(vm->vcpu[i]))
			return false;
	return true;
}

bool vcpu_hold(struct vcpu *vcpu)
{
	uint32_t requests;

	/* Before the look: whoever pauses it again and then sees it parked is right. */
	if (vcpu->parked)
		__atomic_store_n(&vcpu->parked, 0, __ATOMIC_SEQ_CST);
	requests = __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST);
	if (vcpu_is_held(requests)) {
		if ((requests & VCPU_REQ_PAUSE_DEBUGGER) && vcpu->vm->debug)
			debug_park(vcpu);
		__atomic_store_n(&vcpu->parked, requests & VCPU_REQ_PAUSED, __ATOMIC_SEQ_CST);
		return true;
	}
	if (!(requests & VCPU_REQ_RESUME))
		return false;
	__atomic_fetch_and(&vcpu->requests, ~VCPU_REQ_RESUME, __ATOMIC_SEQ_CST);
	if (vcpu->vm->debug)
		debug_go_on(vcpu);
	/* While it was paused it did not count as dead. */
	if (vcpu->activity == VCPU_HALTED && !vcpu->is_interrupt_open)
		vm_check_halted(vcpu->vm);
	return false;
}

bool vcpu_is_woken(const struct vcpu *vcpu)
{
	uint32_t requests = __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST);

	/* One that blocks before it has seen a reason comes once more, to park for it. */
	if (vcpu_is_held(requests))
		return requests & VCPU_REQ_PAUSED &
		       ~__atomic_load_n(&vcpu->parked, __ATOMIC_RELAXED);
	return requests != 0;
}
