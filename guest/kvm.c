/* KVM's clock and poll-control MSRs. */
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
	       BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_POLL_CONTROL) |
	       (vm_machine.is_tsc_stable ? BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) : 0);
}

void kvm_reset(struct vcpu *vcpu)
{
	vcpu->kvm_system_time = 0;
	vcpu->kvm_wall_clock = 0;
	vcpu->kvm_poll_control = 1;
}

void kvm_update_clock(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	uint64_t now = rdtsc();

	if (!(vcpu->kvm_system_time & SYSTEM_TIME_ENABLE))
		return;
	/* The VM's clock is its TSC in nanoseconds: 0 when it was created. That the area lies in
	 * RAM was checked when it was set. A vCPU whose TSC the guest has moved does not agree with
	 * its peers. */
	if (pvclock_write_time(&vm->gmem, GPA(vcpu->kvm_system_time & ~SYSTEM_TIME_ENABLE),
			       &vm_machine.tsc, vm_tsc(vm, now) + vcpu->tsc_adjust,
			       tsc_to_ns(&vm_machine.tsc, vm_tsc(vm, now)),
			       vm_machine.is_tsc_stable && !vcpu->tsc_adjust))
		vcpu->kvm_system_time = 0;
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

int kvm_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (vcpu->vm->params.is_kvm_off)
		return -EPERM;
	switch (msr) {
	case MSR_KVM_POLL_CONTROL:
		*value = vcpu->kvm_poll_control;
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*value = vcpu->kvm_system_time;
		return 0;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*value = vcpu->kvm_wall_clock;
		return 0;
	default:
		return -EPERM;
	}
}

int kvm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (vcpu->vm->params.is_kvm_off)
		return -EPERM;
	switch (msr) {
	case MSR_KVM_POLL_CONTROL:
		if (value & ~1ull)
			return -EPERM;
		vcpu->kvm_poll_control = value;
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return write_system_time(vcpu, value);
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		return write_wall_clock(vcpu, value);
	default:
		return -EPERM;
	}
}
