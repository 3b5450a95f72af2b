/* What runs on the machine once it is ours: VMX on every pCPU, the VMs of the configuration, their
 * end. */
#include "boot/boot.h"
#include "boot/build.h"
#include "boot/dump.h"
#include "boot/ports.h"
#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "guest/output.h"
#include "guest/vm.h"
#include "lib/bitmap.h"
#include "lib/log.h"
#include "monitor/commands.h"
#include "monitor/console.h"
#include "monitor/dump.h"
#include "monitor/fault.h"
#include "monitor/gdb/session.h"
#include "monitor/port.h"
#include "monitor/summary.h"
#include "monitor/tracing.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "sched/watchdog.h"
#include "vmx/cpu.h"
#include "vmx/report.h"

/* (a) Set by the boot pCPU when VMX works and the VMs are built: the other pCPUs may begin. -1:
 * never. */
static int32_t may_begin;
static uint32_t begun; /* (a) pCPUs that have answered */
static uint32_t refused;
static uint32_t stopped;   /* (a) pCPUs that are out of VMX operation for good */
static bool has_bad_input; /* (i) when the VMs run */
/* (a) Ends and resets of VMs that reap() has not looked at; not 0: reap_timer is armed, or reap()
 * runs. At first it is the boot pCPU's, until all VMs are built. */
static uint32_t unseen_ends = 1;
static uint64_t reaped[BITMAP_WORDS(CONFIG_VMS_MAX)]; /* VMs whose verdict is out */

/* What verdicts and the last lines of VMs have put before the port. */
static struct guest_output last_words;
static bool is_port_behind;

#define REAP_AGAIN_NS 1000000
/* A part of the port's ring, as the guests' quotas are. */
#define LAST_WORDS    (GUEST_OUTPUT_QUOTAS / 16)

void boot_ap_main(void)
{
	int32_t answer;

	irq_disable();
	/* Halted, and not spinning: hundreds that spin are slow to start on an emulator, and hot.
	 */
	while (!(answer = __atomic_load_n(&may_begin, __ATOMIC_ACQUIRE)))
		irq_enable_and_halt();
	irq_enable();
	if (answer > 0 && !vmx_init_cpu()) {
		sched_init_cpu();
		watchdog_start_cpu();
		__atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
		sched_loop();
	}
	__atomic_fetch_add(&refused, 1, __ATOMIC_SEQ_CST);
	for (;;)
		irq_enable_and_halt();
}

/* VECTOR_STOP: the machine ends. */
static void stop_here(void)
{
	vmx_leave_cpu();
	__atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void send_to_others(uint8_t vector)
{
	for (uint32_t i = 0; i < percpu_count(); i++)
		if (i != this_cpu_id())
			apic_send_ipi(percpu_get(i)->apic_id, vector);
}

static void stop_others(void)
{
	uint64_t since = 0;

	send_to_others(VECTOR_STOP);
	while (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) < percpu_count() - 1) {
		/* Those that have stopped take no more. */
		if (ipi_is_overdue(&since))
			send_to_others(VECTOR_STOP);
		cpu_relax();
	}
}

static void leave(uint8_t status, const char *why) __noreturn;
static void leave(uint8_t status, const char *why)
{
	stop_others();
	dump_write(DUMP_AT_END);
	irq_disable();
	vmx_leave_cpu();
	boot_end(status, why);
}

/* They enter VMX operation and their scheduler's loop, where they find the VMs as these are built.
 */
static void begin_others(void)
{
	uint32_t others = percpu_count() - 1;
	uint64_t since = 0;

	__atomic_store_n(&may_begin, 1, __ATOMIC_RELEASE);
	/* Without a call posted the interrupt only ends their HLT. */
	send_to_others(VECTOR_CALL);
	while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) +
		       __atomic_load_n(&refused, __ATOMIC_ACQUIRE) <
	       others) {
		if (ipi_is_overdue(&since))
			send_to_others(VECTOR_CALL);
		cpu_relax();
	}
	if (refused)
		leave(2, "the pCPUs differ in VMX: start with cpus=1");
}

/* Debug builds: whatever the VMs have tried, memory is as it was given. */
static void audit_vms(void)
{
#ifdef CONFIG_DEBUG
	for (uint32_t i = 0; i < vm_count(); i++)
		vm_audit(vm_get(i));
#endif
}

static void finish(void)
{
	uint32_t failed;

	percpu_set_long_work(true); /* audits; long tables, and dumps, at a slow port */
	audit_vms();
	console_end();
	failed = summary_print();

	if (has_bad_input)
		leave(2, "bad input, see above");
	leave(failed ? 1 : 0, failed ? "not every VM ended well" : "every VM ended well");
}

static bool has_stopped(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		if (__atomic_load_n(&vm->vcpu[i]->se.state, __ATOMIC_ACQUIRE) != SCHED_STOPPED)
			return false;
	return true;
}

