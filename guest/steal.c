/* Steal time and the preempted flag: struct kvm_steal_time, in guest memory. */
#include <asm/kvm_para.h>

#include "cpu/insn.h"
#include "guest/kvm.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"

_Static_assert(sizeof(struct kvm_steal_time) == 64,
	       "the guest's ABI: an area does not cross a page");

uint64_t kvm_steal_ns(const struct vcpu *vcpu)
{
	uint64_t now = rdtsc();

	/* Runnable and not running: it waited, or its pCPU worked for others. Both are this pCPU's
	 * to read while the vCPU runs here: only the way out of RUNNING changes the first. */
	return tsc_to_ns(&vm_machine.tsc, sched_time_in(&vcpu->se, SCHED_RUNNABLE, now) +
						  sched_time_in(&vcpu->se, SCHED_LENT, now));
}

void kvm_steal_switched_in(struct vcpu *vcpu)
{
	struct kvm_steal_time *area = vcpu->steal_area;
	uint8_t preempted = __atomic_exchange_n(&area->preempted, 0, __ATOMIC_ACQ_REL);
	/* The guest may have left an odd version there. */
	uint32_t odd = __atomic_load_n(&area->version, __ATOMIC_RELAXED) | 1;

	/* A vCPU that wanted this one's TLB flushed has put that here instead of an IPI. */
	if ((preempted & KVM_VCPU_FLUSH_TLB) &&
	    kvm_is_offered(vcpu->vm, KVM_FEATURE_PV_TLB_FLUSH)) {
		vcpu_arch_flush_tlb(vcpu);
		vcpu->pv_tlb_flushes++;
	}
	/* 'An odd version indicates an in-progress update.' */
	__atomic_store_n(&area->version, odd, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&area->steal, kvm_steal_ns(vcpu), __ATOMIC_RELAXED);
	__atomic_store_n(&area->version, odd + 1, __ATOMIC_RELEASE);
}

void kvm_steal_preempted(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->steal_area->preempted, KVM_VCPU_PREEMPTED, __ATOMIC_RELEASE);
}

int kvm_write_steal_time(struct vcpu *vcpu, uint64_t value)
{
	struct kvm_steal_time *area = NULL;

	if (value & KVM_STEAL_RESERVED_MASK)
		return -EPERM;
	if (value & KVM_MSR_ENABLED) {
		area = gmem_ptr(&vcpu->vm->gmem, GPA(value & KVM_STEAL_VALID_BITS), sizeof(*area));
		if (!area)
			return -EPERM;
	}
	vcpu->kvm_steal_time = value;
	vcpu->steal_area = area;
	if (area)
		kvm_steal_switched_in(vcpu);
	return 0;
}
