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

static int write_poll_control(struct vcpu *vcpu, uint64_t value)
{
	if (value & ~1ull)
		return -EPERM;
	vcpu->kvm_poll_control = value;
	return 0;
}

#define ROW(kvm_feature, kept, wr)                                                                 \
	{                                                                                          \
		.write = (wr), .value = offsetof(struct vcpu, kept), .feature = (kvm_feature)      \
	}

/* A row for each MSR, from MSR_KVM_WALL_CLOCK_NEW on and the old ones; those without a row, as
 * those of a feature that is not offered, are not there. */
static const struct kvm_msr_row {
	int (*write)(struct vcpu *vcpu, uint64_t value);
	uint32_t value; /* what is read: where in struct vcpu */
	uint32_t feature;
} rows[] =
	{
		[0] = ROW(KVM_FEATURE_CLOCKSOURCE2, kvm_wall_clock, write_wall_clock),
		[1] = ROW(KVM_FEATURE_CLOCKSOURCE2, kvm_system_time, write_system_time),
		[3] = ROW(KVM_FEATURE_STEAL_TIME, kvm_steal_time, kvm_write_steal_time),
		[4] = ROW(KVM_FEATURE_PV_EOI, kvm_pv_eoi, kvm_write_pv_eoi),
		[5] = ROW(KVM_FEATURE_POLL_CONTROL, kvm_poll_control, write_poll_control),
},
  old_rows[] = {
	  [0] = ROW(KVM_FEATURE_CLOCKSOURCE, kvm_wall_clock, write_wall_clock),
	  [1] = ROW(KVM_FEATURE_CLOCKSOURCE, kvm_system_time, write_system_time),
};
#undef ROW
_Static_assert(MSR_KVM_POLL_CONTROL == MSR_KVM_WALL_CLOCK_NEW + 5 &&
		       MSR_KVM_PV_EOI_EN == MSR_KVM_WALL_CLOCK_NEW + 4 &&
		       MSR_KVM_STEAL_TIME == MSR_KVM_WALL_CLOCK_NEW + 3 &&
		       MSR_KVM_SYSTEM_TIME_NEW == MSR_KVM_WALL_CLOCK_NEW + 1 &&
		       MSR_KVM_SYSTEM_TIME == MSR_KVM_WALL_CLOCK + 1,
	       "the rows' places");

/* NULL where the guest finds no MSR. */
static inline const struct kvm_msr_row *find_row(const struct vm *vm, uint32_t msr)
{
	const struct kvm_msr_row *row;

	if (likely(msr - MSR_KVM_WALL_CLOCK_NEW < ARRAY_SIZE(rows)))
		row = &rows[msr - MSR_KVM_WALL_CLOCK_NEW];
	else if (msr - MSR_KVM_WALL_CLOCK < ARRAY_SIZE(old_rows))
		row = &old_rows[msr - MSR_KVM_WALL_CLOCK];
	else
		return NULL;
	return row->write && kvm_is_offered(vm, row->feature) ? row : NULL;
}

int kvm_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct kvm_msr_row *row = find_row(vcpu->vm, msr);

	if (!row)
		return -EPERM;
	*value = *(const uint64_t *)(const void *)((const char *)vcpu + row->value);
	return 0;
}

int kvm_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	const struct kvm_msr_row *row = find_row(vcpu->vm, msr);

	return row ? row->write(vcpu, value) : -EPERM;
}
