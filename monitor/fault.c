/* Faults on purpose. */
#include "monitor/fault.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/nmi.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/string.h"
#include "lib/types.h"
#include "sched/timer.h"

#ifdef CONFIG_DEBUG

#define VECTOR_FAULT 0xe4

/* Page 0 is not mapped. */
static void write_nowhere(void)
{
	volatile uint32_t *nowhere = NULL;

	hide_origin(nowhere);
	*nowhere = 1;
}

static void write_nowhere_by_call(void *arg)
{
	(void)arg;
	write_nowhere();
}

/* On the last pCPU, in its interrupt handler. */
static void fault_on_other_pcpu(void)
{
	ipi_call(percpu_count() - 1, write_nowhere_by_call, NULL);
}

static void panic_in_sink(struct log_sink *sink, const char *text, size_t len)
{
	(void)sink;
	(void)text;
	panic("with the log's lock held, at a line of %lu bytes", len);
}

static void panic_with_lock(void)
{
	static struct log_sink sink = {.write = panic_in_sink};

	log_add_sink(&sink);
}

static void panic_in_dump(void)
{
	panic("in a dumper");
}

static void panic_twice(void)
{
	panic_add_dumper(panic_in_dump);
	panic("asked for twice");
}

/* Down to the page below the stack, which is not mapped. */
static uint64_t overflow(uint64_t depth)
{
	volatile uint64_t place[16] = {depth};

	return place[0] ? overflow(depth + 1) + place[15] : 0;
}

static void overflow_stack(void)
{
	(void)overflow(1);
}

static void loop(void)
{
	for (;;)
		cpu_relax();
}

static void loop_without_interrupts(void)
{
	irq_disable();
	loop();
}

/* In an interrupt handler of the last pCPU. */
static void loop_on_other_pcpu(void)
{
	trap_set_irq_handler(VECTOR_FAULT, loop);
	apic_send_ipi(percpu_get(percpu_count() - 1)->apic_id, VECTOR_FAULT);
}

static const struct {
	const char *kind;
	void (*fail)(void);
} faults[] = {
	{"fault", write_nowhere},  {"other", fault_on_other_pcpu},
	{"lock", panic_with_lock}, {"twice", panic_twice},
	{"stack", overflow_stack}, {"stuck", loop_without_interrupts},
	{"stuck-open", loop},      {"stuck-other", loop_on_other_pcpu},
};

/* fault=nmi:N: from the last pCPU to the boot pCPU. Odd intervals, so that they hit whatever that
 * is doing: the guest, the way out of it and into it, the scheduler, interrupt handlers. */
#define NMI_TICKS_MIN 200u
#define NMI_TICKS_VAR 4093u /* a prime */

static struct sched_timer nmi_timer;
static uint64_t nmis_sent;

static void send_nmi(struct sched_timer *timer, uint64_t now)
{
	apic_send_nmi(percpu_get(0)->apic_id);
	if (++nmis_sent < fault_n(FAULT_NMI))
		sched_timer_arm(timer, now + NMI_TICKS_MIN + nmis_sent * 1009 % NMI_TICKS_VAR);
	else
		log_info("fault=nmi: %llu NMIs sent, pCPU 0 has taken %llu",
			 (unsigned long long)nmis_sent,
			 (unsigned long long)percpu_get(0)->nmi_count);
}

static void arm_nmis(void)
{
	if (this_cpu_id() != percpu_count() - 1 || nmi_timer.expire)
		return;
	sched_timer_init(&nmi_timer, send_nmi);
	sched_timer_arm(&nmi_timer, rdtsc());
}

static void begin_nmis(void *arg)
{
	(void)arg;
	sched_defer();
}

void fault_start(void)
{
	if (fault_n(FAULT_NMI)) {
		sched_add_deferred(arm_nmis);
		ipi_call(percpu_count() - 1, begin_nmis, NULL);
	}
	if (fault_n(FAULT_STOP) && percpu_get((uint32_t)fault_n(FAULT_STOP)))
		nmi_stop((uint32_t)fault_n(FAULT_STOP));
}

bool fault_inject(const char *kind, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
		if (strlen(faults[i].kind) == len && !memcmp(faults[i].kind, kind, len))
			faults[i].fail();
	if (!len)
		panic("asked for on the console");
	return false;
}

#else

void fault_start(void)
{
}

bool fault_inject(const char *kind, size_t len)
{
	(void)kind;
	if (!len)
		panic("asked for on the console");
	return false;
}

#endif
