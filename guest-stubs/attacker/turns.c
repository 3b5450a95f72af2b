/* Attacks on the scheduler: to have more turns than others, or longer ones. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/timer.h"

#include <linux/kvm_para.h>

#define SLICE_NS   (10 * NS_PER_MS)
#define BEFORE_END (30 * NS_PER_US)
#define PAUSES     2000
#define AWAY_NS    NS_PER_MS

static uint64_t next_cpu(void)
{
	return (apic_id() + 1) % smp_count();
}

static void yield(uint64_t n)
{
	(void)n;
	hypercall4(KVM_HC_SCHED_YIELD, next_cpu(), 0, 0, 0);
}

/* Spins through its turn, and gives it away when it is nearly over. */
static void yield_late(uint64_t n)
{
	uint64_t began = rdtsc(), end = began + clock_ns_to_tsc(SLICE_NS - BEFORE_END);

	while (rdtsc() < end)
		;
	for (unsigned i = 0; i < 20; i++)
		yield(n);
}

static void kick(uint64_t n)
{
	(void)n;
	hypercall4(KVM_HC_KICK_CPU, 0, next_cpu(), 0, 0);
}

/* Each wakes the other and halts. */
static void kick_and_halt(uint64_t n)
{
	kick(n);
	__asm__ volatile("cli; hlt" : : : "memory");
}

static void pause_loop(uint64_t n)
{
	(void)n;
	for (unsigned i = 0; i < PAUSES; i++)
		cpu_relax();
}

/* Computes for nearly a slice, then halts for a moment: whoever wakes must not come first with a
 * new slice each time. */
static void nap(uint64_t n)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(SLICE_NS - BEFORE_END);

	(void)n;
	while (rdtsc() < end)
		;
	timer_halt_ns(NS_PER_US);
}

/* Wakes up so often that it preempts, if waking preempts. */
static void wake_often(uint64_t n)
{
	(void)n;
	timer_halt_ns(20 * NS_PER_US);
}

const struct attack attacks_on_turns[] = {
	{"spin", NULL, attack_spin, attack_spin},
	{"yield", NULL, yield, yield},
	{"yield-late", NULL, yield_late, yield_late},
	{"kick", NULL, kick, kick},
	{"kick-halt", NULL, kick_and_halt, kick_and_halt},
	{"ple", NULL, pause_loop, pause_loop},
	{"nap", NULL, nap, NULL},
	{"wake-often", NULL, wake_often, NULL},
	{NULL},
};
