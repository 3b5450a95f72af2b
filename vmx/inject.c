/* Events into the guest: exceptions from handlers, NMIs and interrupts, and again what an exit
 * interrupted (SDM, 'Event Injection', 'Information for VM Exits That Occur During Event
 * Delivery'). */
#include "guest/kvm.h"
#include "guest/platform.h"
#include "vmx/cr.h"
#include "vmx/events.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

enum { VECTOR_NMI = 2, VECTOR_DF = 8 };

#define WINDOWS (PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING)

/* The next entry delivers the event `info`, as it stands; with what else it needs, else 0. */
static inline void inject(struct vmx_vcpu *v, uint32_t info, uint32_t error, uint32_t length)
{
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, info | INTR_INFO_VALID);
	if (unlikely(info & INTR_INFO_ERROR_CODE))
		vmwrite(ENTRY_EXCEPTION_ERROR_CODE, error);
	if (length)
		vmwrite(ENTRY_INSTRUCTION_LENGTH, length);
	v->loaded.has_injection = true;
	v->vcpu.injections++;
}

/* Exceptions: whether there is an error code is decided here. */
static void inject_exception(struct vmx_vcpu *v, uint32_t info, uint32_t error, uint32_t length)
{
	inject(v, event_fit(info, vmread(GUEST_CR0) & CR0_PE), error, length);
}

void vmx_refit_injection(struct vmx_vcpu *v)
{
	uint32_t info = (uint32_t)vmread(ENTRY_INTERRUPTION_INFORMATION);

	if (v->loaded.has_injection)
		vmwrite(ENTRY_INTERRUPTION_INFORMATION,
			event_fit(info, vmread(GUEST_CR0) & CR0_PE));
}

/* What was being delivered has been taken from where it came from, and something else comes first.
 */
static void keep_for_later(struct vmx_vcpu *v, uint32_t info)
{
	if ((info & INTR_INFO_TYPE) == INTR_TYPE_NMI)
		v->vcpu.is_nmi_pending = true;
	else
		v->vcpu.kept_interrupt = VCPU_KEPT_INTERRUPT | (info & INTR_INFO_VECTOR);
	vmx_set_odd(v);
	__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
}

void vmx_keep_if_shut(struct vmx_vcpu *v)
{
	uint32_t info = (uint32_t)vmread(ENTRY_INTERRUPTION_INFORMATION);

	if (!v->loaded.has_injection || (info & INTR_INFO_TYPE) != INTR_TYPE_EXTERNAL ||
	    (vmread(GUEST_RFLAGS) & RFLAGS_IF))
		return;
	keep_for_later(v, info);
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, 0);
	v->loaded.has_injection = false;
}

void vmx_raise(struct vmx_vcpu *v, uint32_t info, uint32_t error, uint32_t length)
{
	if (unlikely(v->loaded.has_injection)) {
		uint32_t first = (uint32_t)vmread(ENTRY_INTERRUPTION_INFORMATION);

		switch (event_combine(first, info)) {
		case EVENT_SECOND:
			if (event_is_kept(first))
				keep_for_later(v, first);
			break;
		case EVENT_DOUBLE_FAULT:
			info = VECTOR_DF | INTR_TYPE_HARDWARE_EXCEPTION;
			error = length = 0;
			break;
		case EVENT_TRIPLE_FAULT:
			vm_end(v->vcpu.vm, false, "triple fault at RIP 0x%lx", vmread(GUEST_RIP));
			return;
		}
	}
	inject_exception(v, info, error, length);
}

void vmx_forget_events(struct vmx_vcpu *v)
{
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, 0);
	v->loaded.has_injection = false;
	vmx_set_primary(v, WINDOWS, false);
	vmwrite(GUEST_INTERRUPTIBILITY_STATE, 0);
	vmwrite(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
	vmx_set_odd(v);
	if (vmx_machine.has_vid)
		vmwrite(GUEST_INTERRUPT_STATUS, 0);
}