/* The last words of a VM. Each may leave lines that do not end, and 64 end at once: what the port's
 * ring has no room for would be waited for here, in somebody's turn. */
static void give_verdict(struct vm *vm)
{
	uint32_t before = log_pace().given;

	console_vm_ended(vm);
	gdb_vm_ended(vm);
	guest_console_flush(&vm->console, vm->name);
	guest_console_flush(&vm->console2, vm->name);
	summary_print_verdict(vm);
	is_port_behind =
		guest_output_count(&last_words, log_pace().given - before, log_pace(), LAST_WORDS);
}

/* Gives the verdicts of VMs that have ended and whose vCPUs have come to rest, and has those begin
 * anew that come to rest for it. False when some are still on their way to rest, or the port
 * is behind. */
static bool give_verdicts(void)
{
	bool is_complete = true;

	if (is_port_behind)
		is_port_behind = !guest_output_may_go_on(&last_words, log_pace());
	for (uint32_t i = 0; i < vm_count(); i++) {
		struct vm *vm = vm_get(i);
		bool has_ended = __atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE);

		if (bitmap_is_set(reaped, i) ||
		    (!has_ended && !__atomic_load_n(&vm->is_resetting, __ATOMIC_ACQUIRE)))
			continue;
		if (!has_stopped(vm) || (has_ended && is_port_behind)) {
			is_complete = false;
			continue;
		}
		if (!has_ended) {
			vm_begin_restart(vm);
			continue;
		}
		bitmap_set(reaped, i);
		give_verdict(vm);
	}
	return is_complete;
}

/* Has every VM that the end waits for got its verdict? */
static bool is_all_over(void)
{
	for (uint32_t i = 0; i < vm_count(); i++)
		if (!vm_get(i)->params.is_background && !bitmap_is_set(reaped, i))
			return false;
	return true;
}

/* Ends the machine after the last VM that it waits for. One at a time: whoever makes unseen_ends
 * leave 0 arms the timer. */
static void reap(struct sched_timer *timer, uint64_t now)
{
	uint32_t seen;

	do {
		seen = __atomic_load_n(&unseen_ends, __ATOMIC_SEQ_CST);
		if (!give_verdicts()) {
			sched_timer_arm(timer, now + ns_to_tsc(&vm_machine.tsc, REAP_AGAIN_NS));
			return;
		}
		if (is_all_over())
			finish();
	} while (__atomic_sub_fetch(&unseen_ends, seen, __ATOMIC_SEQ_CST));
}

static struct sched_timer reap_timer = {.expire = reap};

static void vm_has_ended(void)
{
	if (!__atomic_fetch_add(&unseen_ends, 1, __ATOMIC_SEQ_CST))
		sched_timer_arm(&reap_timer, rdtsc());
}

void carousel_main(const struct boot *boot)
{
	const struct hv_options *options = &boot->config.options;
	static const enum vmx_vid vid[] = {
		[HV_VID_AUTO] = VMX_VID_AUTO,
		[HV_VID_ON] = VMX_VID_ON,
		[HV_VID_OFF] = VMX_VID_OFF,
	};
	const struct vmx_options vmx_options = {
		.tsc = boot->tsc,
		.is_mitigations_off = options->is_mitigations_off,
		.is_switch_eager = options->is_switch_eager,
		.vid = vid[options->vid],
	};

	build_machine(boot, vm_has_ended);
	trap_set_irq_handler(VECTOR_STOP, stop_here);
	panic_add_dumper(vmx_dump);
	panic_set_leave(vmx_leave_in_panic);
	sched_init_cpu();
	if (vmx_init(&vmx_options)) {
		__atomic_store_n(&may_begin, -1, __ATOMIC_RELEASE);
		boot_end(2, "this machine cannot run Carousel, see above");
	}
	dump_open(options);
	if (options->trace_groups && !tracing_set(options->trace_groups, options->trace_records))
		log_warn("no memory to trace: make trace-records= smaller");
	if (options->trace_groups && !dump_has_sink())
		log_warn("trace=: nobody will see it: name a port by dump=");
	watchdog_init(options->watchdog_s * boot->tsc.hz, boot->tsc.hz);
	sched_set_budget(ns_to_tsc(&boot->tsc, BUDGET_BURST_NS),
			 ns_to_tsc(&boot->tsc, BUDGET_PIECE_NS),
			 ns_to_tsc(&boot->tsc, BUDGET_EXIT_NS));
	begin_others();
	has_bad_input = build_vms(boot);
	if (!vm_count())
		leave(2, "no VM to run, see above");
	command_trace_records = options->trace_records;
	console_start();
	if (ports_get(HV_PORT_MONITOR))
		monitor_port_start(ports_get(HV_PORT_MONITOR));
	watchdog_start_cpu();
	ports_start();
	fault_start();
	sched_timer_arm(&reap_timer, rdtsc()); /* for those that have ended meanwhile */
	sched_loop();
}
