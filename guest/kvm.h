/* The KVM paravirtual interface of a vCPU: its MSRs, and what stands behind them
 * (Documentation/virt/kvm/x86/msr.rst). */
#ifndef GUEST_KVM_H
#define GUEST_KVM_H

#include "guest/vm.h"

/* CPUID leaf 0x40000001 EAX: exactly what works on this machine. */
uint32_t kvm_features(void);

/* The features that a VM is not given: those of its configuration, and those that make no sense
 * without them. */
uint32_t kvm_withdrawn(const struct vm_params *params);

/* Is the VM given KVM_FEATURE_`feature`? Its kvm_withdrawn is what kvm_withdrawn() has made of it.
 */
static inline bool kvm_is_offered(const struct vm *vm, unsigned feature)
{
	return !(vm->params.kvm_withdrawn >> feature & 1);
}

/* The power-up state; and what an INIT leaves: the areas in guest memory are let go. Owner pCPU. */
void kvm_reset(struct vcpu *vcpu);
void kvm_reset_areas(struct vcpu *vcpu);

/* The KVM MSRs: 0x11, 0x12, 0x4b564d00-0x4b564dff. 0, or -EPERM for #GP. Owner pCPU. */
int __must_check kvm_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int __must_check kvm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Refreshes the vCPU's pvclock area, if it is enabled. Owner pCPU. */
void kvm_update_clock(struct vcpu *vcpu);

/* A guest write has moved this vCPU's TSC (vcpu->tsc_adjust). While the vCPUs' TSCs are unequal, no
 * clock of the VM claims to be stable. Owner pCPU, no lock held. */
void kvm_tsc_moved(struct vcpu *vcpu);

/* guest/steal.c. MSR_KVM_STEAL_TIME: 0 or -EPERM. */
int __must_check kvm_write_steal_time(struct vcpu *vcpu, uint64_t value);
/* With a steal area: its time is brought up to date, `preempted` taken back, and the TLB flushed
 * when another vCPU has asked for that meanwhile. Owner pCPU, before it enters the guest. */
void kvm_steal_switched_in(struct vcpu *vcpu);
/* With a steal area: the vCPU loses its pCPU though it could run. Owner pCPU. */
void kvm_steal_preempted(struct vcpu *vcpu);
/* What the area says, or would: nanoseconds runnable and not running. Owner pCPU, or stopped. */
uint64_t kvm_steal_ns(const struct vcpu *vcpu);

/* guest/pv_eoi.c. MSR_KVM_PV_EOI_EN: 0 or -EPERM. */
int __must_check kvm_write_pv_eoi(struct vcpu *vcpu, uint64_t value);
/* With a PV EOI area, and when no interrupt waits: lets the guest end the one that is in service by
 * clearing a bit in memory, if the EOI would do nothing else. Owner pCPU. */
void kvm_arm_pv_eoi(struct vcpu *vcpu);
/* Takes the bit back; where the guest has cleared it, that was the EOI. */
void kvm_take_pv_eoi(struct vcpu *vcpu);

/* Before anything looks at the local APIC's ISR or PPR, or changes them. Owner pCPU. */
static inline void kvm_sync_pv_eoi(struct vcpu *vcpu)
{
	if (unlikely(vcpu->is_pv_eoi_armed))
		kvm_take_pv_eoi(vcpu);
}

#endif
