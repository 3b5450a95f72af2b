/* What there is: VMs, vCPUs, pCPUs, and their figures. Tables have a header and columns without
 * spaces, but for the last; times are in milliseconds. Figures of what runs are read without a
 * lock.
 */
#include "cpu/insn.h"
#include "guest/pause.h"
#include "guest/vcpu_arch.h"
#include "lib/printf.h"
#include "monitor/commands.h"
#include "monitor/summary.h"

static unsigned long ms(uint64_t ticks)
{
	return tsc_to_ns(&vm_machine.tsc, ticks) / 1000000;
}

/* The vCPUs that the command's one word names, all without it: this piece's, or NULL when there is
 * none (an error, or no VM has any). *is_last: it is the last. state[0] and [1] are used. */
static struct vcpu *next_vcpu(struct session *s, bool *is_last)
{
	const char *args = s->args;
	struct arg name = args_next(&args);
	struct vcpu *vcpu = NULL;
	struct vm *vm = NULL;

	*is_last = true;
	if (name.len && !arg_vm(name, &vm, &vcpu)) {
		session_fail(s, "there is no VM or vCPU '%.*s'", ARG(name));
		return NULL;
	}
	if (vcpu)
		return vcpu;
	while (!vm && s->state[0] < vm_count() &&
	       s->state[1] >= vm_get((uint32_t)s->state[0])->params.vcpus) {
		s->state[0]++;
		s->state[1] = 0;
	}
	if (!vm && s->state[0] == vm_count())
		return NULL;
	if (!vm) {
		vm = vm_get((uint32_t)s->state[0]);
		*is_last = false;
	}
	if (s->state[1] >= vm->params.vcpus)
		return NULL;
	vcpu = vm->vcpu[s->state[1]++];
	if (name.len)
		*is_last = s->state[1] == vm->params.vcpus;
	return vcpu;
}

static const char *vm_state(const struct vm *vm)
{
	if (__atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE))
		return vm->is_ok ? "ok" : "failed";
	if (__atomic_load_n(&vm->is_resetting, __ATOMIC_ACQUIRE))
		return "resetting";
	return vm->params.vcpus && vm_is_parked(vm) ? "paused" : "running";
}

enum command_result command_vms(struct session *s)
{
	const struct vm *vm = vm_get(s->step);

	if (!s->step)
		out_printf(&s->out,
			   "VM           ID STATE     VCPUS  MEM_MIB WEIGHT  CAP RESTARTS WHY\n");
	out_printf(&s->out, "%-12s %2u %-9s %5u %8lu %6u %4u %8u %s\n", vm->name, vm->id,
		   vm_state(vm), vm->params.vcpus, vm->params.mem >> 20, vm->params.weight,
		   vm->params.cap ? vm->params.cap : 100, vm->restarts,
		   __atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE) ? vm->reason : "-");
	return s->step + 1 < vm_count() ? COMMAND_MORE : COMMAND_DONE;
}

static const char *vcpu_state(const struct vcpu *vcpu)
{
	static const char *const names[] = {
		[SCHED_STOPPED] = "stopped",
		[SCHED_RUNNABLE] = "waiting",
		[SCHED_RUNNING] = "running",
		[SCHED_BLOCKED] = "halted",
	};
	uint32_t state = __atomic_load_n(&vcpu->se.state, __ATOMIC_ACQUIRE);

	if (state == SCHED_BLOCKED && vcpu_is_parked(vcpu))
		return "paused";
	if (state == SCHED_BLOCKED &&
	    __atomic_load_n(&vcpu->activity, __ATOMIC_RELAXED) == VCPU_WAIT_FOR_STARTUP)
		return "startup"; /* waits for INIT and SIPI */
	return names[state];
}

/* '0,2', or '-' when it may run anywhere. */
static void format_pin(const struct vcpu *vcpu, char *buf, size_t size)
{
	uint32_t permitted = 0;
	size_t len = 0;

	buf[0] = '\0';
	for (uint32_t cpu = 0; cpu < percpu_count(); cpu++) {
		if (!sched_may_run_on(&vcpu->se, cpu))
			continue;
		permitted++;
		if (len < size)
			len += (size_t)fmt_snprintf(buf + len, size - len, "%s%u", len ? "," : "",
						    cpu);
	}
	if (permitted == percpu_count())
		fmt_snprintf(buf, size, "-");
}

