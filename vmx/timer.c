/* Deadlines while a guest runs. The VMX preemption timer serves the nearest of: the vCPU's own
 * timers, the pCPU's heap, and the slice's end when somebody waits.
 *
 * The timer counts in the guest only, and its value is saved at each exit ('save VMX-preemption
 * timer value'), so most entries need no VMWRITE. What it loses is the time spent in the host; it
 * is therefore set anew at the first entry that comes `sync_ticks` (10 us, at least the length of
 * some exits) after the last setting: a deadline is late by no more than that, nor is one that
 * comes while others are served. A deadline that comes nearer sets it at once.
 *
 * Bochs, defect: an external interrupt does not make a guest exit that was entered with RFLAGS.IF =
 * 0. Where the probe has found it so (vmx/probe.c), such entries get a bound of 50 us. */
#include "cpu/apic.h"
#include "cpu/insn.h"
#include "guest/vcpu_arch.h"
#include "vmx/vmx.h"

#define RFLAGS_IF BIT(9)

/* Sets the timer for what is nearest now: the vCPU's own timers, the pCPU's, or the turn's end.
 * Interrupts are off: a kick sets sync_at to 0, and must not come between the look and the store.
 */
static inline void rearm(struct vmx_vcpu *v, uint64_t turn_end)
{
	uint64_t own = vcpu_next_timer(&v->vcpu), heap = sched_next_deadline();
	uint64_t nearest = MIN(own, heap), deadline = MIN(nearest, turn_end), now = rdtsc();
	uint64_t ticks;

	/* What is due has just been served. If more has become due meanwhile, the guest comes
	 * first: its devices' work may take all the time there is. */
	if (unlikely(deadline <= now))
		deadline = now + vmx_machine.sync_ticks;
	ticks = deadline - now;
	v->armed = deadline;
	if (unlikely(!vmx_machine.caps.has_preemption_timer)) {
		apic_timer_arm(deadline);
		v->sync_at = deadline;
		return;
	}
	v->is_synced_for_if0 = false;
	if (vmx_machine.has_if0_defect && !(vmread(GUEST_RFLAGS) & RFLAGS_IF)) {
		v->is_synced_for_if0 = true;
		ticks = MIN(ticks, vmx_machine.if0_bound);
	}
	/* Rounded up: an exit before the deadline would be for nothing. */
	ticks = (ticks >> vmx_machine.caps.preemption_shift) + 1;
	vmwrite(PREEMPTION_TIMER_VALUE, MIN(ticks, UINT32_MAX));
	/* Without a deadline the timer only has to be set again before it has run out. */
	if (deadline == DEADLINE_NEVER)
		v->sync_at = now + BIT_ULL(31);
	else
		v->sync_at = MIN(deadline, now + vmx_machine.sync_ticks);
}

/* A deadline that is later than what the timer is set for needs nothing: the exit comes too early,
 * and sets it anew. */
void vcpu_arch_deadline_changed(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = to_vmx(vcpu);
	uint64_t own = vcpu_next_timer(vcpu), heap = sched_next_deadline(), next = MIN(own, heap);

	if (!v->sync_at)
		return;
	if (this_vmx()->current != v || next <= rdtsc()) {
		v->sync_at = 0;
	} else if (next < v->armed) {
		DEBUG_ASSERT(irq_is_enabled());
		irq_disable();
		rearm(v, sched_turn_end(sched_this_runq(), &vcpu->se));
		irq_enable();
	}
}

bool vmx_sync(struct vmx_vcpu *v)
{
	uint64_t now = rdtsc(), turn_end;

	vcpu_run_timers(&v->vcpu, now);
	sched_run_timers(now);
	irq_disable();
	turn_end = sched_turn_end(sched_this_runq(), &v->vcpu.se);
	if (now < turn_end)
		rearm(v, turn_end);
	irq_enable();
	return now < turn_end;
}
