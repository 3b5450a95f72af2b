/* The one path into a guest and out of it. */
#include <asm/vmx.h>

#include "cpu/insn.h"
#include "cpu/trace.h"
#include "cpu/trap.h"
#include "guest/kvm.h"
#include "guest/pause.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"
#include "lib/fault.h"
#include "vmx/audit.h"
#include "vmx/check_entry.h"
#include "vmx/reason.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

static inline bool has_requests(const struct vmx_vcpu *v)
{
	return __atomic_load_n(&v->vcpu.requests, __ATOMIC_ACQUIRE) != 0;
}

/* Serves the vCPU's request bits. False when it must not enter the guest now; then `*verdict`. */
static bool serve_requests(struct vmx_vcpu *v, enum sched_verdict *verdict)
{
	struct vcpu *vcpu = &v->vcpu;
	uint32_t requests = __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST), activity;

	/* What is served is taken bit by bit: reasons to be paused are others' to take back. */
	if (likely(requests == VCPU_REQ_EVENT && vcpu->activity == VCPU_ACTIVE)) {
		__atomic_fetch_and(&vcpu->requests, ~VCPU_REQ_EVENT, __ATOMIC_SEQ_CST);
		vmx_inject_pending(v);
		return true;
	}
	if (vcpu_hold(vcpu)) {
		*verdict = SCHED_WAIT;
		return false;
	}
	if (vcpu->activity == VCPU_HALTED && !vcpu_resume_from_halt(vcpu)) {
		*verdict = SCHED_WAIT;
		return false;
	}
	activity = vcpu->activity;
	/* With its requests taken and not yet served it must not look dead to vm_check_halted. */
	__atomic_store_n(&vcpu->activity, VCPU_ACTIVE, __ATOMIC_RELEASE);
	requests = __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST) & ~VCPU_REQ_PAUSED;
	__atomic_fetch_and(&vcpu->requests, ~requests, __ATOMIC_SEQ_CST);
	if (requests & VCPU_REQ_STOP) {
		/* It stays set: whoever enters again must see it. */
		__atomic_fetch_or(&vcpu->requests, VCPU_REQ_STOP, __ATOMIC_SEQ_CST);
		__atomic_store_n(&vcpu->activity, activity, __ATOMIC_RELEASE);
		*verdict = vmx_report_end(v) ? SCHED_ENDED : SCHED_PREEMPTED;
		return false;
	}
	if (unlikely(requests & VCPU_REQ_RESTART)) {
		if (!vm_restart_step(vcpu->vm))
			__atomic_fetch_or(&vcpu->requests, VCPU_REQ_RESTART, __ATOMIC_SEQ_CST);
		/* Its VMCS is no longer loaded. */
		*verdict = SCHED_PREEMPTED;
		return false;
	}
	if (requests & VCPU_REQ_INIT) {
		vcpu_reset(vcpu, true);
		vcpu_arch_reset(vcpu, true);
		activity = vcpu->index ? VCPU_WAIT_FOR_STARTUP : VCPU_ACTIVE;
		/* What was pending is gone: what came together with it, too. */
		requests = (requests & ~(VCPU_REQ_NMI | VCPU_REQ_UNHALT)) | VCPU_REQ_EVENT;
	}
	if ((requests & VCPU_REQ_STARTUP) && activity == VCPU_WAIT_FOR_STARTUP) {
		vcpu_arch_startup(vcpu, __atomic_load_n(&vcpu->startup_vector, __ATOMIC_ACQUIRE));
		activity = VCPU_ACTIVE;
		requests |= VCPU_REQ_EVENT;
	}
	if (requests & VCPU_REQ_NMI)
		vcpu->is_nmi_pending = true;
	if (requests & VCPU_REQ_UNHALT)
		vcpu->is_unhalted = true;
	if (requests & VCPU_REQ_CLOCK)
		kvm_update_clock(vcpu);
	if (requests & VCPU_REQ_DEVICES)
		platform_look_for_work(vcpu->vm);
	if (activity != VCPU_ACTIVE) {
		__atomic_store_n(&vcpu->activity, activity, __ATOMIC_SEQ_CST);
		vm_check_halted(vcpu->vm);
		*verdict = SCHED_WAIT;
		return false;
	}
	if (requests & (VCPU_REQ_EVENT | VCPU_REQ_NMI))
		vmx_inject_pending(v);
	return true;
}

