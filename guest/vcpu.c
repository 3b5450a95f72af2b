/* The vCPU's life between requests, halts and timers. */
#include "guest/vcpu.h"

#include "cpu/insn.h"
#include "cpu/trace.h"
#include "guest/kvm.h"
#include "guest/mtrr.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"

#define PIECE_NS 1000000u

void vcpu_request(struct vcpu *vcpu, uint32_t bits)
{
	/* The read-modify-write orders the request before sched_kick's loads: see there. */
	__atomic_fetch_or(&vcpu->requests, bits, __ATOMIC_SEQ_CST);
	if (unlikely(bits & (VCPU_REQ_WAKES | VCPU_REQ_STARTUP)))
		__atomic_fetch_add(&vcpu->vm->wakeups, 1, __ATOMIC_SEQ_CST);
	/* One that is paused looks when it goes on (vcpu_resume). */
	if (unlikely(vcpu_is_held(__atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST))))
		return;
	sched_kick(&vcpu->se);
}

bool vcpu_has_wake_event(struct vcpu *vcpu)
{
	uint32_t requests = __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE);

	if (vcpu->activity == VCPU_WAIT_FOR_STARTUP)
		return requests & (VCPU_REQ_INIT | VCPU_REQ_STARTUP | VCPU_REQ_STOP);
	return (requests & VCPU_REQ_WAKES) || vcpu->is_nmi_pending || vcpu->is_unhalted ||
	       (vcpu->is_interrupt_open && (vcpu->kept_interrupt || platform_has_interrupt(vcpu)));
}

/* Active again. A kick has had its effect, whether it or something else came first. */
static void leave_halt(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->activity, VCPU_ACTIVE, __ATOMIC_RELEASE);
	vcpu->is_unhalted = false;
	if (__atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED) & VCPU_REQ_UNHALT)
		__atomic_fetch_and(&vcpu->requests, ~VCPU_REQ_UNHALT, __ATOMIC_SEQ_CST);
	/* The event that ended it is still to be injected. */
	__atomic_fetch_or(&vcpu->requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
}

/* The halt is over: accounts it. */
static void end_halt(struct vcpu *vcpu, uint64_t block_ticks)
{
	const struct tsc_rate *tsc = &vm_machine.tsc;

	halt_poll_end(&vcpu->halt_poll, &vm_machine.halt_poll, vcpu->halt_polled != 0,
		      tsc_to_ns(tsc, vcpu->halt_polled), tsc_to_ns(tsc, block_ticks), true,
		      vcpu->kvm_poll_control & 1);
	leave_halt(vcpu);
}

/* Watches for an event for `ticks`, while nobody else wants this pCPU. True when one has come. */
static bool poll(struct vcpu *vcpu, uint64_t ticks)
{
	uint64_t start = vcpu->halt_start, now;
	bool is_hit = false;

	if (trace_is_on(TRACE_GROUP_POLL))
		trace_write(TRACE_POLL, start, vcpu->se.id, 0, 0);
	__atomic_store_n(&vcpu->se.is_polling, true, __ATOMIC_SEQ_CST);
	do {
		now = rdtsc();
		vcpu_run_timers(vcpu, now);
		sched_run_timers(now);
		is_hit = vcpu_has_wake_event(vcpu);
		cpu_relax();
	} while (!is_hit && now - start < ticks && !sched_is_waited_for(sched_this_runq()));
	__atomic_store_n(&vcpu->se.is_polling, false, __ATOMIC_SEQ_CST);
	/* From here on a request comes with an IPI or a wake-up; one that came before is seen now.
	 */
	is_hit = is_hit || vcpu_has_wake_event(vcpu);
	now = rdtsc();
	vcpu->halt_polled = MAX(now - start, 1ull);
	if (trace_is_on(TRACE_GROUP_POLL))
		trace_write(TRACE_POLL_END, now, vcpu->se.id, is_hit, 0);
	return is_hit;
}

bool vcpu_halt(struct vcpu *vcpu, bool is_interrupt_open)
{
	uint64_t limit_ns;
	bool may_poll;

	vcpu->halt_start = rdtsc();
	vcpu->halt_polled = 0;
	vcpu->is_interrupt_open = is_interrupt_open;
	__atomic_store_n(&vcpu->activity, VCPU_HALTED, __ATOMIC_SEQ_CST);
	vcpu_run_timers(vcpu, vcpu->halt_start);
	if (is_interrupt_open)
		platform_hurry_ticks(vcpu);
	if (vcpu_has_wake_event(vcpu)) {
		leave_halt(vcpu);
		return true;
	}
	if (!is_interrupt_open) {
		vm_check_halted(vcpu->vm);
		return false;
	}
	may_poll = (vcpu->kvm_poll_control & 1) && !sched_is_waited_for(sched_this_runq());
	limit_ns = halt_poll_begin(&vcpu->halt_poll, &vm_machine.halt_poll, may_poll);
	if (limit_ns && poll(vcpu, ns_to_tsc(&vm_machine.tsc, limit_ns))) {
		end_halt(vcpu, 0);
		return true;
	}
	return false;
}

