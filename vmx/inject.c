/* Events into the guest: exceptions from handlers, NMIs and interrupts, and again what an exit
 * interrupted (SDM, 'Event Injection', 'Information for VM Exits That Occur During Event
 * Delivery'). */
#include "guest/kvm.h"
#include "guest/platform.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

void vmx_inject(struct vmx_vcpu *v, uint32_t info, uint32_t error, uint32_t length)
{
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, info | INTR_INFO_VALID);
	if (info & INTR_INFO_ERROR_CODE)
		vmwrite(ENTRY_EXCEPTION_ERROR_CODE, error);
	if (length)
		vmwrite(ENTRY_INSTRUCTION_LENGTH, length);
	v->loaded.has_injection = true;
	v->vcpu.injections++;
}

void vmx_requeue_vectoring(struct vmx_vcpu *v)
{
	uint32_t info = (uint32_t)vmread(IDT_VECTORING_INFORMATION), length = 0, error = 0;

	if (!(info & INTR_INFO_VALID))
		return;
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

/* What is to be injected: with virtual-interrupt delivery the 8259s' interrupts only. */
static bool has_injectable(struct vcpu *vcpu)
{
	return vmx_machine.has_vid ? platform_has_extint(vcpu) : platform_has_interrupt(vcpu);
}

static int take_injectable(struct vcpu *vcpu)
{
	return vmx_machine.has_vid ? platform_take_extint(vcpu) : platform_take_interrupt(vcpu);
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

void vmx_inject_pending(struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	bool is_open, is_waiting;

	if (unlikely(vcpu->vm->params.is_hlt_exit_off))
		end_guest_halt(vcpu);
	if (vcpu->is_nmi_pending)
		inject_nmi(v);
	if (vmx_machine.has_vid)
		vmx_apicv_sync(v);
	is_open = !v->loaded.has_injection && (vmread(GUEST_RFLAGS) & RFLAGS_IF) &&
		  !(vmread(GUEST_INTERRUPTIBILITY_STATE) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
	if (is_open) {
		int vector = take_injectable(vcpu);

		if (vector >= 0)
			vmx_inject(v, (uint32_t)vector | INTR_TYPE_EXTERNAL, 0, 0);
	}
	/* What could not be injected, or comes behind what was, waits for the window. */
	is_waiting = has_injectable(vcpu);
	vmx_set_primary(v, PRIMARY_INTERRUPT_WINDOW_EXITING, is_waiting);
	/* Last: whoever looks at the local APIC takes the guest's silent EOI back. */
	if (is_open && !is_waiting)
		kvm_arm_pv_eoi(vcpu);
}