enum command_result command_vcpus(struct session *s)
{
	bool is_last;
	const struct vcpu *vcpu = next_vcpu(s, &is_last);
	const struct sched_entity *se;
	uint64_t now = rdtsc(), exits = 0;
	char pin[24];

	if (!s->step)
		out_printf(&s->out,
			   "VM           VCPU STATE   PCPU PIN      RUN_MS  WAIT_MS  HALT_MS      "
			   "EXITS SWITCHES    MOVES\n");
	if (!vcpu)
		return COMMAND_DONE;
	se = &vcpu->se;
	for (uint32_t i = 0; i < vcpu_arch_exit_reasons(); i++)
		exits += vcpu_arch_exit_count(vcpu, i);
	format_pin(vcpu, pin, sizeof(pin));
	out_printf(&s->out, "%-12s %4u %-7s %4u %-6s %8lu %8lu %8lu %10lu %8lu %8lu\n",
		   vcpu->vm->name, vcpu->index, vcpu_state(vcpu), se->pcpu, pin,
		   ms(sched_time_in(se, SCHED_RUNNING, now)),
		   ms(sched_time_in(se, SCHED_RUNNABLE, now)),
		   ms(sched_time_in(se, SCHED_BLOCKED, now)), exits, se->switches, se->moves);
	return is_last ? COMMAND_DONE : COMMAND_MORE;
}

enum command_result command_pcpus(struct session *s)
{
	const struct runq *rq = sched_runq(s->step);
	const struct percpu *cpu = percpu_get(s->step);
	const struct sched_entity *se = __atomic_load_n(&rq->current, __ATOMIC_ACQUIRE);
	const struct vcpu *vcpu = se ? list_entry(se, struct vcpu, se) : NULL;
	uint64_t now = rdtsc(), started = __atomic_load_n(&rq->started, __ATOMIC_RELAXED);
	char name[VM_NAME_MAX + 8] = "-";

	if (!s->step)
		out_printf(
			&s->out,
			"PCPU  APIC STATE VCPU           QUEUED LOAD    UP_MS  IDLE_MS     IPIS    "
			"PULLS   PUSHES\n");
	if (vcpu)
		fmt_snprintf(name, sizeof(name), "%s.%u", vcpu->vm->name, vcpu->index);
	out_printf(&s->out, "%4u %5u %-5s %-14s %6u %4u %8lu %8lu %8lu %8lu %8lu\n", s->step,
		   cpu->apic_id, vcpu ? "busy" : "idle", name,
		   __atomic_load_n(&rq->waiting, __ATOMIC_RELAXED),
		   __atomic_load_n(&rq->load, __ATOMIC_RELAXED), ms(started ? now - started : 0),
		   ms(rq->idle_time), cpu->ipi_sent, rq->pulls, rq->pushes);
	return s->step + 1 < percpu_count() ? COMMAND_MORE : COMMAND_DONE;
}

enum command_result command_stats(struct session *s)
{
	bool is_last;
	const struct vcpu *vcpu = next_vcpu(s, &is_last);

	if (!s->step)
		summary_print_head(&s->out);
	if (vcpu) {
		summary_print_vcpu(&s->out, vcpu);
		if (vcpu->index == vcpu->vm->params.vcpus - 1)
			summary_print_nics(&s->out, vcpu->vm);
	} else if (!s->error[0]) {
		summary_print_tail(&s->out);
	}
	return is_last ? COMMAND_DONE : COMMAND_MORE;
}

enum command_result command_exits(struct session *s)
{
	bool is_last;
	const struct vcpu *vcpu = next_vcpu(s, &is_last);

	if (!s->step)
		out_printf(&s->out, "VM           VCPU      COUNT           TICKS REASON\n");
	if (!vcpu)
		return COMMAND_DONE;
	for (uint32_t i = 0; i < vcpu_arch_exit_reasons(); i++) {
		uint64_t count = vcpu_arch_exit_count(vcpu, i);

		if (count)
			out_printf(&s->out, "%-12s %4u %10lu %15lu %s\n", vcpu->vm->name,
				   vcpu->index, count, vcpu_arch_exit_ticks(vcpu, i),
				   vcpu_arch_exit_name(i));
	}
	return is_last ? COMMAND_DONE : COMMAND_MORE;
}
