/* Kicks of halted vCPUs, and IPIs to many. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/kvm/checks.h"

#include <asm-generic/errno-base.h>
#include <linux/kvm_para.h>

#define ABSENT_ID  200
#define VECTOR_IPI 0x70

static volatile uint64_t counts[SMP_CPUS_MAX], nmis[SMP_CPUS_MAX];
static volatile unsigned halts_over;

static void halt_closed(uint64_t times)
{
	while (times--) {
		__asm__ volatile("cli; hlt" : : : "memory");
		halts_over++;
	}
}

void check_unhalt(void)
{
	is((uint64_t)hypercall4(KVM_HC_KICK_CPU, 0, ABSENT_ID, 0, 0), 0,
	   "KICK_CPU: an APIC ID that nobody has is no error");
	hypercall4(KVM_HC_KICK_CPU, 0, apic_id(), 0, 0);
	halt_closed(1);
	is(halts_over, 1, "KICK_CPU: a kick that came first ends the next HLT, with IF=0");
	if (smp_count() == 1)
		return;
	halts_over = 0;
	smp_run(1, halt_closed, 2);
	clock_spin_ns(5 * NS_PER_MS);
	is(halts_over, 0, "KICK_CPU: HLT with IF=0 lasts");
	hypercall4(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	clock_spin_ns(25 * NS_PER_MS);
	is(halts_over, 1, "KICK_CPU: one kick ends one such HLT");
	hypercall4(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	smp_wait(1);
	is(halts_over, 2, "KICK_CPU: the next ends the next");
}

static void note_ipi(struct trap_frame *frame)
{
	(void)frame;
	counts[apic_id()]++;
	apic_eoi();
}

static void note_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmis[apic_id()]++;
}

static uint64_t sum(const volatile uint64_t *values, unsigned first)
{
	uint64_t total = 0;

	for (unsigned i = first; i < smp_count(); i++)
		total += values[i];
	return total;
}

static void wait_for_sum(const volatile uint64_t *values, unsigned first, uint64_t want)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(500 * NS_PER_MS);

	irq_enable();
	while (sum(values, first) < want && rdtsc() < end)
		cpu_relax();
	irq_disable();
}

static int64_t send_ipi(uint64_t low, uint64_t high, uint64_t first, uint64_t icr)
{
	return hypercall4(KVM_HC_SEND_IPI, low, high, first, icr);
}

void check_send_ipi(void)
{
	uint64_t all = BIT_ULL(smp_count()) - 1, others = all & ~1ull;

	trap_set(VECTOR_IPI, note_ipi);
	trap_set(VECTOR_NMI, note_nmi);
	is((uint64_t)send_ipi(UINT64_MAX, UINT64_MAX, 0, VECTOR_IPI), smp_count(),
	   "SEND_IPI: answers how many took it; absent CPUs take nothing");
	wait_for_sum(counts, 0, smp_count());
	is(sum(counts, 0), smp_count(), "SEND_IPI: each got it once, the sender too");
	is((uint64_t)send_ipi(1, 0, smp_count() - 1, VECTOR_IPI), 1,
	   "SEND_IPI: bit 0 stands for ID a2");
	wait_for_sum(counts, 0, smp_count() + 1);
	is(sum(counts, 0), smp_count() + 1, "SEND_IPI: and that CPU got it");
	is((uint64_t)send_ipi(0, 1, 0, VECTOR_IPI), 0, "SEND_IPI: a1 begins at ID a2 + 64");
	is((uint64_t)send_ipi(UINT64_MAX, UINT64_MAX, UINT64_MAX - 3, VECTOR_IPI), 0,
	   "SEND_IPI: IDs do not wrap");
	is((uint64_t)send_ipi(others, 0, 0, APIC_DM_NMI), smp_count() - 1, "SEND_IPI: NMIs");
	wait_for_sum(nmis, 1, smp_count() - 1);
	is(sum(nmis, 1), smp_count() - 1, "SEND_IPI: each other CPU got its NMI");
	ok(send_ipi(1, 0, 0, VECTOR_IPI | APIC_ICR_SELF) == -KVM_EINVAL &&
		   send_ipi(1, 0, 0, VECTOR_IPI | APIC_ICR_LOGICAL) == -KVM_EINVAL &&
		   send_ipi(1, 0, 0, VECTOR_IPI | APIC_DM_INIT) == -KVM_EINVAL,
	   "SEND_IPI: -KVM_EINVAL for shorthands, logical destinations, other modes");
	is(kvm_call_32(KVM_HC_SEND_IPI, 1, 1, 0, VECTOR_IPI), 1,
	   "SEND_IPI: in 32-bit code a0 and a1 have 32 bits each");
	wait_for_sum(counts, 0, smp_count() + 2);
	is(sum(counts, 0), smp_count() + 2, "SEND_IPI: and all have been delivered");
}
