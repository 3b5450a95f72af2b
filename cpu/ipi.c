/* Calls of a function on another pCPU. Each pCPU has a lock-free stack of calls: callers push, the
 * target takes all of it at once. A call lives on its caller's stack until it is done. */
#include "cpu/apic.h"
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trace.h"
#include "cpu/trap.h"

struct call {
	struct call *next;
	void (*fn)(void *arg);
	void *arg;
	bool is_done; /* (a) */
};

static struct {
	struct call *top; /* (a) */
} __aligned(CACHE_LINE) mailbox[MAX_PCPUS];

/* Far longer than anybody has interrupts off, and far shorter than the watchdog waits. */
#define IPI_PATIENCE_MS 10

static uint64_t patience; /* (i) TSC ticks */

static void run_calls(void)
{
	struct call *call =
		__atomic_exchange_n(&mailbox[this_cpu_id()].top, NULL, __ATOMIC_ACQUIRE);

	this_cpu()->ipi_taken++;
	if (trace_is_on(TRACE_GROUP_IPI))
		trace_write(TRACE_IPI_TAKEN, rdtsc(), 0, VECTOR_CALL, 0);
	while (call) {
		struct call *next = call->next; /* gone with its caller once it is done */

		call->fn(call->arg);
		__atomic_store_n(&call->is_done, true, __ATOMIC_RELEASE);
		call = next;
	}
}

void ipi_init(uint64_t tsc_hz)
{
	patience = tsc_hz * IPI_PATIENCE_MS / 1000;
	trap_set_irq_handler(VECTOR_CALL, run_calls);
}

bool ipi_is_overdue(uint64_t *since)
{
	uint64_t now = rdtsc();

	if (!*since)
		*since = now;
	if (now - *since < patience)
		return false;
	*since = now;
	return true;
}

void ipi_call(uint32_t cpu, void (*fn)(void *arg), void *arg)
{
	struct call call = {.fn = fn, .arg = arg};
	const struct percpu *target = percpu_get(cpu);
	uint64_t since = 0;
	struct call **top;

	ASSERT(target);
	/* With interrupts off, two pCPUs that call each other would wait for ever. */
	ASSERT(irq_is_enabled());
	if (cpu == this_cpu_id()) {
		irq_disable();
		fn(arg);
		irq_enable();
		return;
	}
	top = &mailbox[cpu].top;
	call.next = __atomic_load_n(top, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(top, &call.next, &call, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	apic_send_ipi(target->apic_id, VECTOR_CALL);
	while (!__atomic_load_n(&call.is_done, __ATOMIC_ACQUIRE)) {
		if (unlikely(ipi_is_overdue(&since)))
			apic_send_ipi(target->apic_id, VECTOR_CALL);
		cpu_relax();
	}
}
