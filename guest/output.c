/* How far a VM's console is ahead of the port. */
#include "guest/output.h"

#include "cpu/insn.h"
#include "guest/pause.h"
#include "sched/sched.h"

#define LOOK_NS    1000000
#define STANDS_MAX 1000 /* looks: a second, in which a port that works sends 11,000 bytes */

bool guest_output_count(struct guest_output *output, uint32_t bytes, struct log_pace pace,
			uint32_t quota)
{
	if ((int32_t)(pace.sent - output->mark) >= 0) {
		__atomic_store_n(&output->mark, pace.given, __ATOMIC_RELAXED);
		output->bytes = 0;
	}
	output->bytes += bytes;
	return output->bytes > quota && pace.given != pace.sent;
}

bool guest_output_may_go_on(struct guest_output *output, struct log_pace pace)
{
	output->stands = pace.sent == output->sent ? output->stands + 1 : 0;
	output->sent = pace.sent;
	if (output->stands >= STANDS_MAX) {
		output->stands = 0;
		return true;
	}
	return (int32_t)(pace.sent - __atomic_load_n(&output->mark, __ATOMIC_RELAXED)) >= 0;
}

static void look(struct sched_timer *timer, uint64_t now)
{
	struct vm *vm = container_of(timer, struct vm, output.timer);

	if (!guest_output_may_go_on(&vm->output, log_pace())) {
		sched_timer_arm(timer, now + ns_to_tsc(&vm_machine.tsc, LOOK_NS));
		return;
	}
	/* First the flag: whoever parks itself after this look has found it set, and is resumed, or
	 * sets it anew and arms the timer again. */
	__atomic_store_n(&vm->output.is_ahead, false, __ATOMIC_SEQ_CST);
	vm_resume(vm, VCPU_REQ_PAUSE_CONSOLE);
}

static void park_this(struct vm *vm)
{
	struct sched_entity *se = sched_this_runq()->current;
	struct vcpu *vcpu = se ? container_of(se, struct vcpu, se) : NULL;

	if (vcpu && vcpu->vm == vm)
		vcpu_pause(vcpu, VCPU_REQ_PAUSE_CONSOLE);
}

bool vm_output_given(struct vm *vm, uint32_t bytes)
{
	struct guest_output *output = &vm->output;

	if (!guest_output_count(output, bytes, log_pace(),
				GUEST_OUTPUT_QUOTAS / MAX(vm_count(), 1u)))
		return true;
	park_this(vm);
	if (!__atomic_exchange_n(&output->is_ahead, true, __ATOMIC_SEQ_CST))
		sched_timer_arm(&output->timer, rdtsc() + ns_to_tsc(&vm_machine.tsc, LOOK_NS));
	return false;
}

void vm_output_init(struct vm *vm)
{
	sched_timer_init(&vm->output.timer, look);
	vm->output.timer.payer = &vm->payer;
}
