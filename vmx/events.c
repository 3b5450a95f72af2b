/* The rules of events that wait to be delivered to a guest. */
#include "vmx/events.h"

#define RFLAGS_TF    BIT_ULL(8)
#define RFLAGS_IF    BIT_ULL(9)
#define DEBUGCTL_BTF BIT_ULL(1)

enum {
	VECTOR_DE = 0,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_AC = 17
};

enum event_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

/* 'Interrupt and Exception Classes'. */
static enum event_class class_of(uint32_t info)
{
	uint32_t vector = info & INTR_INFO_VECTOR;

	if ((info & INTR_INFO_TYPE) != INTR_TYPE_HARDWARE_EXCEPTION)
		return BENIGN;
	if (vector == VECTOR_DF)
		return DOUBLE_FAULT;
	if (vector == VECTOR_PF)
		return PAGE_FAULT;
	return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP) ? CONTRIBUTORY
										   : BENIGN;
}

enum event_outcome event_combine(uint32_t first, uint32_t second)
{
	enum event_class a = class_of(first), b = class_of(second);

	if (a == BENIGN || b == BENIGN)
		return EVENT_SECOND;
	if (a == DOUBLE_FAULT)
		return EVENT_TRIPLE_FAULT;
	/* A page fault in the delivery of #GP and the like is handled by itself. */
	return a == CONTRIBUTORY && b == PAGE_FAULT ? EVENT_SECOND : EVENT_DOUBLE_FAULT;
}

bool event_is_kept(uint32_t first)
{
	uint32_t type = first & INTR_INFO_TYPE;

	return type == INTR_TYPE_EXTERNAL || type == INTR_TYPE_NMI;
}

uint32_t event_fit(uint32_t info, bool is_protected)
{
	uint32_t vector = info & INTR_INFO_VECTOR;
	bool has_error = vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
			 vector == VECTOR_AC;

	if (is_protected && (info & INTR_INFO_TYPE) == INTR_TYPE_HARDWARE_EXCEPTION && has_error)
		return info | INTR_INFO_ERROR_CODE;
	return info & ~INTR_INFO_ERROR_CODE;
}

enum nmi_way event_nmi_way(uint64_t interruptibility, bool has_injection)
{
	if (has_injection || (interruptibility & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS)))
		return NMI_BY_NMI_WINDOW;
	return interruptibility & BLOCKING_BY_STI ? NMI_BY_INTERRUPT_WINDOW : NMI_NOW;
}

bool event_has_unblocked_nmi(uint64_t info, bool is_exception, uint32_t vectoring)
{
	if (!(info & INTR_INFO_NMI_UNBLOCKING) || (vectoring & INTR_INFO_VALID))
		return false;
	return !is_exception || class_of((uint32_t)info) != DOUBLE_FAULT;
}

void event_fit_state(struct event_state *state)
{
	bool is_stepping = (state->rflags & RFLAGS_TF) && !(state->debugctl & DEBUGCTL_BTF);

	if (!(state->rflags & RFLAGS_IF))
		state->interruptibility &= ~(uint64_t)BLOCKING_BY_STI;
	if (state->activity == ACTIVITY_HLT)
		state->interruptibility &= ~(uint64_t)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
	if (!(state->interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) &&
	    state->activity != ACTIVITY_HLT)
		return;
	state->pending_debug = is_stepping ? state->pending_debug | PENDING_DEBUG_BS
					   : state->pending_debug & ~PENDING_DEBUG_BS;
}

uint64_t event_next_rip(uint64_t sum, bool is_64bit)
{
	return is_64bit ? sum : (uint32_t)sum;
}
