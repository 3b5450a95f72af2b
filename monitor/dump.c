/* Collects what a dump has. Pure but for whom it asks. */
#include "monitor/dump.h"

#include "cpu/insn.h"
#include "cpu/percpu.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "lib/string.h"
#include "lib/trace.h"

#define TRACE_PART 1024u /* records in a frame */

_Static_assert(sizeof(struct dump_trace) + TRACE_PART * sizeof(struct trace_record) <=
		       DUMP_LENGTH_MAX,
	       "a part fits into a frame");
_Static_assert(HALT_POLL_BUCKETS <= DUMP_BUCKETS_MAX && SCHED_WAKE_BUCKETS <= DUMP_BUCKETS_MAX,
	       "readers take them");
_Static_assert(VM_NAME_MAX <= DUMP_NAME_MAX, "a VM's name is never cut");

static struct dump_sink *dump_sink; /* (i) once the VMs run */
static bool is_dumping;             /* (a) whoever sets it uses: */
static struct trace_record part[TRACE_PART];
static struct dump {
	struct frame_writer writer;
	uint32_t pcpus, vms;       /* how many there were at its beginning */
	uint32_t pcpu, vm, traced; /* the next ones: of the pCPUs, VMs, traces */
	struct trace_reader reader;
} current;

void dump_set_sink(struct dump_sink *sink)
{
	dump_sink = sink;
}

bool dump_has_sink(void)
{
	return dump_sink;
}

static void dump_vm(struct frame_writer *w, const struct vm *vm)
{
	struct dump_vm d = {
		.id = vm->id,
		.vcpus = vm->params.vcpus,
		.has_ended = __atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE),
		.restarts = __atomic_load_n(&vm->restarts, __ATOMIC_RELAXED),
		.devices = __atomic_load_n(&vm->payer.spent, __ATOMIC_RELAXED),
	};

	d.is_ok = d.has_ended && vm->is_ok;
	str_copy((char *)d.name, vm->name, sizeof(d.name));
	frame_write(w, DUMP_VM, &d, sizeof(d), NULL, 0);
}

static void dump_histogram(struct frame_writer *w, const struct vcpu *vcpu,
			   enum dump_histogram_kind kind, enum dump_unit unit,
			   const uint64_t *count, uint32_t buckets)
{
	struct dump_histogram d = {
		.vcpu = vcpu->se.id,
		.kind = (uint16_t)kind,
		.unit = (uint16_t)unit,
	};

	while (buckets && !count[buckets - 1])
		buckets--;
	if (!buckets)
		return;
	d.buckets = buckets;
	frame_write(w, DUMP_HISTOGRAM, &d, sizeof(d), count, buckets * sizeof(*count));
}

static void dump_exits(struct frame_writer *w, const struct vcpu *vcpu)
{
	const uint32_t reasons = vcpu_arch_exit_reasons();

	/* The one behind the last: starts of turns. */
	for (uint32_t reason = 0; reason <= reasons; reason++) {
		struct dump_exits d = {
			.vcpu = vcpu->se.id,
			.reason = reason < reasons ? reason : DUMP_TURN_STARTS,
			.count = vcpu_arch_exit_count(vcpu, reason),
			.ticks = vcpu_arch_exit_ticks(vcpu, reason),
			.first = VCPU_EXIT_COST_FIRST,
		};
		uint64_t cost[VCPU_EXIT_COST_BUCKETS];

		if (!d.count)
			continue;
		str_copy((char *)d.name, vcpu_arch_exit_name(reason), sizeof(d.name));
		for (uint32_t i = 0; i < VCPU_EXIT_COST_BUCKETS; i++) {
			cost[i] = vcpu_arch_exit_cost(vcpu, reason, i);
			if (cost[i])
				d.buckets = i + 1;
		}
		frame_write(w, DUMP_EXITS, &d, sizeof(d), cost, d.buckets * sizeof(*cost));
	}
}

/* Reads a consistent set while the vCPU may come into another state. */
static void read_times(const struct sched_entity *se, uint64_t time[SCHED_STATES], uint64_t *at)
{
	for (unsigned tries = 0; tries < 8; tries++) {
		uint64_t since = __atomic_load_n(&se->since, __ATOMIC_ACQUIRE);

		*at = rdtsc();
		for (unsigned i = 0; i < SCHED_STATES; i++)
			time[i] = sched_time_in(se, (enum sched_state)i, *at);
		if (__atomic_load_n(&se->since, __ATOMIC_ACQUIRE) == since)
			return;
	}
}

