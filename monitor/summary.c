/* Verdicts and the end table. */
#include "monitor/summary.h"

#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "guest/kvm.h"
#include "guest/vcpu_arch.h"
#include "lib/bitmap.h"
#include "lib/log.h"
#include "lib/printf.h"

#define LINE_MAX  OUT_LINE_MAX
#define TOP_EXITS 6

#define EXIT_REASONS_MAX 256u

static void write_log(struct out *out __unused, const char *text, size_t len)
{
	log_raw(text, len);
}

static struct out console = {.write = write_log};

void summary_print_verdict(struct vm *vm)
{
	out_printf(&console, "verdict: %s: %s: %s\n", vm->name, vm->is_ok ? "ok" : "failed",
		   vm->reason);
}

static unsigned long ms(uint64_t ticks)
{
	return tsc_to_ns(&vm_machine.tsc, ticks) / 1000000;
}

/* The reason whose exits came most often of those that are not in `seen`, with its count; 0: there
 * are no more. Counts grow while they are read. */
static uint64_t next_most(const struct vcpu *vcpu, uint64_t *seen, uint32_t *reason)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < vcpu_arch_exit_reasons(); i++) {
		uint64_t count = vcpu_arch_exit_count(vcpu, i);

		if (!bitmap_is_set(seen, i) && count > best) {
			best = count;
			*reason = i;
		}
	}
	if (best)
		bitmap_set(seen, *reason);
	return best;
}

/* The exit reasons that came most often. */
static void print_exits(struct out *out, const struct vcpu *vcpu)
{
	uint64_t seen[BITMAP_WORDS(EXIT_REASONS_MAX)] = {0}, total = 0, count;
	uint32_t reason = 0;
	char line[LINE_MAX];
	int len = 0;

	for (uint32_t i = 0; i < vcpu_arch_exit_reasons(); i++)
		total += vcpu_arch_exit_count(vcpu, i);
	for (unsigned n = 0; n < TOP_EXITS && (count = next_most(vcpu, seen, &reason)); n++)
		len += fmt_snprintf(line + len, sizeof(line) - (size_t)len, ", %s %lu",
				    vcpu_arch_exit_name(reason), count);
	out_printf(out, "             exits %lu%s\n", total, len ? line : "");
	if (!vcpu->vm->params.is_kvm_off)
		out_printf(out,
			   "             steal %lu ms, pv_eoi %lu, pv_tlb_flush %lu, poll_control "
			   "%lu\n",
			   kvm_steal_ns(vcpu) / 1000000, vcpu->pv_eois, vcpu->pv_tlb_flushes,
			   vcpu->kvm_poll_control);
}

/* 'NAME 2^13:5 2^14:91': how many took from 2^n to 2^(n+1) ns. */
static int print_histogram(char *line, int len, const char *name, const uint64_t *bucket)
{
	bool is_empty = true;

	for (unsigned n = 0; n < HALT_POLL_BUCKETS; n++) {
		if (!bucket[n] || len > LINE_MAX - 64)
			continue;
		len += fmt_snprintf(line + len, LINE_MAX - (size_t)len, "%s 2^%u:%lu",
				    is_empty ? name : "", n, bucket[n]);
		is_empty = false;
	}
	return len;
}

/* Halt polling, with KVM's names. */
static void print_halt_poll(struct out *out, const struct halt_poll *hp)
{
	char line[LINE_MAX] = "";
	int len = 0;

	if (!hp->halt_attempted_poll && !hp->halt_wakeup)
		return;
	out_printf(
		out,
		"             halt_attempted_poll %lu, halt_successful_poll %lu, halt_poll_invalid "
		"%lu, "
		"halt_wakeup %lu, success %lu us, fail %lu us\n",
		hp->halt_attempted_poll, hp->halt_successful_poll, hp->halt_poll_invalid,
		hp->halt_wakeup, hp->halt_poll_success_ns / 1000, hp->halt_poll_fail_ns / 1000);
	len = print_histogram(line, len, "; success", hp->poll_success_hist);
	len = print_histogram(line, len, "; fail", hp->poll_fail_hist);
	len = print_histogram(line, len, "; wait", hp->wait_hist);
	if (len)
		out_printf(out, "             log2 ns%s\n", line + 1);
}

/* One stamp closes a state and opens the next, so the times add up to the tick. */
static void check_accounting(const struct sched_entity *se, uint64_t now)
{
	uint64_t sum = 0;

	for (unsigned state = 0; state < SCHED_STATES; state++)
		sum += sched_time_in(se, (enum sched_state)state, now);
	ASSERT(sum == now - se->created);
}

