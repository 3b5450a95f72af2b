/* The end of an interrupt without an exit: a bit in guest memory that says that no EOI write is
 * needed, and that the guest clears instead. It is touched in its vCPU's own context only, so plain
 * accesses do. */
#include <asm/kvm_para.h>

#include "guest/kvm.h"
#include "lib/errno.h"

void kvm_arm_pv_eoi(struct vcpu *vcpu)
{
	if (!lapic_is_eoi_silent(&vcpu->lapic))
		return;
	*vcpu->pv_eoi_area |= KVM_PV_EOI_ENABLED;
	vcpu->is_pv_eoi_armed = true;
}

void kvm_take_pv_eoi(struct vcpu *vcpu)
{
	bool is_ended = !(*vcpu->pv_eoi_area & KVM_PV_EOI_MASK);

	*vcpu->pv_eoi_area &= (uint8_t)~KVM_PV_EOI_MASK;
	vcpu->is_pv_eoi_armed = false;
	if (is_ended) {
		vcpu->pv_eois++;
		lapic_eoi(&vcpu->lapic);
	}
}

int kvm_write_pv_eoi(struct vcpu *vcpu, uint64_t value)
{
	uint8_t *area = NULL;

	/* 'Bit 1 is reserved and must be zero'; the address is 4-byte aligned. */
	if (value & 2)
		return -EPERM;
	if (value & KVM_MSR_ENABLED) {
		area = gmem_ptr(&vcpu->vm->gmem, GPA(value & ~(uint64_t)KVM_MSR_ENABLED), 4);
		if (!area)
			return -EPERM;
	}
	kvm_sync_pv_eoi(vcpu);
	vcpu->kvm_pv_eoi = value;
	vcpu->pv_eoi_area = area;
	return 0;
}
