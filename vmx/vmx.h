/* What vmx/ keeps: for the machine, each pCPU, each VM and each vCPU.
 *
 * Legend: (i) immutable after creation, (o) owner pCPU only, (a) atomic. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include <asm/vmx.h>

#include "guest/emulate.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "mm/pt.h"
#include "vmx/caps.h"
#include "vmx/tlb_audit.h"
#include "vmx/vmcs.h"

#define VMCS_NOT_ACTIVE UINT32_MAX
#define EXIT_REASONS    70u /* reasons 0 .. 69 have a row in the exit table */

/* The place behind the reasons: not an exit but the beginning of a turn, up to its first entry. */
#define EXIT_TURN EXIT_REASONS

/* What the exits of one reason have cost: host ticks from the exit to the next entry or to the end
 * of the turn, polling in HLT included; one that takes 2^32 ticks is taken for a short one. */
struct exit_stats {
	uint64_t count, ticks;
	uint32_t cost[VCPU_EXIT_COST_BUCKETS];
};

/* A VMCS and where it is. It is active on at most one pCPU, `pcpu`, from VMPTRLD to VMCLEAR there.
 */
struct loaded_vmcs {
	hpa_t vmcs;    /* (i) */
	uint32_t pcpu; /* (a) written by the pCPU that makes it active or clears it; VMCS_NOT_ACTIVE
			*/
	bool launched; /* (o) VMLAUNCH since the last VMCLEAR; set by entry.S */
	bool has_injection; /* (o) ENTRY_INTERRUPTION_INFORMATION is set for the next entry */
	struct list node;   /* (o) in the pCPU's list of active ones */
};

/* MSRs that a guest can change, that VM entry does not load, and that the host does not use: their
 * guest values stay in the CPU until the next vCPU needs others. Writes to all but KERNEL_GS_BASE
 * (SWAPGS) exit, so the saved values are always true. */
enum switched_msr {
	SWITCHED_STAR,
	SWITCHED_LSTAR,
	SWITCHED_CSTAR,
	SWITCHED_FMASK,
	SWITCHED_TSC_AUX,
	SWITCHED_KERNEL_GS_BASE,
	SWITCHED_MSRS
};

struct vmx_vcpu {
	struct vcpu vcpu; /* first: entry.S and the casts below count on it */
	struct loaded_vmcs loaded;
	uint64_t sync_at;         /* (o) TSC: vmx_sync before an entry at or after it; 0 at once */
	uint64_t armed;           /* (o) TSC: the deadline that the timer is set for */
	bool is_synced_for_if0;   /* (o) the timer is armed for an entry with IF=0 (vmx/timer.c) */
	bool is_injection_odd;    /* (o) hlt-exit=off, a step, a kept interrupt (vmx_set_odd) */
	bool has_vmcs_host_state; /* (o) of this pCPU; cleared by VMCLEAR for another */
	uint32_t primary;         /* (o) PRIMARY_CONTROLS as it is */
	uint32_t secondary;       /* (o) SECONDARY_CONTROLS as it is */
	uint64_t eoi_exit[4];     /* (o) the EOI-exit bitmap as it is */
	uint16_t vpid;            /* (i) */
	struct exit_stats exits[EXIT_REASONS + 1]; /* (o) written; the last: EXIT_TURN */
	uint64_t vmptrlds, vmclears, migrations;   /* (o) */
	struct report *report; /* (o) of its bad end, as far as it has come (vmx/report.c) */
#ifdef CONFIG_DEBUG
	uint8_t unchecked;         /* (o) enum entry_part: to be checked before the next entry */
	struct tlb_vpid_audit tlb; /* (o) */
#endif

	/* (o) the debugger's part in this vCPU (vmx/debug.c) */
	struct {
		bool has_registers; /* DR0-DR3 and DR7 are the debugger's; the guest's here: */
		uint64_t guest_dr[4], guest_dr7;
		bool is_stepping;
		bool was_tf;   /* the guest's own TF before the step */
		bool is_pushf; /* what is stepped pushes flags, ... */
		bool is_popf;  /* ... loads them */
	} debug;

	/* (o) state that the CPU holds while this vCPU is its pCPU's `loaded`, and this holds
	 * otherwise */
	uint64_t msr[SWITCHED_MSRS];
	uint64_t dr[4], dr6, cr2;
	uint8_t xsave[] __aligned(64);
};