/* What was done in others' turns: of its VM's work, and in its own of theirs. */
static void print_lent(struct out *out, const struct vcpu *vcpu, uint64_t now)
{
	const struct sched_payer *payer = &vcpu->vm->payer;
	uint64_t spent = __atomic_load_n(&payer->spent, __ATOMIC_RELAXED);
	uint64_t lent = sched_time_in(&vcpu->se, SCHED_LENT, now);
	const struct tsc_rate *tsc = &vm_machine.tsc;

	if (vcpu->index)
		spent = 0;
	if (spent || lent)
		out_printf(out, "             lent %lu us, device work in others' turns %lu us\n",
			   tsc_to_ns(tsc, lent) / 1000, tsc_to_ns(tsc, spent) / 1000);
}

void summary_print_vcpu(struct out *out, const struct vcpu *vcpu)
{
	const struct sched_entity *se = &vcpu->se;
	const struct halt_poll *hp = &vcpu->halt_poll;
	uint64_t now = rdtsc();

	if (__atomic_load_n(&se->state, __ATOMIC_ACQUIRE) == SCHED_STOPPED)
		check_accounting(se, now);
	out_printf(out, "%-12s %4u %4u %8lu %8lu %8lu %8lu %7lu/%-7lu %7lu\n", vcpu->vm->name,
		   vcpu->index, se->pcpu, ms(sched_time_in(se, SCHED_RUNNING, now)),
		   ms(sched_time_in(se, SCHED_RUNNABLE, now)),
		   ms(sched_time_in(se, SCHED_BLOCKED, now)),
		   hp->halt_attempted_poll + hp->halt_wakeup, hp->halt_successful_poll,
		   hp->halt_attempted_poll, se->switches);
	if (!vcpu->index && vcpu->vm->restarts)
		out_printf(out, "             restarts %u\n", vcpu->vm->restarts);
	print_lent(out, vcpu, now);
	print_exits(out, vcpu);
	print_halt_poll(out, hp);
}

/* A NIC: what the guest has received and sent; what was dropped because its buffers and the port's
 * queue were full; and what it sent that was no frame. */
static void print_nic(struct out *out, const struct vm *vm, uint32_t i)
{
	struct virtio_net *net = vm->dev.nic[i];
	struct netport_counters c;

	netport_read_counters(&net->port, &c);
	out_printf(out,
		   "%-12s nic%u %s %02x:%02x:%02x:%02x:%02x:%02x: rx %lu frames, %lu bytes, %lu "
		   "dropped; tx %lu frames, %lu bytes, %lu bad\n",
		   vm->name, i, vm->params.nic[i].lan, net->config.mac[0], net->config.mac[1],
		   net->config.mac[2], net->config.mac[3], net->config.mac[4], net->config.mac[5],
		   c.rx_frames, c.rx_bytes, c.rx_drops, c.tx_frames, c.tx_bytes, c.tx_drops);
}

void summary_print_head(struct out *out)
{
	out_printf(out, "VM           vCPU pCPU   run ms  wait ms  halt ms    halts   polls hit/of "
			"switches\n");
}

void summary_print_nics(struct out *out, const struct vm *vm)
{
	for (uint32_t i = 0; i < VM_NICS_MAX; i++)
		if (vm->dev.nic[i])
			print_nic(out, vm, i);
}

void summary_print_tail(struct out *out)
{
	/* Nobody here sends one, but for a panic: whose were they? */
	for (uint32_t id = 0; id < percpu_count(); id++)
		if (percpu_get(id)->nmi_count)
			out_printf(out, "pCPU %u: %lu NMIs that nobody asked for\n", id,
				   percpu_get(id)->nmi_count);
}

static void print_table(void)
{
	struct out *out = &console;

	summary_print_head(out);
	for (uint32_t i = 0; i < vm_count(); i++) {
		const struct vm *vm = vm_get(i);

		for (uint32_t k = 0; k < vm->params.vcpus; k++)
			summary_print_vcpu(out, vm->vcpu[k]);
		summary_print_nics(out, vm);
	}
	summary_print_tail(out);
}

uint32_t summary_print(void)
{
	struct out *out = &console;
	uint32_t failed = 0;

	print_table();
	out_printf(out, "TSC at the end: %lu ticks at %lu Hz\n", rdtsc(), vm_machine.tsc.hz);
	for (uint32_t i = 0; i < vm_count(); i++) {
		struct vm *vm = vm_get(i);

		if (!vm->has_ended)
			out_printf(out, "%s: still running, in the background\n", vm->name);
		else
			failed += !vm->is_ok;
	}
	return failed;
}