void vmx_fit_state(void)
{
	struct event_state state = {
		.rflags = vmread(GUEST_RFLAGS),
		.debugctl = vmread(GUEST_IA32_DEBUGCTL),
		.interruptibility = vmread(GUEST_INTERRUPTIBILITY_STATE),
		.activity = vmread(GUEST_ACTIVITY_STATE),
		.pending_debug = vmread(GUEST_PENDING_DEBUG_EXCEPTIONS),
	};

	event_fit_state(&state);
	vmwrite(GUEST_INTERRUPTIBILITY_STATE, state.interruptibility);
	vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, state.pending_debug);
}

void vmx_block_nmi_again(uint64_t info, bool is_exception, uint32_t vectoring)
{
	if (event_has_unblocked_nmi(info, is_exception, vectoring))
		vmwrite(GUEST_INTERRUPTIBILITY_STATE,
			vmread(GUEST_INTERRUPTIBILITY_STATE) | BLOCKING_BY_NMI);
}

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
	inject_exception(v, info & (INTR_INFO_VECTOR | INTR_INFO_TYPE), error, length);
}

/* True when it waits for the interrupt window, which the caller asks for. */
static bool inject_nmi(struct vmx_vcpu *v)
{
	enum nmi_way way =
		event_nmi_way(vmread(GUEST_INTERRUPTIBILITY_STATE), v->loaded.has_injection);

	vmx_set_primary(v, PRIMARY_NMI_WINDOW_EXITING, way == NMI_BY_NMI_WINDOW);
	if (way == NMI_NOW) {
		inject(v, VECTOR_NMI | INTR_TYPE_NMI, 0, 0);
		v->vcpu.is_nmi_pending = false;
	}
	return way == NMI_BY_INTERRUPT_WINDOW;
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

void vmx_set_odd(struct vmx_vcpu *v)
{
	v->is_injection_odd = v->debug.is_stepping || v->vcpu.vm->params.is_hlt_exit_off ||
			      v->vcpu.kept_interrupt;
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
static inline bool is_open(const struct vmx_vcpu *v)
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

/* The interrupt whose delivery something else came between; true when it waits for the window. */
static bool inject_kept(struct vmx_vcpu *v)
{
	if (!is_open(v))
		return true;
	inject(v, (v->vcpu.kept_interrupt & INTR_INFO_VECTOR) | INTR_TYPE_EXTERNAL, 0, 0);
	v->vcpu.kept_interrupt = 0;
	vmx_set_odd(v);
	return false;
}

static inline void inject_interrupt(struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	int vector;

	if (vmx_machine.has_vid)
		vmx_apicv_sync(v);
	vector = find_injectable(vcpu);
	if (vector >= 0 && is_open(v)) {
		vector = platform_take_interrupt(vcpu, vector);
		if (likely(vector >= 0))
			inject(v, (uint32_t)vector | INTR_TYPE_EXTERNAL, 0, 0);
		vector = find_injectable(vcpu);
	}
	/* What could not be injected, or comes behind what was, waits for the window. */
	vmx_set_primary(v, PRIMARY_INTERRUPT_WINDOW_EXITING, vector >= 0);
	/* Last: whoever looks at the local APIC takes the guest's silent EOI back. */
	if (vector < 0 && vcpu->pv_eoi_area)
		kvm_arm_pv_eoi(vcpu);
}

/* What comes before the interrupts of the devices, and may wait for their window, too. */
static __attribute__((noinline)) void inject_with_care(struct vmx_vcpu *v)
{
	bool needs_window = false;

	if (v->is_injection_odd && !may_inject(v))
		return;
	if (v->vcpu.is_nmi_pending)
		needs_window = inject_nmi(v);
	if (v->vcpu.kept_interrupt)
		needs_window |= inject_kept(v);
	inject_interrupt(v);
	if (needs_window)
		vmx_set_primary(v, PRIMARY_INTERRUPT_WINDOW_EXITING, true);
}

void vmx_inject_pending(struct vmx_vcpu *v)
{
	if (unlikely(v->is_injection_odd) || unlikely(v->vcpu.is_nmi_pending))
		inject_with_care(v);
	else
		inject_interrupt(v);
}
