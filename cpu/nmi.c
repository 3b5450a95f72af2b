/* NMIs between pCPUs. */
#include "cpu/nmi.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/mce.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"

/* 'NMI Status and Control', of a PC's chipset */
#define PORT_SYSTEM_CONTROL_B 0x61
#define NMI_SERR              BIT(7)
#define NMI_IOCHK             BIT(6)

/* What a pCPU's next NMI is for. */
enum { ORDER_NONE, ORDER_PROBE, ORDER_PANIC, ORDER_STOP };

static struct {
	uint32_t order;      /* (a) */
	uint32_t ms;         /* written before the order */
	bool is_reflected;   /* (o) the guest has taken it */
	uint64_t stopped_at; /* (o) written, read when the pCPU has stopped; 0: not */
	bool has_stopped;    /* (a) */
} nmi[MAX_PCPUS];

void nmi_probe(uint32_t cpu)
{
	__atomic_store_n(&nmi[cpu].order, ORDER_PROBE, __ATOMIC_RELEASE);
	apic_send_nmi(percpu_get(cpu)->apic_id);
}

bool nmi_has_answered(uint32_t cpu)
{
	return __atomic_load_n(&nmi[cpu].order, __ATOMIC_ACQUIRE) == ORDER_NONE;
}

void nmi_panic(uint32_t cpu, uint32_t ms)
{
	nmi[cpu].ms = ms;
	__atomic_store_n(&nmi[cpu].order, ORDER_PANIC, __ATOMIC_RELEASE);
	apic_send_nmi(percpu_get(cpu)->apic_id);
}

void nmi_stop(uint32_t cpu)
{
	__atomic_store_n(&nmi[cpu].order, ORDER_STOP, __ATOMIC_RELEASE);
	apic_send_nmi(percpu_get(cpu)->apic_id);
}

uint64_t nmi_stopped_at(uint32_t cpu)
{
	return __atomic_load_n(&nmi[cpu].has_stopped, __ATOMIC_ACQUIRE) ? nmi[cpu].stopped_at
									: UINT64_MAX;
}

/* Does the chipset tell of broken hardware? */
static void look_at_chipset(const struct trap_frame *frame)
{
	uint8_t status;

	status = inb(PORT_SYSTEM_CONTROL_B);
	if ((status & (NMI_SERR | NMI_IOCHK)) && status != 0xff)
		panic_with_frame(frame, "NMI: the chipset reports %s (port 0x61: %#x)",
				 status & NMI_SERR ? "a system error (SERR#)" : "IOCHK#", status);
}

void nmi_handle(const struct trap_frame *frame)
{
	uint32_t id = this_cpu_id();
	bool is_guest = nmi[id].is_reflected;

	if (panic_is_active()) {
		nmi[id].stopped_at = is_guest ? 0 : frame->rip;
		__atomic_store_n(&nmi[id].has_stopped, true, __ATOMIC_RELEASE);
		mce_record();
		panic_stop_this_cpu();
	}
	switch (__atomic_exchange_n(&nmi[id].order, ORDER_NONE, __ATOMIC_ACQ_REL)) {
	case ORDER_PROBE:
		break;
	case ORDER_PANIC:
		if (is_guest)
			return;
		panic_with_frame(frame, "stuck in the hypervisor for %u ms (watchdog)", nmi[id].ms);
	case ORDER_STOP: /* no NMI comes before an IRET */
		halt_forever();
	default: /* a stray one, or the chipset's */
		this_cpu()->nmi_count++;
	}
	look_at_chipset(frame);
}

void nmi_reflect(void)
{
	nmi[this_cpu_id()].is_reflected = true;
	int_nmi();
	nmi[this_cpu_id()].is_reflected = false;
}
