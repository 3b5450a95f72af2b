/* What a VM is given of KVM's interface, its MSRs, and the clock. */
#include "guest/kvm.h"

#include <asm/kvm_para.h>

#include "cpu/insn.h"
#include "guest/pvclock.h"
#include "guest/vm.h"
#include "lib/errno.h"

#define SYSTEM_TIME_ENABLE 1ull

uint32_t kvm_features(void)
{
	return BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
	       BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) |
	       BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) |
	       BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SEND_IPI) |
	       BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |
	       BIT(KVM_FEATURE_MSI_EXT_DEST_ID) |
	       (vm_machine.is_tsc_stable ? BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) : 0);
}

uint32_t kvm_withdrawn(const struct vm_params *params)
{
	uint32_t withdrawn = params->is_kvm_off ? UINT32_MAX : params->kvm_withdrawn;

	/* They stand in the steal-time area, or need its 'preempted'. */
	if (withdrawn & BIT(KVM_FEATURE_STEAL_TIME))
		withdrawn |= BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SCHED_YIELD);
	if (withdrawn & BIT(KVM_FEATURE_CLOCKSOURCE2))
		withdrawn |= BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	return withdrawn;
}

void kvm_reset_areas(struct vcpu *vcpu)
{
	vcpu->kvm_system_time = 0;
	vcpu->kvm_wall_clock = 0;
	vcpu->kvm_steal_time = 0;
	vcpu->steal_area = NULL;
	vcpu->kvm_pv_eoi = 0;
	vcpu->pv_eoi_area = NULL;
	vcpu->is_pv_eoi_armed = false;
}

void kvm_reset(struct vcpu *vcpu)
{
	kvm_reset_areas(vcpu);
	vcpu->kvm_poll_control = 1;
}

void kvm_update_clock(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	uint64_t now = rdtsc();

	if (!(vcpu->kvm_system_time & SYSTEM_TIME_ENABLE))
		return;
	/* The VM's clock is its TSC in nanoseconds: 0 when it was created. That the area lies in
	 * RAM was checked when it was set. vCPUs whose TSCs the guest has moved apart do not agree
	 * with each other. */
	if (pvclock_write_time(&vm->gmem, GPA(vcpu->kvm_system_time & ~SYSTEM_TIME_ENABLE),
			       &vm_machine.tsc, vm_tsc(vm, now) + vcpu->tsc_adjust,
			       tsc_to_ns(&vm_machine.tsc, vm_tsc(vm, now)),
			       vm_machine.is_tsc_stable &&
				       !__atomic_load_n(&vm->has_unequal_tscs, __ATOMIC_ACQUIRE)))
		vcpu->kvm_system_time = 0;
}

void kvm_tsc_moved(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool is_unequal = false, has_changed;

	spin_lock(&vm->lock);
	for (uint32_t i = 1; i < vm->params.vcpus; i++)
		is_unequal |= __atomic_load_n(&vm->vcpu[i]->tsc_adjust, __ATOMIC_RELAXED) !=
			      __atomic_load_n(&vm->vcpu[0]->tsc_adjust, __ATOMIC_RELAXED);
	has_changed = is_unequal != vm->has_unequal_tscs;
	__atomic_store_n(&vm->has_unequal_tscs, is_unequal, __ATOMIC_RELEASE);
	spin_unlock(&vm->lock);
	kvm_update_clock(vcpu);
	for (uint32_t i = 0; has_changed && i < vm->params.vcpus; i++)
		vcpu_request(vm->vcpu[i], VCPU_REQ_CLOCK);
}

static int write_system_time(struct vcpu *vcpu, uint64_t value)
{
	uint8_t probe[PVCLOCK_TIME_SIZE];

	/* Bit 0 enables; the address is 4-byte aligned, bit 1 is reserved. */
	if (value & 2)
		return -EPERM;
	vcpu->kvm_system_time = 0;
	if (!(value & SYSTEM_TIME_ENABLE))
		return 0;
	if (gmem_read(&vcpu->vm->gmem, GPA(value & ~SYSTEM_TIME_ENABLE), probe, sizeof(probe)))
		return -EPERM;
	vcpu->kvm_system_time = value;
	kvm_update_clock(vcpu);
	return 0;
}

static int write_wall_clock(struct vcpu *vcpu, uint64_t value)
{
	const struct vm *vm = vcpu->vm;
	/* The wall clock when the VM's clock was 0. */
	uint64_t boot = vm_machine.boot_wall_ns + tsc_to_ns(&vm_machine.tsc, -vm->tsc_offset);

	if (value & 3)
		return -EPERM;
	/* As in KVM: address 0 is none. */
	if (value && pvclock_write_wall(&vm->gmem, GPA(value), boot))
		return -EPERM;
	vcpu->kvm_wall_clock = value;
	return 0;
}

/* The feature that an MSR belongs to; -1 for none. */
static int feature_of(uint32_t msr)
{
	switch (msr) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_WALL_CLOCK:
		return KVM_FEATURE_CLOCKSOURCE;
	case MSR_KVM_SYSTEM_TIME_NEW:
	case MSR_KVM_WALL_CLOCK_NEW:
		return KVM_FEATURE_CLOCKSOURCE2;
	case MSR_KVM_STEAL_TIME:
		return KVM_FEATURE_STEAL_TIME;
	case MSR_KVM_PV_EOI_EN:
		return KVM_FEATURE_PV_EOI;
	case MSR_KVM_POLL_CONTROL:
		return KVM_FEATURE_POLL_CONTROL;
	default:
		return -1;
	}
}

static bool is_answered(const struct vm *vm, uint32_t msr)
{
	int feature = feature_of(msr);

	return feature >= 0 && kvm_is_offered(vm, (unsigned)feature);
}

int kvm_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (!is_answered(vcpu->vm, msr))
		return -EPERM;
	switch (msr) {
	case MSR_KVM_POLL_CONTROL:
		*value = vcpu->kvm_poll_control;
		return 0;
	case MSR_KVM_STEAL_TIME:
		*value = vcpu->kvm_steal_time;
		return 0;
	case MSR_KVM_PV_EOI_EN:
		*value = vcpu->kvm_pv_eoi;
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*value = vcpu->kvm_system_time;
		return 0;
	default:
		*value = vcpu->kvm_wall_clock;
		return 0;
	}
}

int kvm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (!is_answered(vcpu->vm, msr))
		return -EPERM;
	switch (msr) {
	case MSR_KVM_POLL_CONTROL:
		if (value & ~1ull)
			return -EPERM;
		vcpu->kvm_poll_control = value;
		return 0;
	case MSR_KVM_STEAL_TIME:
		return kvm_write_steal_time(vcpu, value);
	case MSR_KVM_PV_EOI_EN:
		return kvm_write_pv_eoi(vcpu, value);
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return write_system_time(vcpu, value);
	default:
		return write_wall_clock(vcpu, value);
	}
}
