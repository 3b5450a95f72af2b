/* Events into the guest: exceptions from handlers, NMIs and interrupts, and again what an exit
 * interrupted (SDM, 'Event Injection', 'Information for VM Exits That Occur During Event
 * Delivery'). */
#include "guest/kvm.h"
#include "guest/platform.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

void vmx_requeue_vectoring(struct vmx_vcpu *v, uint32_t info)
{
	uint32_t length = 0, error = 0;

	switch (info & INTR_INFO_TYPE) {
	case INTR_TYPE_SOFTWARE_INTERRUPT:
	case INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION:
	case INTR_TYPE_SOFTWARE_EXCEPTION:
		length = (uint32_t)vmread(EXIT_INSTRUCTION_LENGTH);
		break;
	case INTR_TYPE_NMI:
		/* Its delivery had set NMI blocking; to be delivered again it must be clear. */
		vmwrite(GUEST_INTERRUPTIBILITY_STATE,
			vmread(GUEST_INTERRUPTIBILITY_STATE) & ~(uint64_t)BLOCKING_BY_NMI);
		break;
	default:
		break;
	}
	if (info & INTR_INFO_ERROR_CODE)
		error = (uint32_t)vmread(IDT_VECTORING_ERROR_CODE);
	vmx_inject(v, info & (INTR_INFO_VECTOR | INTR_INFO_TYPE | INTR_INFO_ERROR_CODE), error,
		   length);
}

/* True when the NMI is on its way; false when a window had to be asked for. */
static bool inject_nmi(struct vmx_vcpu *v)
{
	uint64_t blocking = vmread(GUEST_INTERRUPTIBILITY_STATE);

	if (v->loaded.has_injection ||
	    (blocking & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI))) {
		vmx_set_primary(v, PRIMARY_NMI_WINDOW_EXITING, true);
		return false;
	}
	vmx_inject(v, 2 | INTR_TYPE_NMI, 0, 0);
	v->vcpu.is_nmi_pending = false;
	vmx_set_primary(v, PRIMARY_NMI_WINDOW_EXITING, false);
	return true;
}

/* A vCPU that halts in the guest (hlt-exit=off), and an event that ends the halt: it is active, and
 * what blocking by STI lasted for is over. The CPU does both when it delivers; Bochs keeps the
 * blocking, and halts on with a virtual interrupt pending. */
static void end_guest_halt(struct vcpu *vcpu)
{
	if (vmread(GUEST_ACTIVITY_STATE) != ACTIVITY_HLT)
		return;
	if (!vcpu->is_nmi_pending &&
	    !((vmread(GUEST_RFLAGS) & RFLAGS_IF) && platform_has_interrupt(vcpu)))
		return;
	vmwrite(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	vmwrite(GUEST_INTERRUPTIBILITY_STATE,
		vmread(GUEST_INTERRUPTIBILITY_STATE) & ~(uint64_t)BLOCKING_BY_STI);
}

/* For a VM with hlt-exit=off, and while a debugger steps: then nothing comes in between. */
static bool may_inject(struct vmx_vcpu *v)
{
	if (v->debug.is_stepping)
		return false;
	end_guest_halt(&v->vcpu);
	return true;
}

/* May an external interrupt be injected by the next entry? */
static bool is_open(const struct vmx_vcpu *v)
{
	return !v->loaded.has_injection && (vmread(GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmread(GUEST_INTERRUPTIBILITY_STATE) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
}

/* What is to be injected: with virtual-interrupt delivery the 8259s' interrupts only. */
static inline int find_injectable(struct vcpu *vcpu)
{
	if (!vmx_machine.has_vid)
		return platform_find_interrupt(vcpu);
	return platform_has_extint(vcpu) ? PLATFORM_EXTINT : -1;
}

void vmx_inject_pending(struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	int vector;

	if (unlikely(v->is_injection_odd) && !may_inject(v))
		return;
	if (unlikely(vcpu->is_nmi_pending))
		inject_nmi(v);
	if (vmx_machine.has_vid)
		vmx_apicv_sync(v);
	vector = find_injectable(vcpu);
	if (vector >= 0 && is_open(v)) {
		vector = platform_take_interrupt(vcpu, vector);
		if (likely(vector >= 0))
			vmx_inject(v, (uint32_t)vector | INTR_TYPE_EXTERNAL, 0, 0);
		vector = find_injectable(vcpu);
	}
	/* What could not be injected, or comes behind what was, waits for the window. */
	vmx_set_primary(v, PRIMARY_INTERRUPT_WINDOW_EXITING, vector >= 0);
	/* Last: whoever looks at the local APIC takes the guest's silent EOI back. */
	if (vector < 0 && vcpu->pv_eoi_area)
		kvm_arm_pv_eoi(vcpu);
}
