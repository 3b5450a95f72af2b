/* Who must not suffer under others: it computes for a while, asks for nothing, and tells which
 * share of the time it had, by the TSC in a tight loop, how long it was away at most, and whether
 * memory and registers were its own. It begins and ends its time where it has just been given its
 * turn, so that whole rounds of the scheduler are measured. Words: ms= (the time, default 300),
 * delay_ms= (before), share= (permille that it must have), gap_us= (that it may be away), seed=. */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/victim/hold.h"
#include "guest-stubs/victim/state.h"

#include <asm/kvm_para.h>

#define CALIBRATIONS     200
#define CALIBRATION_RUN  8     /* iterations: too few for all of them to be interrupted */
#define RUN              15000 /* iterations between two looks at the other state */
#define SHORT_RUN        200   /* while a turn's beginning is waited for */
#define MSR_RUNS         16
#define TURN_NS          NS_PER_MS /* away for so long: it was somebody else's turn */
#define SYNC_NS          (25 * NS_PER_MS)
#define PATTERN(seed, n) (((seed) + (n)) * 0x9e3779b97f4a7c15ull)

static uint64_t memory[HOLD_WORDS];
static volatile struct kvm_steal_time steal __aligned(64);
static struct hold hold;
static uint64_t seed, bad_registers, bad_state, stolen;

static void run(uint64_t iterations)
{
	hold.iterations = iterations;
	for (unsigned i = 0; i < HOLD_PATTERN; i++)
		hold.pattern[i] = PATTERN(seed, i);
	hold_run(&hold);
	for (unsigned i = 0; i < HOLD_PATTERN; i++)
		bad_registers += hold.pattern[i] != PATTERN(seed, i);
}

/* What an iteration takes that nobody interrupts; four times that is no iteration any more. */
static void calibrate(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < CALIBRATIONS; i++) {
		hold.limit = UINT64_MAX;
		hold.own = 0;
		hold.last = rdtsc();
		run(CALIBRATION_RUN);
		least = hold.own < least ? hold.own : least;
	}
	hold.limit = least * 4 / CALIBRATION_RUN;
}

/* Until its turn begins, or nobody else seems to have one. */
static void run_to_turn(void)
{
	uint64_t turn = clock_ns_to_tsc(TURN_NS), end = hold.last + clock_ns_to_tsc(SYNC_NS);
	uint64_t longest = hold.longest;

	hold.longest = 0;
	while (hold.longest < turn && hold.last < end)
		run(SHORT_RUN);
	hold.longest = longest > hold.longest ? longest : hold.longest;
}

static uint64_t measure(uint64_t ticks)
{
	uint64_t start;

	run_to_turn();
	start = hold.last;
	stolen = steal.steal;
	hold.own = hold.longest = hold.gaps = 0;
	for (uint64_t runs = 0; hold.last - start < ticks; runs++) {
		run(RUN);
		bad_state += state_differs();
		if (runs % MSR_RUNS == 0)
			bad_state += state_msrs_differ();
	}
	run_to_turn();
	stolen = steal.steal - stolen;
	return hold.last - start;
}

void stub_main(void)
{
	uint64_t share_wanted = cmdline_u64("share", 0), ticks, share;
	uint64_t gap_us = cmdline_u64("gap_us", UINT64_MAX / NS_PER_US), longest;

	seed = cmdline_u64("seed", 1);
	clock_init();
	if (kvm_has(KVM_FEATURE_STEAL_TIME))
		wrmsr(MSR_KVM_STEAL_TIME, (uint64_t)&steal | KVM_MSR_ENABLED);
	for (unsigned i = 0; i < HOLD_WORDS; i++)
		memory[i] = seed ^ i;
	hold.memory = memory;
	hold.key = seed;
	state_load(seed);
	irq_enable();
	calibrate();
	clock_spin_ns(cmdline_u64("delay_ms", 0) * NS_PER_MS);
	hold.last = rdtsc();
	ticks = measure(clock_ns_to_tsc(cmdline_u64("ms", 300) * NS_PER_MS));
	share = hold.own * 1000 / ticks;
	longest = clock_tsc_to_ns(hold.longest) / NS_PER_US;
	irq_disable();
	diag("share %lu permille of %lu us, longest gap %lu us, %lu gaps, %lu us stolen", share,
	     clock_tsc_to_ns(ticks) / NS_PER_US, longest, hold.gaps, stolen / NS_PER_US);
	ok(share >= share_wanted, "the share is %lu permille, at least %lu", share, share_wanted);
	ok(longest <= gap_us, "the longest gap is %lu us, at most %lu", longest, gap_us);
	is(hold.bad, 0, "the memory is its own");
	is(bad_registers, 0, "the general registers are");
	is(bad_state, 0, "the extended state, debug registers and MSRs are");
}
