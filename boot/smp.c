/* Starts the other pCPUs ('Multiple-Processor Management', 'MP Initialization Protocol Algorithm').
 */
#include "boot/smp.h"
#include "boot/tsc_sync.h"
#include "cpu/apic.h"
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/topology.h"
#include "cpu/trap.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "mm/space.h"

/* 'Typical AP Initialization Sequence': 10 ms after INIT, 200 us before the second startup IPI. */
#define INIT_WAIT_NS    10000000u
#define STARTUP_WAIT_NS 200000u
/* As long a CPU may take to answer; generous, because an emulator may run it late. */
#define ANSWER_WAIT_NS  1000000000u

extern const uint8_t trampoline_start[], trampoline_end[]; /* trampoline.S */

/* What ap_entry64 takes, in this order. */
void *ap_stack; /* (a) taken by exchange with NULL */
struct percpu *ap_cpu;
uint32_t ap_may_wait; /* (a) who finds no stack waits for one instead of halting for good */
void ap_main(struct percpu *cpu);

static const struct tsc_rate *rate;

static void wait_ns(uint64_t ns)
{
	uint64_t start = rdtsc(), ticks = ns_to_tsc(rate, ns);

	while (rdtsc() - start < ticks)
		cpu_relax();
}

static bool is_online_within(const struct percpu *cpu, uint64_t ns)
{
	uint64_t start = rdtsc(), ticks = ns_to_tsc(rate, ns);

	do {
		if (__atomic_load_n(&cpu->is_online, __ATOMIC_ACQUIRE))
			return true;
		cpu_relax();
	} while (rdtsc() - start < ticks);
	return false;
}

/* A started CPU's first C. */
void ap_main(struct percpu *cpu)
{
	percpu_load(cpu);
	trap_init();
	space_load();
	if (apic_init())
		halt_forever(); /* the boot CPU names it */
	percpu_set_online(cpu);
	tsc_sync_answer();
	boot_ap_main();
}

static bool alloc_stacks(struct percpu_stacks *stacks)
{
	stacks->main = space_alloc_stack(STACK_PAGES);
	if (!stacks->main)
		return false;
	for (unsigned i = IST_NONE + 1; i < IST_COUNT; i++) {
		stacks->ist[i] = space_alloc_stack(IST_STACK_PAGES);
		if (!stacks->ist[i])
			return false;
	}
	return true;
}

static void offer_stack(struct percpu *cpu, const struct percpu_stacks *stacks)
{
	percpu_set_stacks(cpu, stacks);
	ap_cpu = cpu;
	__atomic_store_n(&ap_stack, stacks->main, __ATOMIC_RELEASE);
}

/* Sends the startup IPIs and waits for the answer. */
static bool start(struct percpu *cpu, const struct percpu_stacks *stacks, uint8_t page)
{
	offer_stack(cpu, stacks);
	apic_send_startup(cpu->apic_id, page);
	if (!is_online_within(cpu, STARTUP_WAIT_NS))
		apic_send_startup(cpu->apic_id, page);
	if (is_online_within(cpu, ANSWER_WAIT_NS))
		return true;
	/* It must not come later, with a stack that the next one has then. */
	__atomic_store_n(&ap_stack, NULL, __ATOMIC_RELEASE);
	apic_send_init(cpu->apic_id);
	wait_ns(INIT_WAIT_NS);
	return false;
}

static bool is_to_be_started(const struct acpi_cpu *cpu)
{
	return cpu->is_enabled && cpu->apic_id != this_cpu()->apic_id;
}

static void send_inits(const struct acpi_madt *madt)
{
	for (uint32_t i = 0; i < madt->cpu_count; i++)
		if (is_to_be_started(&madt->cpu[i]))
			apic_send_init(madt->cpu[i].apic_id);
	wait_ns(INIT_WAIT_NS);
}