static inline struct vmx_vcpu *to_vmx(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

struct vmx_vm {
	struct spinlock lock; /* rank LOCK_GMEM: `ept` after creation */
	struct pt ept;
	uint64_t eptp;                           /* (i) */
	uint8_t *io_bitmap, *msr_bitmap;         /* (i) 8 KiB, 4 KiB */
	uint8_t *msr_bitmap_x2apic;              /* (i) for has_vid: in x2APIC mode */
	void *apic_access;                       /* (i) for has_vid: the APIC-access page */
	uint64_t flushed[(MAX_PCPUS + 63) / 64]; /* (a) pCPUs that have flushed what an older EPT of
						  * the same address may have left */
#ifdef CONFIG_DEBUG
	struct tlb_ept_audit tlb; /* (a) */
#endif
};

struct vmx_pcpu {
	hpa_t vmxon;              /* (i) */
	struct vmx_vcpu *current; /* (o) whose VMCS is current */
	struct vmx_vcpu
		*loaded;    /* (o) whose other state (MSRs, XSAVE, debug registers) is loaded */
	struct list active; /* (o) every VMCS that is active here */
	/* (o) what the CPU holds; the debug registers and CR2 as they were at the last save */
	uint64_t msr[SWITCHED_MSRS];
	uint64_t xcr0;
	uint64_t dr[4], dr6, cr2;
	uint32_t last_vm; /* (o) id of the VM that ran last, for the branch-predictor barrier */
};

static inline struct vmx_pcpu *this_vmx(void)
{
	return this_cpu()->slot[PERCPU_VMX];
}

/* The machine's, immutable after vmx_init. */
struct vmx_machine {
	struct vmx_caps caps;
	struct tsc_rate tsc;
	uint64_t xcr0; /* the components that Carousel switches */
	uint32_t xsave_size;
	bool has_xsaveopt;
	bool has_entry_mitigation; /* has_md_clear or has_l1d_flush */
	bool has_if0_defect; /* external-interrupt exits do not happen for entries with IF=0 */
	bool is_eager;       /* switch=eager */
	bool has_vid; /* the CPU virtualises the local APIC (vmx/apicv.c), and it is not off */
	/* needed, there, and not switched off */
	bool has_ibpb, has_md_clear, has_l1d_flush, has_split_executable;
	uint64_t if0_bound, sync_ticks; /* see vmx/timer.c */
};
extern struct vmx_machine vmx_machine;

/* vmx/vmcs.c: ownership */
void vmx_vmcs_load(struct vmx_vcpu *v);    /* makes it current here; interrupts on */
void vmx_vmcs_clear(struct vmx_vcpu *v);   /* VMCLEAR here, if it is active here; interrupts off */
void vmx_vmcs_release(struct vmx_vcpu *v); /* VMCLEAR wherever it is active; interrupts on */

/* vmx/flush.c */
void vmx_flush_vpid(struct vmx_vcpu *v);    /* what this pCPU holds of its linear addresses */
void vmx_flush_ept_here(struct vmx_vm *vm); /* what this pCPU holds of its guest-physical ones */
void vmx_flush_ept(struct vmx_vm *vm);      /* what any holds; interrupts on, no locks held */

/* vmx/setup.c */
void vmx_setup_vmcs(struct vmx_vcpu *v); /* all fields but the host's per-pCPU ones; loaded */
void vmx_setup_host_state(void);         /* per-pCPU host fields of the current VMCS */
void vmx_write_primary(struct vmx_vcpu *v, uint32_t primary);
void vmx_set_secondary(struct vmx_vcpu *v, uint32_t mask, uint32_t bits); /* dynamic ones only */
void vmx_set_exceptions(uint32_t bits, bool is_on);                       /* likewise */

/* vmx/state.c: what VM entry does not switch */
int vmx_state_init(bool is_mitigations_off);
void vmx_state_init_cpu(struct vmx_pcpu *p);
void vmx_state_save(struct vmx_vcpu *v); /* from the CPU; interrupts off */
void vmx_state_load(struct vmx_vcpu *v); /* into the CPU; interrupts off */
void vmx_state_write_msr(struct vmx_vcpu *v, enum switched_msr which, uint64_t value);
void vmx_state_reset(struct vmx_vcpu *v, bool is_init);
void vmx_before_entry_mitigations(void);

/* vmx/timer.c */
bool vmx_sync(struct vmx_vcpu *v); /* false: the slice is over */

/* vmx/inject.c */
void vmx_inject_pending(struct vmx_vcpu *v); /* NMI or interrupt, or a window */
/* The event `info` was being delivered when the exit came (IDT-vectoring information). */
void vmx_requeue_vectoring(struct vmx_vcpu *v, uint32_t info);
/* The guest gets the exception `info`, with what else it needs, else 0: by itself, or together with
 * what the exit has interrupted the delivery of (vmx/events.h). Whether it has an error code
 * follows from its vector and CR0.PE. */
void vmx_raise(struct vmx_vcpu *v, uint32_t info, uint32_t error, uint32_t length);
/* RFLAGS has been written: an interrupt that waits for the next entry waits on if IF is 0 now. */
void vmx_keep_if_shut(struct vmx_vcpu *v);
/* CR0.PE has changed: an injection that waits for the next entry must fit it. */
void vmx_refit_injection(struct vmx_vcpu *v);
/* What is_injection_odd depends on has changed. */
void vmx_set_odd(struct vmx_vcpu *v);
/* Reset and INIT: nothing is pending, blocked or waited for. */
void vmx_forget_events(struct vmx_vcpu *v);
/* RFLAGS, interruptibility and the like of the current VMCS agree: event_fit_state. */
void vmx_fit_state(void);
/* After an exit that interrupted an IRET: NMIs, which it had unblocked, are blocked again. `info`
 * and the others: see event_has_unblocked_nmi. For each exit that tells. */
void vmx_block_nmi_again(uint64_t info, bool is_exception, uint32_t vectoring);

/* vmx/apicv.c: with vmx_machine.has_vid only, but vcpu_arch_apic_mode_changed */
int vmx_apicv_create(struct vmx_vm *vm);
void vmx_apicv_destroy(struct vmx_vm *vm);
void vmx_apicv_setup(struct vmx_vcpu *v); /* a new VMCS's fields */
void vmx_apicv_sync(struct vmx_vcpu *v);  /* tells the CPU what is pending, in service and level */

/* vmx/run.c */
extern const struct sched_ops vmx_sched_ops;

/* vmx/exit.c */
enum exit_verdict {
	EXIT_RESUME, /* enter again where it is */
	EXIT_SKIP,   /* after the instruction */
	EXIT_HALT,   /* after the instruction, when an event has come */
	EXIT_STOP,   /* the VM has ended: VCPU_REQ_STOP is set */
};
/* A power of two in size: the dispatch is in every exit's path. */
struct __aligned(32) exit_row
{
	const char *name; /* the SDM's */
	enum exit_verdict (*handle)(struct vmx_vcpu * v);
	/* The exit can interrupt an event's delivery: IDT-vectoring information is to be read. */
	bool is_marked;
	bool may_be_host_event; /* an NMI or a machine check */
};
extern const struct exit_row vmx_exit_table[EXIT_REASONS];
enum exit_verdict vmx_end_vm(struct vmx_vcpu *v, const char *fmt, ...) __printf_like(2, 3);

enum exit_verdict vmx_handle_cr_access(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_xsetbv(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_io(struct vmx_vcpu *v);
/* Executes the instruction at RIP in software, if it does what `cause` says (guest/emulate.h);
 * `what` names the occasion in the report. */
enum exit_verdict vmx_emulate(struct vmx_vcpu *v, const struct emulate_cause *cause,
			      const char *what);
/* What nobody executes costs a program (CPL above 0) its life, by #UD, and not the VM's: true. */
bool vmx_refuses_program(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_ept_violation(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_apic_access(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_apic_write(struct vmx_vcpu *v);
enum exit_verdict vmx_handle_virtualized_eoi(struct vmx_vcpu *v);

/* vmx/debug.c */
enum exit_verdict vmx_handle_dr_access(struct vmx_vcpu *v);
/* Is the exception that has exited the debugger's? Then the vCPU stops. */
bool vmx_debug_takes(struct vmx_vcpu *v, uint32_t info);
void vmx_debug_reset(struct vmx_vcpu *v); /* after a reset of the rest */

/* vmx/report.c: the next piece of what is told of a vCPU that comes to rest because its VM has
 * ended, if that was bad; true when there is no more. In its turn, its VMCS current. */
bool vmx_report_end(struct vmx_vcpu *v);

#include "vmx/vmx_insn.h"

#define RFLAGS_TF    BIT(8)
#define DEBUGCTL_BTF BIT(1)

/* Bits of PRIMARY_CONTROLS that may change while a vCPU lives. */
static inline void vmx_set_primary(struct vmx_vcpu *v, uint32_t bits, bool is_on)
{
	uint32_t primary = is_on ? v->primary | bits : v->primary & ~bits;

	if (unlikely(primary != v->primary))
		vmx_write_primary(v, primary);
}

void vmx_end_shadow(uint64_t blocking);
void vmx_pend_single_step(void);
uint64_t vmx_wrap_rip(uint64_t next) __cold;

/* Past an instruction of `length` bytes at `rip`: the only place where RIP advances. Ends blocking
 * by STI and MOV SS, which lasts one instruction, and lets the single-step trap come that the
 * instruction would have had ('Single-Stepping'). Returns RFLAGS. */
static inline uint64_t vmx_advance_rip(uint64_t rip, uint64_t length)
{
	uint64_t blocking = vmread(GUEST_INTERRUPTIBILITY_STATE), rflags = vmread(GUEST_RFLAGS);

	rip += length;
	hide_origin(rip);
	/* A carry out of the low half: outside 64-bit mode there is nothing above it. */
	if (unlikely((uint32_t)rip < (uint32_t)length))
		rip = vmx_wrap_rip(rip);
	vmwrite(GUEST_RIP, rip);
	if (unlikely(blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)))
		vmx_end_shadow(blocking);
	if (unlikely(rflags & RFLAGS_TF))
		vmx_pend_single_step();
	return rflags;
}

/* `rflags`: what vmx_advance_rip has returned. Does a single-step trap come now, which ends a halt?
 */
static inline bool vmx_has_step_pending(uint64_t rflags)
{
	return unlikely(rflags & RFLAGS_TF) && !(vmread(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF);
}

#endif
