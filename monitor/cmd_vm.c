/* What is done to VMs: pausing, ending, placing. */
#include "cpu/insn.h"
#include "guest/pause.h"
#include "monitor/commands.h"

#define WEIGHT_MAX 100u /* weight= */
/* For vCPUs to come to rest: much longer than any piece of host work. */
#define PARK_NS    2000000000ull

/* The VM that the next word names, and perhaps one of its vCPUs; false, and the command has failed,
 * when there is none or it has ended. `vcpu` NULL: only a VM will do. */
static bool take_vm(struct session *s, struct vm **vm, struct vcpu **vcpu)
{
	struct arg name = args_next(&s->args);
	struct vcpu *found;

	if (!arg_vm(name, vm, &found) || (found && !vcpu))
		session_fail(s, name.len ? "there is no VM%s '%.*s'" : "name a VM%s%.*s",
			     vcpu ? " or vCPU" : "", ARG(name));
	else if (__atomic_load_n(&(*vm)->has_ended, __ATOMIC_ACQUIRE))
		session_fail(s, "VM '%s' has ended", (*vm)->name);
	else if (vcpu)
		*vcpu = found;
	return !s->error[0];
}

/* --- pause and resume --------------------------------------------------------------------------
 */

enum command_result command_pause(struct session *s)
{
	struct vm *vm = (struct vm *)s->state[0];
	struct vcpu *vcpu = (struct vcpu *)s->state[1];

	if (!s->step) {
		if (!take_vm(s, &vm, &vcpu))
			return COMMAND_DONE;
		s->state[0] = (uint64_t)vm;
		s->state[1] = (uint64_t)vcpu;
		s->state[2] = rdtsc();
		if (vcpu)
			vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
		else
			vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	}
	if (vcpu ? vcpu_is_parked(vcpu) : vm_is_parked(vm))
		return COMMAND_DONE;
	if (rdtsc() - s->state[2] > ns_to_tsc(&vm_machine.tsc, PARK_NS))
		session_fail(s, "VM '%s' does not come to rest", vm->name);
	return COMMAND_MORE;
}

enum command_result command_resume(struct session *s)
{
	struct vcpu *vcpu = NULL;
	struct vm *vm;

	if (!take_vm(s, &vm, &vcpu))
		return COMMAND_DONE;
	if (vcpu)
		vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	else
		vm_resume(vm, VCPU_REQ_PAUSE_MONITOR);
	return COMMAND_DONE;
}

/* --- ends --------------------------------------------------------------------------------------
 */

enum command_result command_reset(struct session *s)
{
	struct vm *vm;

	if (take_vm(s, &vm, NULL))
		vm_reset(vm);
	return COMMAND_DONE;
}

enum command_result command_kill(struct session *s)
{
	struct vm *vm;

	if (take_vm(s, &vm, NULL))
		vm_end(vm, false, "killed%s%s", *s->args ? ": " : "", s->args);
	return COMMAND_DONE;
}

enum command_result command_verdict(struct session *s)
{
	struct arg name = args_next(&s->args), verdict = args_next(&s->args);
	struct vm *vm = vm_find(name.text, name.len);

	if (!vm)
		session_fail(s, "no VM '%.*s'", ARG(name));
	else if (arg_is(verdict, "ok") || arg_is(verdict, "failed"))
		vm_end(vm, arg_is(verdict, "ok"), "%s", *s->args ? s->args : "by command");
	else
		session_fail(s, "the verdict is 'ok' or 'failed', not '%.*s'", ARG(verdict));
	return COMMAND_DONE;
}

/* --- placing -----------------------------------------------------------------------------------
 */

/* Whose HLT halts the pCPU itself must be alone there. */
static const struct vm *halting_owner(uint32_t cpu)
{
	for (uint32_t i = 0; i < vm_count(); i++) {
		const struct vm *vm = vm_get(i);

		for (uint32_t k = 0; vm->params.is_hlt_exit_off && k < vm->params.vcpus; k++)
			if (sched_may_run_on(&vm->vcpu[k]->se, cpu))
				return vm;
	}
	return NULL;
}

/* `0,2` into cpu[]; how many, 0 when it is none. */
static uint32_t take_cpus(struct session *s, const struct vm *vm, uint32_t cpu[MAX_VM_VCPUS])
{
	struct arg list = args_next(&s->args);
	const char *end = list.text + list.len;
	uint32_t count = 0;

	while (list.text <= end && count < MAX_VM_VCPUS) {
		struct arg item = {list.text, 0};
		const struct vm *owner;
		uint64_t number;

		while (item.text + item.len < end && item.text[item.len] != ',')
			item.len++;
		if (!arg_number(item, &number) || number >= percpu_count()) {
			session_fail(s, "there is no pCPU '%.*s': there are %u, numbered from 0",
				     ARG(item), percpu_count());
			return 0;
		}
		owner = halting_owner((uint32_t)number);
		if (owner && owner != vm) {
			session_fail(s, "pCPU %u is VM '%s' alone's: hlt-exit=off",
				     (uint32_t)number, owner->name);
			return 0;
		}
		cpu[count++] = (uint32_t)number;
		list.text = item.text + item.len + 1;
	}
	return count;
}

enum command_result command_pin(struct session *s)
{
	const struct cpumask anywhere = CPUMASK_ALL;
	uint32_t cpu[MAX_VM_VCPUS], count = 0;
	struct vcpu *vcpu = NULL;
	const char *args;
	struct vm *vm;

	if (!take_vm(s, &vm, &vcpu))
		return COMMAND_DONE;
	if (vm->params.is_hlt_exit_off) {
		session_fail(s, "VM '%s' must stay where it is: hlt-exit=off", vm->name);
		return COMMAND_DONE;
	}
	args = s->args;
	if (!arg_is(args_next(&args), "any")) {
		count = take_cpus(s, vm, cpu);
		if (!count)
			return COMMAND_DONE;
	}
	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		struct cpumask one = cpumask_of(count ? cpu[i % count] : 0);

		if (vcpu && vcpu != vm->vcpu[i])
			continue;
		if (vcpu) /* all of the list is this one's */
			for (uint32_t k = 0; k < count; k++)
				cpumask_set(&one, cpu[k]);
		sched_set_affinity(&vm->vcpu[i]->se, count ? &one : &anywhere);
	}
	return COMMAND_DONE;
}

enum command_result command_weight(struct session *s)
{
	struct arg number;
	uint64_t weight;
	struct vm *vm;

	if (!take_vm(s, &vm, NULL))
		return COMMAND_DONE;
	number = args_next(&s->args);
	if (!arg_number(number, &weight) || !weight || weight > WEIGHT_MAX) {
		session_fail(s, "a weight is 1 to %u, not '%.*s'", WEIGHT_MAX, ARG(number));
		return COMMAND_DONE;
	}
	vm->params.slice = vm->params.slice / vm->params.weight * weight;
	vm->params.weight = (uint32_t)weight;
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		sched_set_slice(&vm->vcpu[i]->se, vm->params.slice);
	return COMMAND_DONE;
}
