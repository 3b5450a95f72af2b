/* Hypercalls. */
#include "guest/hypercall.h"

#include <linux/kvm_para.h>

#include "cpu/insn.h"
#include "guest/kvm.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"

#define ICR_SHORTHAND (3ull << 18)
#define ICR_LOGICAL   BIT_ULL(11)

struct call {
	uint64_t a0, a1, a2, a3;
	bool is_64bit;
};

/* The rest of the caller's turn goes to the vCPU with this APIC ID, if it waits for this pCPU. */
static void yield_to(struct vcpu *vcpu, uint64_t apic_id)
{
	int target = apic_bus_find(&vcpu->vm->dev.apic_bus, apic_id);

	if (target >= 0 && sched_yield_to(&vcpu->vm->vcpu[target]->se))
		vcpu_arch_deadline_changed(vcpu);
}

/* Wakes the vCPU with APIC ID a1 out of HLT, whatever its RFLAGS.IF. An ID that nobody has is no
 * error. */
static int64_t kick_cpu(struct vcpu *vcpu, const struct call *call)
{
	int target = apic_bus_find(&vcpu->vm->dev.apic_bus, call->a1);

	if (target >= 0)
		vcpu_request(vcpu->vm->vcpu[target], VCPU_REQ_UNHALT);
	yield_to(vcpu, call->a1);
	return 0;
}

/* The wall clock and the guest's TSC at the same moment, as struct kvm_clock_pairing at a0. */
static int64_t pair_clocks(struct vcpu *vcpu, const struct call *call)
{
	uint64_t now = rdtsc();
	uint64_t wall = vm_machine.boot_wall_ns + tsc_to_ns(&vm_machine.tsc, now);
	const struct kvm_clock_pairing pairing = {
		.sec = (int64_t)(wall / NSEC_PER_SEC),
		.nsec = (int64_t)(wall % NSEC_PER_SEC),
		.tsc = vm_tsc(vcpu->vm, now) + vcpu->tsc_adjust,
	};

	if (call->a1 != KVM_CLOCK_PAIRING_WALLCLOCK || !vm_machine.is_tsc_stable)
		return -KVM_EOPNOTSUPP;
	if (gmem_write(&vcpu->vm->gmem, GPA(call->a0), &pairing, sizeof(pairing)))
		return -KVM_EFAULT;
	return 0;
}

/* The ICR a3, fixed or NMI, to the APIC IDs a2 + n for the bits n of a0 and a1, each of 64 or, from
 * a 32-bit guest, 32 bits. The count of those that took it. */
static int64_t send_ipi(struct vcpu *vcpu, const struct call *call)
{
	const struct apic_message msg = {
		.vector = (uint8_t)call->a3,
		.mode = call->a3 >> 8 & 7,
		.is_assert = true,
	};
	const uint64_t ids[2] = {
		call->is_64bit ? call->a0 : call->a0 | call->a1 << 32,
		call->is_64bit ? call->a1 : 0,
	};

	if ((call->a3 & (ICR_SHORTHAND | ICR_LOGICAL)) ||
	    (msg.mode != LAPIC_DM_FIXED && msg.mode != LAPIC_DM_NMI))
		return -KVM_EINVAL;
	return apic_bus_deliver_set(&vcpu->vm->dev.apic_bus, &msg, call->a2, ids, &vcpu->lapic);
}

static int64_t sched_yield(struct vcpu *vcpu, const struct call *call)
{
	yield_to(vcpu, call->a0);
	return 0;
}

static int64_t poll_irq(struct vcpu *vcpu, const struct call *call)
{
	(void)vcpu;
	(void)call;
	return 0;
}

#define NO_FEATURE UINT32_MAX

/* By number; each comes with a feature, or always. */
static const struct hypercall_row {
	int64_t (*serve)(struct vcpu *vcpu, const struct call *call);
	uint32_t feature;
} rows[] = {
	[KVM_HC_VAPIC_POLL_IRQ] = {poll_irq, NO_FEATURE},
	[KVM_HC_KICK_CPU] = {kick_cpu, KVM_FEATURE_PV_UNHALT},
	[KVM_HC_CLOCK_PAIRING] = {pair_clocks, KVM_FEATURE_CLOCKSOURCE2},
	[KVM_HC_SEND_IPI] = {send_ipi, KVM_FEATURE_PV_SEND_IPI},
	[KVM_HC_SCHED_YIELD] = {sched_yield, KVM_FEATURE_PV_SCHED_YIELD},
};

static int64_t serve(struct vcpu *vcpu, uint64_t number, uint64_t mask)
{
	const uint64_t *gpr = vcpu->regs.gpr;
	const struct hypercall_row *row = &rows[number];
	const struct call call = {
		.a0 = gpr[GPR_RBX] & mask,
		.a1 = gpr[GPR_RCX] & mask,
		.a2 = gpr[GPR_RDX] & mask,
		.a3 = gpr[GPR_RSI] & mask,
		.is_64bit = mask == UINT64_MAX,
	};

	if (!row->serve || (row->feature != NO_FEATURE && !kvm_is_offered(vcpu->vm, row->feature)))
		return -KVM_ENOSYS;
	return row->serve(vcpu, &call);
}

void hypercall(struct vcpu *vcpu)
{
	/* Outside 64-bit mode the 32-bit halves count. */
	uint64_t mask = vcpu_arch_is_64bit(vcpu) ? UINT64_MAX : UINT32_MAX;
	uint64_t number = vcpu->regs.gpr[GPR_RAX] & mask;
	int64_t answer = -KVM_ENOSYS;

	if (unlikely(vcpu_arch_cpl(vcpu) != 0))
		answer = -KVM_EPERM;
	else if (number < ARRAY_SIZE(rows))
		answer = serve(vcpu, number, mask);
	vcpu->regs.gpr[GPR_RAX] = (uint64_t)answer & mask;
}
