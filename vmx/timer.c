/* Deadlines while a guest runs. The VMX preemption timer serves the nearest of: the vCPU's own
 * timers, the pCPU's heap, and the slice's end when somebody waits.
 *
 * The timer counts in the guest only, and its value is saved at each exit ('save VMX-preemption
 * timer value'), so most entries need no VMWRITE. What it loses is the time spent in the host; it
 * is therefore set anew at the first entry that comes `sync_ticks` (10 us, at least the length of
 * some exits) after the last setting: a deadline is late by no more than that. A deadline that
 * comes nearer sets it at once.
 *
 * Bochs, defect: an external interrupt does not make a guest exit that was entered with RFLAGS.IF =
 * 0. Where the probe has found it so (vmx/probe.c), such entries get a bound of 50 us. */
#include "cpu/apic.h"
#include "cpu/insn.h"
#include "guest/vcpu_arch.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

static uint64_t nearest_deadline(struct vmx_vcpu *v)
{
	uint64_t own = vcpu_next_timer(&v->vcpu), heap = sched_next_deadline();
	uint64_t deadline = MIN(own, heap);

	return MIN(deadline, sched_turn_end(sched_this_runq(), &v->vcpu.se));
}

/* Sets the timer for `deadline`, and no more than `bound` ticks from now. */
static void arm(struct vmx_vcpu *v, uint64_t now, uint64_t deadline, uint64_t bound)
{
	uint64_t ticks = MIN(deadline - now, bound);

	v->armed = deadline;
	if (!vmx_machine.caps.has_preemption_timer) {
		apic_timer_arm(deadline);
		v->sync_at = deadline;
		return;
	}
	/* Rounded up: an exit before the deadline would be for nothing. */
	ticks = (ticks >> vmx_machine.caps.preemption_shift) + 1;
	vmwrite(PREEMPTION_TIMER_VALUE, MIN(ticks, UINT32_MAX));
	if (deadline ==
	    DEADLINE_NEVER) /* the timer only has to be set again before it has run out */
		v->sync_at = now + BIT_ULL(31);
	else
		v->sync_at = MIN(deadline, now + vmx_machine.sync_ticks);
}

/* Sets the timer for what is nearest now. */
static void rearm(struct vmx_vcpu *v)
{
	uint64_t bound = UINT64_MAX, now;

	DEBUG_ASSERT(irq_is_enabled());
	/* A kick sets sync_at to 0: it must not come between the look and the store. */
	irq_disable();
	now = rdtsc();
	v->is_synced_for_if0 = false;
	if (vmx_machine.has_if0_defect && !(vmread(GUEST_RFLAGS) & RFLAGS_IF)) {
		v->is_synced_for_if0 = true;
		bound = vmx_machine.if0_bound;
	}
	arm(v, now, MAX(nearest_deadline(v), now), bound);
	irq_enable();
}

/* A deadline that is later than what the timer is set for needs nothing: the exit comes too early,
 * and sets it anew. */
void vcpu_arch_deadline_changed(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = to_vmx(vcpu);
	uint64_t own = vcpu_next_timer(vcpu), heap = sched_next_deadline(), next = MIN(own, heap);

	if (!v->sync_at)
		return;
	if (this_vmx()->current != v || next <= rdtsc())
		v->sync_at = 0;
	else if (next < v->armed)
		rearm(v);
}

bool vmx_sync(struct vmx_vcpu *v)
{
	uint64_t now = rdtsc();

	vcpu_run_timers(&v->vcpu, now);
	sched_run_timers(now);
	if (sched_is_slice_over(sched_this_runq(), &v->vcpu.se, now))
		return false;
	rearm(v);
	return true;
}
