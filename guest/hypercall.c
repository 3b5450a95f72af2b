/* Hypercalls. */
#include "guest/hypercall.h"

#include <linux/kvm_para.h>

#include "lib/errno.h"
#include "guest/vcpu_arch.h"

#define EFER_LMA BIT(10)
#define CS_L     BIT(13)

static bool is_64bit(struct vcpu *vcpu)
{
	struct vcpu_segment cs;

	if (!(vcpu_arch_get(vcpu, VCPU_EFER) & EFER_LMA))
		return false;
	vcpu_arch_get_segment(vcpu, SEG_CS, &cs);
	return cs.access & CS_L;
}

static int64_t serve(struct vcpu *vcpu, uint64_t number)
{
	if (vcpu_arch_cpl(vcpu) != 0)
		return -KVM_EPERM;
	switch (number) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;
	default:
		return -KVM_ENOSYS;
	}
}

void hypercall(struct vcpu *vcpu)
{
	uint64_t *rax = &vcpu->regs.gpr[GPR_RAX];

	/* Outside 64-bit mode the 32-bit halves count. */
	if (is_64bit(vcpu))
		*rax = (uint64_t)serve(vcpu, *rax);
	else
		*rax = (uint32_t)serve(vcpu, (uint32_t)*rax);
}
