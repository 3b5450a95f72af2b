/* The KVM paravirtual interface of a vCPU: its MSRs and its clock
 * (Documentation/virt/kvm/x86/msr.rst). */
#ifndef GUEST_KVM_H
#define GUEST_KVM_H

#include "guest/vcpu.h"

/* CPUID leaf 0x40000001 EAX: exactly what works. */
uint32_t kvm_features(void);

void kvm_reset(struct vcpu *vcpu);

/* The KVM MSRs: 0x11, 0x12, 0x4b564d00-0x4b564dff. 0, or -EPERM for #GP. Owner pCPU. */
int __must_check kvm_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int __must_check kvm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Refreshes the vCPU's pvclock area, if it is enabled. Owner pCPU. */
void kvm_update_clock(struct vcpu *vcpu);

#endif