/* What the exit table marks: reads what was being delivered, and serves NMI and machine check,
 * which are the host's, while interrupts are still off. True when nothing is left to do. */
static bool serve_marked_exit(struct vmx_vcpu *v, const struct exit_row *row)
{
	uint64_t vectoring = vmread(IDT_VECTORING_INFORMATION);
	uint32_t info;

	if (unlikely(vectoring & INTR_INFO_VALID))
		vmx_requeue_vectoring(v, (uint32_t)vectoring);
	if (!row->may_be_host_event)
		return false;
	info = (uint32_t)vmread(EXIT_INTERRUPTION_INFORMATION);
	vmx_block_nmi_again(info, true, (uint32_t)vectoring);
	if ((info & INTR_INFO_TYPE) == INTR_TYPE_NMI) {
		trap_reflect_nmi();
		return true;
	}
	if (is_machine_check_event(info)) {
		trap_reflect_machine_check();
		return true;
	}
	return false;
}

/* The guest could not be entered: its VM ends, and no other. Every failed entry comes here, with
 * what the CPU says of it: `what`, and the number by which `kind` tells it. Interrupts are off, and
 * on afterwards. The stop that has been requested is served in the next turn, with a report. */
static __cold enum sched_verdict end_failed_entry(struct vmx_vcpu *v, const char *what,
						  const char *kind, uint64_t number)
{
	char rule[ENTRY_BREACH_MAX];

	vmx_name_broken_rule(rule, sizeof(rule));
	irq_enable();
	(void)vmx_end_vm(v, "%s (%s %lu, exit qualification 0x%lx): %s", what, kind, number,
			 vmread(EXIT_QUALIFICATION), rule);
	return SCHED_PREEMPTED;
}

/* A failed entry that comes with an exit reason, or a reason beyond the table. */
static __cold enum sched_verdict end_on_reason(struct vmx_vcpu *v, uint32_t reason)
{
	uint16_t basic = (uint16_t)reason;

	if (is_machine_check_entry_failure(reason))
		trap_reflect_machine_check();
	if (reason & EXIT_REASON_ENTRY_FAILURE)
		return end_failed_entry(v, vcpu_arch_exit_name(basic), "exit reason", basic);
	irq_enable();
	(void)vmx_end_vm(v, "exit reason %#x, which Carousel does not know, qualification %#lx",
			 reason, vmread(EXIT_QUALIFICATION));
	return SCHED_PREEMPTED;
}

struct vmx_entry_failure vmx_entry_failed(bool was_launched, uint64_t return_address)
{
	struct vmx_vcpu *v = this_vmx()->current;

	if (!is_entry_error_of_one_vm(vmread_or_minus_1(VM_INSTRUCTION_ERROR)))
		vmx_insn_failed(was_launched ? "VMRESUME" : "VMLAUNCH", v ? v->loaded.vmcs.v : 0);
	/* What fails so early does not launch. */
	v->loaded.launched = was_launched;
	return (struct vmx_entry_failure){.landing = trap_find_landing(return_address), .v = v};
}

/* See vmx/timer.c: where the defect is, an entry with IF=0 needs its bound. */
static inline void note_if0(struct vmx_vcpu *v, uint64_t rflags)
{
	if (unlikely(!(rflags & RFLAGS_IF)) && !v->is_synced_for_if0)
		v->sync_at = 0;
}

/* Are exits or injections being traced? */
static inline bool is_trace_on(void)
{
	return trace_is_on(TRACE_GROUP_EXIT | TRACE_GROUP_INJECT);
}

static __cold void trace_entry(const struct vmx_vcpu *v)
{
	uint64_t now = rdtsc();

	if (v->loaded.has_injection && trace_is_on(TRACE_GROUP_INJECT)) {
		uint32_t info = (uint32_t)vmread(ENTRY_INTERRUPTION_INFORMATION);

		trace_write(TRACE_INJECT, now, v->vcpu.se.id, info >> 8 & 7,
			    info & INTR_INFO_VECTOR);
	}
	if (trace_is_on(TRACE_GROUP_EXIT))
		trace_write(TRACE_ENTRY, now, v->vcpu.se.id, 0, 0);
}

