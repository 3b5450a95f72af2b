/* Proves that bad input to KVM's interface has the documented answer and no other effect: areas and
 * pointers outside memory, reserved bits, absent CPUs, storms of SIPIs, timers in the past. Word:
 * cpus= (vCPUs). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#include <asm-generic/errno-base.h>
#include <asm/kvm_para.h>
#include <linux/kvm_para.h>

#define STORM        500
#define RESTARTS     20
#define PAST_TIMERS  500
#define RANDOM_CALLS 2000
#define ABSENT_ID    200
#define VGA_HOLE     0xa0000ull

static uint64_t bad_areas(unsigned index)
{
	/* Behind the end, in the hole, in device memory, beyond what an address can be. */
	const uint64_t areas[] = {stub_ram_size, VGA_HOLE,    0xfee00000,
				  0xfec00000,    BIT_ULL(45), BIT_ULL(51),
				  BIT_ULL(52),   1ull << 63,  UINT64_MAX - 63};

	return index < ARRAY_SIZE(areas) ? areas[index] : 0;
}

static unsigned not_refused(uint32_t msr, uint64_t flags)
{
	unsigned wrong = 0;
	uint64_t area;

	for (unsigned i = 0; (area = bad_areas(i)); i++)
		wrong += wrmsr_safe(msr, (area & ~63ull) | flags) != VECTOR_GP;
	return wrong;
}

static void check_areas(void)
{
	uint64_t end = stub_ram_size;

	is(not_refused(MSR_KVM_SYSTEM_TIME_NEW, 1) + not_refused(MSR_KVM_SYSTEM_TIME, 1), 0,
	   "clock areas outside memory: #GP");
	ok(wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, (end - 4) | 1) == VECTOR_GP &&
		   wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, (VGA_HOLE - 28) | 1) == VECTOR_GP,
	   "clock areas across the end of memory: #GP");
	ok(wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, (end - 32) | 1) == NO_FAULT &&
		   wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, 0) == NO_FAULT,
	   "a clock area that ends with memory is none of them");
	is(not_refused(MSR_KVM_WALL_CLOCK_NEW, 0) + not_refused(MSR_KVM_WALL_CLOCK, 0), 0,
	   "wall clocks outside memory: #GP");
	is((uint64_t)wrmsr_safe(MSR_KVM_WALL_CLOCK_NEW, end - 8), VECTOR_GP,
	   "a wall clock across the end of memory: #GP");
	is(not_refused(MSR_KVM_STEAL_TIME, 1), 0, "steal areas outside memory: #GP");
	is(not_refused(MSR_KVM_PV_EOI_EN, 1), 0, "EOI areas outside memory: #GP");
}

static void check_reserved(void)
{
	unsigned wrong = 0;

	for (uint64_t offset = 2; offset < 64; offset += 2)
		wrong += wrmsr_safe(MSR_KVM_STEAL_TIME, (0x300000 + offset) | 1) != VECTOR_GP;
	is(wrong, 0, "unaligned steal areas: #GP");
	ok(wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, 0x300002 | 1) == VECTOR_GP &&
		   wrmsr_safe(MSR_KVM_WALL_CLOCK_NEW, 0x300001) == VECTOR_GP &&
		   wrmsr_safe(MSR_KVM_PV_EOI_EN, 0x300002 | 1) == VECTOR_GP &&
		   wrmsr_safe(MSR_KVM_POLL_CONTROL, ~1ull) == VECTOR_GP,
	   "reserved bits: #GP");
}

static void check_pointers(void)
{
	unsigned wrong = 0;
	uint64_t area;

	for (unsigned i = 0; (area = bad_areas(i)); i++)
		wrong += hypercall4(KVM_HC_CLOCK_PAIRING, area, 0, 0, 0) != -KVM_EFAULT;
	wrong += hypercall4(KVM_HC_CLOCK_PAIRING, stub_ram_size - 63, 0, 0, 0) != -KVM_EFAULT;
	is(wrong, 0, "CLOCK_PAIRING with bad pointers: -KVM_EFAULT");
}