static void start_all(const struct acpi_madt *madt, uint32_t max, uint8_t page)
{
	struct percpu_stacks stacks;
	bool has_stacks = false;

	for (uint32_t i = 0; i < madt->cpu_count && percpu_count() < max; i++) {
		struct percpu *cpu;

		if (!is_to_be_started(&madt->cpu[i]))
			continue;
		if (!apic_is_x2apic() && madt->cpu[i].apic_id >= 0xff) {
			log_warn("the CPU with APIC ID %u is left out: it needs x2APIC mode",
				 madt->cpu[i].apic_id);
			continue;
		}
		has_stacks = has_stacks || alloc_stacks(&stacks);
		cpu = has_stacks ? percpu_prepare(madt->cpu[i].apic_id) : NULL;
		if (!cpu) {
			log_warn("no memory for more than %u pCPUs", percpu_count());
			return;
		}
		if (!start(cpu, &stacks, page)) {
			log_warn("the CPU with APIC ID %u does not answer and is left out",
				 madt->cpu[i].apic_id);
			continue;
		}
		has_stacks = false;
		tsc_sync_measure(cpu, rate);
	}
}

/* Gives those that wait at ap_entry64 a stack, one after the other, until nobody takes it. Each
 * tells its APIC ID itself. */
static void admit_all(uint32_t max)
{
	while (percpu_count() < max) {
		struct percpu_stacks stacks;
		struct percpu *cpu = alloc_stacks(&stacks) ? percpu_prepare(UINT32_MAX) : NULL;

		if (!cpu) {
			log_warn("no memory for more than %u pCPUs", percpu_count());
			return;
		}
		offer_stack(cpu, &stacks);
		if (!is_online_within(cpu, ANSWER_WAIT_NS)) {
			if (!__atomic_exchange_n(&ap_stack, NULL, __ATOMIC_ACQ_REL))
				log_warn("a CPU began and does not answer: no more are started");
			return;
		}
		tsc_sync_measure(cpu, rate);
	}
}

/* Without firmware's list of the CPUs, as the BIOS itself finds them: 'MP Initialization Protocol
 * Algorithm', INIT and startup IPIs to 'all excluding self'. */
static void start_unknown(uint32_t max, uint8_t page)
{
	log_info("no ACPI MADT lists the CPUs: looking for others by broadcast INIT-SIPI-SIPI");
	__atomic_store_n(&ap_may_wait, true, __ATOMIC_RELEASE);
	apic_broadcast_init();
	wait_ns(INIT_WAIT_NS);
	apic_broadcast_startup(page);
	wait_ns(STARTUP_WAIT_NS);
	apic_broadcast_startup(page);
	admit_all(max);
	__atomic_store_n(&ap_may_wait, false, __ATOMIC_RELEASE);
}

/* Two threads of a core share it: whoever pins vCPUs wants to know. */
static void report_topology(void)
{
	static uint32_t apic_ids[MAX_PCPUS];
	uint32_t count = percpu_count();
	struct cpu_topology topology;
	char text[256];

	for (uint32_t i = 0; i < count; i++)
		apic_ids[i] = percpu_get(i)->apic_id;
	cpu_topology_read(&topology);
	cpu_topology_describe(&topology, apic_ids, count, text, sizeof(text));
	log_info("topology: %s", text);
}

void smp_start(const struct boot *boot, hpa_t trampoline)
{
	uint32_t max = boot->config.options.cpus ? boot->config.options.cpus : MAX_PCPUS;

	uint8_t page = (uint8_t)(trampoline.v >> PAGE_SHIFT);

	max = MIN(max, (uint32_t)MAX_PCPUS);
	if (max < 2)
		return;
	rate = &boot->tsc;
	memcpy(hpa_to_ptr(trampoline), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	if (!boot->has_madt) {
		start_unknown(max, page);
	} else {
		send_inits(&boot->madt);
		start_all(&boot->madt, max, page);
	}
	report_topology();
}