static __cold void trace_exit(const struct vmx_vcpu *v, uint64_t reason)
{
	if (trace_is_on(TRACE_GROUP_EXIT))
		trace_write(TRACE_EXIT, rdtsc(), v->vcpu.se.id, 0, (uint32_t)reason);
}

/* Last of all: the trace does not undo what the mitigations have done. */
static inline void before_entry(const struct vmx_vcpu *v)
{
	if (is_trace_on())
		trace_entry(v);
	if (vmx_machine.has_entry_mitigation)
		vmx_before_entry_mitigations();
}

/* Does an exit need nothing but to be handled: no trace, and no mitigation before each entry? */
static inline bool is_plain_now(void)
{
	return !is_trace_on() && !vmx_machine.has_entry_mitigation;
}

/* Handles requests and deadlines until the vCPU may enter the guest (true), or must give way, with
 * *verdict; also when tracing has begun or ended. */
static __cold bool prepare_entry(struct vmx_vcpu *v, bool is_plain, enum sched_verdict *verdict)
{
	if (has_requests(v) && !serve_requests(v, verdict))
		return false;
	if (rdtsc() < v->sync_at)
		return true;
	if (unlikely(is_plain_now() != is_plain) || !vmx_sync(v)) {
		*verdict = SCHED_PREEMPTED;
		return false;
	}
	/* What the timers raised. */
	return !has_requests(v) || serve_requests(v, verdict);
}

/* fault=: what the audit has not seen. */
static inline void fail_on_purpose(void)
{
	if (fault_is_due(FAULT_MC))
		trap_reflect_machine_check();
	if (fault_is_due(FAULT_CONTROL)) /* type 1 is reserved */
		vmwrite(ENTRY_INTERRUPTION_INFORMATION, INTR_INFO_VALID | 1u << 8);
	if (fault_is_due(FAULT_GUEST)) /* bit 1 must be 1 */
		vmwrite(GUEST_RFLAGS, 0);
}

/* The exit, or the turn's beginning, that began at `since` is over. */
static inline void account_exit(struct exit_stats *stats, uint32_t since, uint64_t now)
{
	uint64_t cost = (uint32_t)((uint32_t)now - since);

	stats->ticks += cost;
	stats->cost[bsr(cost | BIT(VCPU_EXIT_COST_FIRST)) - VCPU_EXIT_COST_FIRST]++;
}

/* A turn. Inlined twice, so that what is off costs an exit nothing. */
static __force_inline enum sched_verdict run(struct sched_entity *se, bool is_plain)
{
	struct vmx_vcpu *v = container_of(se, struct vmx_vcpu, vcpu.se);
	struct exit_stats *stats = &v->exits[EXIT_TURN];
	uint32_t since = (uint32_t)rdtsc();
	enum sched_verdict verdict;

	hide_origin(v);
	stats->count++;
	for (;;) {
		const struct exit_row *row;
		enum exit_verdict exit;
		uint64_t reason, rip, now;

		irq_disable();
		/* The last look, with interrupts off: a request or a deadline that comes later
		 * comes with an interrupt, which makes the guest exit at once. */
		now = rdtsc();
		if (unlikely(has_requests(v)) || unlikely(now >= v->sync_at)) {
			irq_enable();
			if (prepare_entry(v, is_plain, &verdict))
				continue;
			break;
		}
		account_exit(stats, since, now);
		if (!is_plain)
			before_entry(v);
		if (!vmx_audit_entry(v))
			return SCHED_PREEMPTED;
		fail_on_purpose();
		if (!vmx_enter(v))
			return end_failed_entry(v, "VM-entry failure: invalid control fields",
						"VM-instruction error",
						vmread(VM_INSTRUCTION_ERROR));

		since = (uint32_t)rdtsc();
		reason = (uint32_t)vmread(EXIT_REASON);
		if (!is_plain)
			trace_exit(v, reason);
		rip = vmread(GUEST_RIP);
		v->loaded.has_injection = false;
		vcpu_log_exit(&v->vcpu, (uint32_t)reason, rip);
		/* A failed entry has bit 31 set. */
		if (unlikely(reason >= EXIT_REASONS))
			return end_on_reason(v, (uint32_t)reason);
		stats = &v->exits[reason];
		stats->count++;
		row = &vmx_exit_table[reason];
		hide_origin(row);
		if (unlikely(row->is_marked) && serve_marked_exit(v, row)) {
			irq_enable();
			exit = EXIT_RESUME;
		} else {
			irq_enable();
			exit = row->handle(v);
		}

		if (likely(exit == EXIT_SKIP)) {
			note_if0(v, vmx_advance_rip(rip, vmread(EXIT_INSTRUCTION_LENGTH)));
		} else if (exit == EXIT_RESUME) {
			if (vmx_machine.has_if0_defect)
				note_if0(v, vmread(GUEST_RFLAGS));
		} else if (exit == EXIT_HALT) {
			uint64_t rflags = vmx_advance_rip(rip, vmread(EXIT_INSTRUCTION_LENGTH));

			if (likely(!vmx_has_step_pending(rflags)) &&
			    !vcpu_halt(&v->vcpu, rflags & RFLAGS_IF)) {
				verdict = SCHED_WAIT;
				break;
			}
		}
		/* EXIT_STOP: served above. */
	}
	account_exit(stats, since, rdtsc());
	return verdict;
}