static void dump_vcpu(struct frame_writer *w, const struct vcpu *vcpu)
{
	const struct sched_entity *se = &vcpu->se;
	const struct halt_poll *hp = &vcpu->halt_poll;
	uint64_t time[SCHED_STATES], at;
	struct dump_vcpu d = {
		.id = se->id,
		.vm = vcpu->vm->id,
		.index = vcpu->index,
		.pcpu = __atomic_load_n(&se->pcpu, __ATOMIC_RELAXED),
		.state = __atomic_load_n(&se->state, __ATOMIC_RELAXED),
		.created = se->created,
		.switches = se->switches,
		.migrations = se->moves,
		.wakes = se->wakes,
		.injections = vcpu->injections,
		.spin_yields = vcpu->spin_yields,
		.pv_eois = vcpu->pv_eois,
		.pv_tlb_flushes = vcpu->pv_tlb_flushes,
		.halt_attempted_poll = hp->halt_attempted_poll,
		.halt_successful_poll = hp->halt_successful_poll,
		.halt_poll_invalid = hp->halt_poll_invalid,
		.halt_wakeup = hp->halt_wakeup,
		.halt_poll_success_ns = hp->halt_poll_success_ns,
		.halt_poll_fail_ns = hp->halt_poll_fail_ns,
		.halt_wait_ns = hp->halt_wait_ns,
	};

	read_times(se, time, &at);
	d.at = at;
	d.stop = time[SCHED_STOPPED];
	d.wait = time[SCHED_RUNNABLE];
	d.run = time[SCHED_RUNNING];
	d.halt = time[SCHED_BLOCKED];
	d.lent = time[SCHED_LENT];
	frame_write(w, DUMP_VCPU, &d, sizeof(d), NULL, 0);
	dump_exits(w, vcpu);
	dump_histogram(w, vcpu, DUMP_WAKE_LATENCY, DUMP_TICKS, se->wake_hist, SCHED_WAKE_BUCKETS);
	dump_histogram(w, vcpu, DUMP_POLL_SUCCESS, DUMP_NS, hp->poll_success_hist,
		       HALT_POLL_BUCKETS);
	dump_histogram(w, vcpu, DUMP_POLL_FAIL, DUMP_NS, hp->poll_fail_hist, HALT_POLL_BUCKETS);
	dump_histogram(w, vcpu, DUMP_HALT_WAIT, DUMP_NS, hp->wait_hist, HALT_POLL_BUCKETS);
}

static void dump_pcpu(struct frame_writer *w, uint32_t id)
{
	const struct percpu *cpu = percpu_get(id);
	const struct runq *rq = sched_runq(id);
	uint64_t started = __atomic_load_n(&rq->started, __ATOMIC_RELAXED), now = rdtsc();
	const struct dump_pcpu d = {
		.id = id,
		.apic_id = cpu->apic_id,
		.tsc_offset = (int64_t)cpu->tsc_offset_to_bsp,
		.life = started ? now - started : 0,
		.idle = runq_idle_time(rq, now),
		.ipis_sent = cpu->ipi_sent,
		.ipis_taken = cpu->ipi_taken,
		.interrupts = cpu->irq_count,
		.timer_interrupts = cpu->timer_irqs,
		.timers = cpu->timers,
		.nmis = cpu->nmi_count,
		.pulls = rq->pulls,
		.pushes = rq->pushes,
	};

	frame_write(w, DUMP_PCPU, &d, sizeof(d), NULL, 0);
}

/* A part of the pCPU's trace; false when there is no more. */
static bool dump_trace(struct frame_writer *w, uint32_t id, struct trace_reader *reader)
{
	size_t count;

	if (reader->ring != &percpu_get(id)->trace)
		trace_reader_init(reader, &percpu_get(id)->trace);
	count = trace_reader_read(reader, part, TRACE_PART);
	if (count) {
		const struct dump_trace d = {
			.pcpu = id,
			.count = (uint32_t)count,
			.first = reader->next - count,
		};

		frame_write(w, DUMP_TRACE, &d, sizeof(d), part, count * sizeof(*part));
	}
	return count;
}

static void dump_whole_vm(struct frame_writer *w, const struct vm *vm)
{
	dump_vm(w, vm);
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		dump_vcpu(w, vm->vcpu[i]);
}

bool dump_begin(enum dump_reason reason)
{
	struct dump_begin begin = {
		.tsc_hz = vm_machine.tsc.hz,
		.reason = reason,
		.pcpus = percpu_count(),
		.vms = vm_count(),
		.trace_groups = __atomic_load_n(&trace_switch.groups, __ATOMIC_RELAXED),
	};

	if (!dump_sink ||
	    (__atomic_exchange_n(&is_dumping, true, __ATOMIC_ACQUIRE) && reason != DUMP_AT_END))
		return false;
	begin.tsc = rdtsc();
	current = (struct dump){
		.writer = {.sink = dump_sink}, .pcpus = begin.pcpus, .vms = begin.vms};
	frame_write(&current.writer, DUMP_BEGIN, &begin, sizeof(begin), NULL, 0);
	return true;
}

static void end(struct frame_writer *w)
{
	const struct dump_end d = {.frames = w->frames + 1};

	frame_write(w, DUMP_END, &d, sizeof(d), NULL, 0);
	if (dump_sink->flush)
		dump_sink->flush(dump_sink);
	__atomic_store_n(&is_dumping, false, __ATOMIC_RELEASE);
}

bool dump_step(void)
{
	struct dump *d = &current;

	if (d->pcpu < d->pcpus) {
		dump_pcpu(&d->writer, d->pcpu++);
	} else if (d->vm < d->vms) {
		dump_whole_vm(&d->writer, vm_get(d->vm++));
	} else if (d->traced < d->pcpus) {
		if (!dump_trace(&d->writer, d->traced, &d->reader))
			d->traced++;
	} else {
		end(&d->writer);
		return false;
	}
	return true;
}

bool dump_write(enum dump_reason reason)
{
	if (!dump_begin(reason))
		return false;
	while (dump_step())
		;
	return true;
}
