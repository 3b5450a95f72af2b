/* The rules of events that wait to be delivered to a guest: which may carry an error code, what
 * comes of two at once, what waits for which window, and the state that must go with them. Pure.
 *
 * An event is its interruption information (SDM, 'VM-Entry Controls for Event Injection'). */
#ifndef VMX_EVENTS_H
#define VMX_EVENTS_H

#include "lib/types.h"
#include "vmx/vmcs.h"

#define PENDING_DEBUG_BS BIT_ULL(14)

/* What follows when the delivery of one event causes another one. */
enum event_outcome {
	EVENT_SECOND,       /* the second is delivered; see event_is_kept for the first */
	EVENT_DOUBLE_FAULT, /* #DF in place of both */
	EVENT_TRIPLE_FAULT, /* none: the CPU shuts down */
};

/* `first`: what was being delivered; `second`: the exception that came of it. 'Interrupt 8 - Double
 * Fault Exception (#DF)', 'Conditions for Generating a Double Fault'. */
enum event_outcome event_combine(uint32_t first, uint32_t second);

/* Must `first`, whose delivery ended in another exception, be delivered later on? External
 * interrupts and NMIs, which have been taken from their source. Exceptions and INT n come again
 * with their instruction. */
bool event_is_kept(uint32_t first);

/* The information as VM entry accepts it with CR0.PE as `is_protected` says: 'VM-Entry Controls for
 * Event Injection' permits and demands an error code with hardware exceptions that push one, in
 * protected mode. */
uint32_t event_fit(uint32_t info, bool is_protected);

/* What has to be asked for so that a pending NMI can be injected. */
enum nmi_way {
	NMI_NOW,
	NMI_BY_NMI_WINDOW,
	/* While STI blocks, the NMI window is open to the CPU and shut to an injection: it would
	 * exit for ever. RFLAGS.IF is 1 then. */
	NMI_BY_INTERRUPT_WINDOW,
};
enum nmi_way event_nmi_way(uint64_t interruptibility, bool has_injection);

/* Has an IRET that came to nothing unblocked NMIs? `info` is the exit's interruption information,
 * or an exit qualification that has the bit in the same place; `vectoring` the IDT-vectoring
 * information. 'Information for VM Exits Due to Vectored Events': bit 12 is undefined when an event
 * was being delivered, and for a double fault (`is_exception`). */
bool event_has_unblocked_nmi(uint64_t info, bool is_exception, uint32_t vectoring);

/* Guest state that VM entry checks together ('Checks on Guest Non-Register State'). */
struct event_state {
	uint64_t rflags, debugctl, interruptibility, activity, pending_debug;
};

/* Makes it agree: no blocking by STI with IF=0, none by STI or MOV SS in HLT; with blocking by STI
 * or MOV SS, or in HLT, the pending debug exceptions have BS if and only if an instruction would be
 * followed by a single-step trap. */
void event_fit_state(struct event_state *state);

/* RIP behind an instruction, from the sum of RIP and its length. Outside 64-bit mode it has 32
 * bits. In 64-bit mode it may become non-canonical: VM entry accepts that ('Checks on Guest RIP,
 * RFLAGS, and SSP': bits 63:N, where N is the width of linear addresses, and not N - 1), and the
 * fetch there is the guest's #GP, as without a hypervisor. */
uint64_t event_next_rip(uint64_t sum, bool is_64bit);

#endif