static __attribute__((noinline)) enum sched_verdict run_with_care(struct sched_entity *se)
{
	return run(se, false);
}

static enum sched_verdict vmx_run(struct sched_entity *se)
{
	return likely(is_plain_now()) ? run(se, true) : run_with_care(se);
}

static void vmx_switch_in(struct sched_entity *se)
{
	struct vmx_vcpu *v = container_of(se, struct vmx_vcpu, vcpu.se);
	struct vmx_pcpu *p = this_vmx();
	bool has_moved = v->loaded.pcpu != this_cpu_id();
	struct vmx_vm *vm = v->vcpu.vm->arch;

	if (p->loaded != v || p->current != v) {
		uint64_t flags;

		vmx_vmcs_load(v);
		flags = irq_save();
		if (p->loaded != v) {
			if (p->loaded)
				vmx_state_save(p->loaded);
			vmx_state_load(v);
			p->loaded = v;
		}
		irq_restore(flags);
	}
	if (!bitmap_is_set(vm->flushed, this_cpu_id()) &&
	    !bitmap_set_atomic(vm->flushed, this_cpu_id()))
		vmx_flush_ept_here(vm);
	if (has_moved) {
		/* The VPID may have been used here before, by this vCPU before its TLB changed
		 * elsewhere. */
		vmx_flush_vpid(v);
		vcpu_moved(&v->vcpu);
	}
	vmx_audit_turn(v);
	vcpu_switched_in(&v->vcpu);
	v->sync_at = 0;
	vcpu_cancel_wake_timer(&v->vcpu);
	vcpu_run_timers(&v->vcpu, rdtsc());
	platform_look_for_work(v->vcpu.vm);
	/* A vCPU that is not active has been woken: serve_requests finds out by what. */
	if (v->vcpu.activity != VCPU_ACTIVE)
		__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_EVENT, __ATOMIC_SEQ_CST);
}

static void vmx_switch_out(struct sched_entity *se)
{
	struct vmx_vcpu *v = container_of(se, struct vmx_vcpu, vcpu.se);

	vcpu_switched_out(&v->vcpu);
	if (vmx_machine.is_eager)
		vmx_vmcs_release(v);
}

static bool vmx_is_woken(struct sched_entity *se)
{
	return vcpu_is_woken(&container_of(se, struct vmx_vcpu, vcpu.se)->vcpu);
}

/* Exits. */
static uint64_t vmx_progress(const struct sched_entity *se)
{
	const struct vmx_vcpu *v = container_of(se, struct vmx_vcpu, vcpu.se);
	uint64_t sum = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(v->exits); i++)
		sum += __atomic_load_n(&v->exits[i].count, __ATOMIC_RELAXED);
	return sum;
}

const struct sched_ops vmx_sched_ops = {
	.run = vmx_run,
	.switch_in = vmx_switch_in,
	.switch_out = vmx_switch_out,
	.is_woken = vmx_is_woken,
	.progress = vmx_progress,
};
