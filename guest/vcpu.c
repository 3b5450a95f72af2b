/* The vCPU's life between requests, halts and timers. */
#include "guest/vcpu.h"

#include "cpu/insn.h"
#include "guest/kvm.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"

void vcpu_request(struct vcpu *vcpu, uint32_t bits)
{
	/* The read-modify-write orders the request before sched_kick's loads: see there. */
	__atomic_fetch_or(&vcpu->requests, bits, __ATOMIC_SEQ_CST);
	sched_kick(&vcpu->se);
}

bool vcpu_has_wake_event(struct vcpu *vcpu)
{
	uint32_t requests = __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE);

	if (requests & ~(uint32_t)VCPU_REQ_EVENT)
		return true;
	if (vcpu->activity == VCPU_WAIT_FOR_STARTUP)
		return false;
	return vcpu->is_nmi_pending || (vcpu->is_interrupt_open && platform_has_interrupt(vcpu));
}

/* The halt is over (or was none): accounts it. */
static void end_halt(struct vcpu *vcpu, uint64_t block_ticks)
{
	const struct tsc_rate *tsc = &vm_machine.tsc;

	halt_poll_end(&vcpu->halt_poll, &vm_machine.halt_poll, vcpu->halt_polled != 0,
		      tsc_to_ns(tsc, vcpu->halt_polled), tsc_to_ns(tsc, block_ticks), true,
		      vcpu->kvm_poll_control & 1);
	__atomic_store_n(&vcpu->activity, VCPU_ACTIVE, __ATOMIC_RELEASE);
	/* The event that ended it is still to be injected. */
	__atomic_fetch_or(&vcpu->requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
}

/* Watches for an event for `ticks`, while nobody else wants this pCPU. True when one has come. */
static bool poll(struct vcpu *vcpu, uint64_t ticks)
{
	uint64_t start = vcpu->halt_start, now;
	bool is_hit = false;

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
	vcpu->halt_polled = MAX(rdtsc() - start, 1ull);
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
	if (vcpu_has_wake_event(vcpu)) {
		__atomic_store_n(&vcpu->activity, VCPU_ACTIVE, __ATOMIC_RELEASE);
		__atomic_fetch_or(&vcpu->requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
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
	if (!vcpu_has_wake_event(vcpu))
		return false;
	end_halt(vcpu, rdtsc() - vcpu->halt_start - vcpu->halt_polled);
	return true;
}

static void wake_timer_expired(struct sched_timer *timer, uint64_t now)
{
	(void)now;
	vcpu_request(container_of(timer, struct vcpu, wake_timer), VCPU_REQ_EVENT);
}

uint64_t vcpu_next_timer(const struct vcpu *vcpu)
{
	uint64_t next = deadline_next(&vcpu->timers), host = next - vcpu->vm->tsc_offset;

	/* The host's TSC is ahead of the VM's. A guest can name a deadline that it never reaches.
	 */
	return host < next ? DEADLINE_NEVER : host;
}

void vcpu_arm_wake_timer(struct vcpu *vcpu)
{
	uint64_t next = vcpu_next_timer(vcpu);

	if (next != DEADLINE_NEVER)
		sched_timer_arm(&vcpu->wake_timer, next);
}

void vcpu_cancel_wake_timer(struct vcpu *vcpu)
{
	if (vcpu->wake_timer.deadline.is_armed)
		sched_timer_cancel(&vcpu->wake_timer);
}

void vcpu_run_timers(struct vcpu *vcpu, uint64_t now)
{
	struct deadline *d;

	now = vm_tsc(vcpu->vm, now);
	while ((d = deadline_pop_expired(&vcpu->timers, now))) {
		struct platform_timer *t = container_of(d, struct platform_timer, deadline);

		t->is_armed = false;
		t->expire(t->owner, now);
	}
}

void vcpu_reset(struct vcpu *vcpu, bool is_init)
{
	lapic_reset(&vcpu->lapic, is_init);
	vcpu->is_nmi_pending = false;
	if (is_init)
		return;
	sched_timer_init(&vcpu->wake_timer, wake_timer_expired);
	kvm_reset(vcpu);
	vcpu->misc_enable = 1; /* fast strings */
	/* 'Memory Type Range Registers': off at reset; firmware would have set write-back. */
	vcpu->mtrr[VCPU_MTRR_COUNT - 1] = 0xc06;
}

void vcpu_moved(struct vcpu *vcpu)
{
	kvm_update_clock(vcpu);
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
	return vm_tsc(vcpu->vm, rdtsc()) + vcpu->tsc_adjust;
}