static void check_absent(void)
{
	unsigned wrong = 0;

	for (uint64_t id = ABSENT_ID; id < ABSENT_ID + 40; id++) {
		apic_icr((uint32_t)id, APIC_DM_FIXED | APIC_ICR_ASSERT | 0x40);
		apic_icr((uint32_t)id, APIC_DM_NMI | APIC_ICR_ASSERT);
		apic_icr((uint32_t)id, APIC_DM_INIT | APIC_ICR_ASSERT);
		apic_icr((uint32_t)id, APIC_DM_STARTUP | APIC_ICR_ASSERT | 0x10);
		wrong += hypercall4(KVM_HC_KICK_CPU, 0, id << 20 | id, 0, 0) != 0;
		wrong += hypercall4(KVM_HC_SCHED_YIELD, id << 40 | id, 0, 0, 0) != 0;
		wrong += hypercall4(KVM_HC_SEND_IPI, ~0ull, ~0ull, id, 0x40) != 0;
		wrong += hypercall4(KVM_HC_SEND_IPI, ~0ull, ~0ull, 0 - id, 0x40) != 0;
	}
	is(wrong, 0, "IPIs, kicks and yields to absent CPUs reach nobody");
}

static volatile unsigned halts_over;
static volatile uint64_t work_done;

static void halt_once(uint64_t arg)
{
	(void)arg;
	__asm__ volatile("cli; hlt" : : : "memory");
	halts_over++;
}

static void count_up(uint64_t times)
{
	while (times--)
		work_done++;
}

static void storm(uint32_t low)
{
	for (unsigned i = 0; i < STORM; i++)
		apic_icr(1, low | (i & 0xff));
}

static void check_storms(void)
{
	if (smp_count() == 1) {
		storm(APIC_DM_STARTUP | APIC_ICR_ASSERT);
		ok(true, "SIPIs to nobody");
		return;
	}
	smp_run(1, count_up, 3000000);
	storm(APIC_DM_STARTUP | APIC_ICR_ASSERT);
	smp_wait(1);
	is(work_done, 3000000, "%u SIPIs to a CPU that runs do nothing", STORM);
	smp_run(1, halt_once, 0);
	clock_spin_ns(5 * NS_PER_MS);
	storm(APIC_DM_STARTUP | APIC_ICR_ASSERT);
	clock_spin_ns(25 * NS_PER_MS);
	is(halts_over, 0, "nor do they end a HLT");
	apic_icr(1, APIC_DM_NMI | APIC_ICR_ASSERT);
	smp_wait(1);
	is(halts_over, 1, "as an NMI does");
	for (unsigned i = 0; i < RESTARTS; i++)
		smp_restart(1);
	smp_call(1, count_up, 1);
	is(work_done, 3000001, "%u times INIT and SIPI at once, to a CPU in HLT: it starts anew",
	   RESTARTS);
}

static void ignore(struct trap_frame *frame)
{
	(void)frame;
}

static void check_timers(void)
{
	uint64_t before = timer_ticks, deadline;

	for (unsigned i = 0; i < PAST_TIMERS; i++) {
		timer_arm(1 + i);
		irq_window();
	}
	is(timer_ticks - before, PAST_TIMERS, "%u timers in the past: each at once", PAST_TIMERS);
	for (unsigned i = 0; i < PAST_TIMERS; i++)
		timer_arm(rdtsc() - i);
	irq_window();
	deadline = rdtsc() + clock_ns_to_tsc(2 * NS_PER_MS);
	ok(timer_halt_until(deadline) >= deadline, "and the next one in the future in its time");
}

/* Any number and any arguments but those that would reach a CPU here. */
static void check_random_calls(void)
{
	uint64_t x = cmdline_u64("seed", 1) * 0x9e3779b97f4a7c15ull | 1;
	unsigned unknown = 0, wrong = 0;

	for (unsigned i = 0; i < RANDOM_CALLS; i++) {
		uint64_t nr, args[4];

		for (unsigned k = 0; k < ARRAY_SIZE(args); k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			args[k] = x;
		}
		nr = i & 1 ? args[0] : (args[0] & 15);
		args[0] |= 1ull << 52; /* no pointer into memory */
		args[2] |= 1ull << 20; /* no APIC ID */
		if (nr == KVM_HC_KICK_CPU)
			args[1] |= 1ull << 20;
		unknown = nr > KVM_HC_MAP_GPA_RANGE;
		wrong += unknown &&
			 hypercall4(nr, args[0], args[1], args[2], args[3]) != -KVM_ENOSYS;
		if (!unknown)
			hypercall4(nr, args[0], args[1], args[2], args[3]);
	}
	is(wrong, 0, "%u calls at random, the unknown ones refused", RANDOM_CALLS);
}

void stub_main(void)
{
	timer_init();
	trap_set(VECTOR_NMI, ignore);
	smp_start((unsigned)cmdline_u64("cpus", 1));
	check_areas();
	check_reserved();
	check_pointers();
	check_absent();
	check_storms();
	check_timers();
	check_random_calls();
}