bool vcpu_resume_from_halt(struct vcpu *vcpu)
{
	const uint32_t taken = VCPU_REQ_EVENT | VCPU_REQ_CLOCK | VCPU_REQ_DEVICES;
	uint32_t lone_sipi = VCPU_REQ_STARTUP;

	/* What ends the halt stays set until the vCPU is active (vm_check_halted looks at the
	 * requests first, then at the activity); the rest is taken before the look. */
	if (__atomic_fetch_and(&vcpu->requests, ~taken, __ATOMIC_SEQ_CST) & VCPU_REQ_CLOCK)
		kvm_update_clock(vcpu);
	if (!vcpu_has_wake_event(vcpu)) {
		/* A SIPI is nothing to a halted vCPU; but it must not get lost behind an INIT. */
		__atomic_compare_exchange_n(&vcpu->requests, &lone_sipi, 0, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
		return false;
	}
	end_halt(vcpu, rdtsc() - vcpu->halt_start - vcpu->halt_polled);
	return true;
}

static void wake_timer_expired(struct sched_timer *timer, uint64_t now)
{
	(void)now;
	vcpu_request(container_of(timer, struct vcpu, wake_timer), VCPU_REQ_EVENT);
}

void vcpu_arm_wake_timer(struct vcpu *vcpu)
{
	uint64_t next = vcpu_next_timer(vcpu);

	if (next == DEADLINE_NEVER)
		return;
	vcpu->has_wake_timer = true;
	sched_timer_arm(&vcpu->wake_timer, next);
}

void vcpu_expire_timers(struct vcpu *vcpu, uint64_t now)
{
	now = vm_tsc(vcpu->vm, now);
	while (deadline_next(&vcpu->timers) <= now) {
		struct deadline *d = deadline_pop_expired(&vcpu->timers, now);
		struct platform_timer *t = container_of(d, struct platform_timer, deadline);

		t->is_armed = false;
		t->expire(t->owner, now);
	}
}

void vcpu_init_timers(struct vcpu *vcpu)
{
	sched_timer_init(&vcpu->wake_timer, wake_timer_expired);
	vcpu->wake_timer.payer = &vcpu->vm->payer;
}

void vcpu_reset(struct vcpu *vcpu, bool is_init)
{
	lapic_reset(&vcpu->lapic, is_init);
	vcpu->is_nmi_pending = false;
	vcpu->kept_interrupt = 0;
	vcpu->is_unhalted = false;
	kvm_reset_areas(vcpu);
	if (is_init)
		return;
	kvm_reset(vcpu);
	cpuid_update_apic_enable(&vcpu->cpuid, true);
	cpuid_update_xcr0(&vcpu->cpuid, 1, 0);
	vcpu->tsc_adjust = 0;
	vcpu->misc_enable = 1; /* fast strings */
	mtrr_reset(vcpu);
}

void vcpu_moved(struct vcpu *vcpu)
{
	kvm_update_clock(vcpu);
}

void vcpu_switched_in(struct vcpu *vcpu)
{
	if (vcpu->steal_area)
		kvm_steal_switched_in(vcpu);
}

void vcpu_switched_out(struct vcpu *vcpu)
{
	if (vcpu->activity == VCPU_HALTED)
		vcpu_arm_wake_timer(vcpu);
	else if (vcpu->steal_area && vcpu->activity == VCPU_ACTIVE)
		kvm_steal_preempted(vcpu);
}

bool vcpu_is_piece_over(const struct vcpu *vcpu, uint64_t began)
{
	uint64_t now = rdtsc();

	sched_run_timers(now);
	return now - began >= ns_to_tsc(&vm_machine.tsc, PIECE_NS) ||
	       sched_is_slice_over(sched_this_runq(), &vcpu->se, now);
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return vm_tsc(vcpu->vm, rdtsc()) + vcpu->tsc_adjust;
}

void vcpu_spins(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;

	for (uint32_t i = 1; i <= vm->params.vcpus; i++) {
		uint32_t index = (vcpu->last_yielded_to + i) % vm->params.vcpus;
		struct vcpu *other = vm->vcpu[index];

		if (other == vcpu ||
		    __atomic_load_n(&other->se.state, __ATOMIC_RELAXED) != SCHED_RUNNABLE)
			continue;
		if (sched_yield_to(&other->se)) {
			vcpu->last_yielded_to = index;
			vcpu->spin_yields++;
			return;
		}
	}
}
