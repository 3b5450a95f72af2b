/* Proves that a vCPU that never halts is preempted without noticing: every general register, RFLAGS
 * and a checksum survive; kvmclock only goes forward. Words: slices= (of 10 ms each, default 10),
 * or ms=. */
#include "guest-stubs/common/burst.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#include <asm/processor-flags.h>

#define SLICE_NS         (10 * NS_PER_MS)
#define BURST_ITERATIONS 2000
/* A clock reading that far after the one before it says that somebody else ran in between. */
#define GAP_NS           (2 * NS_PER_MS)

#define FLAGS_A                                                                                    \
	(X86_EFLAGS_FIXED | X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_SF | X86_EFLAGS_DF |        \
	 X86_EFLAGS_OF)
#define FLAGS_B (X86_EFLAGS_FIXED | X86_EFLAGS_AF | X86_EFLAGS_ZF)

struct tally {
	uint64_t bursts, bad_registers, bad_flags, bad_sums, backwards, gaps;
};

static uint64_t expected_sum(uint64_t sum, uint64_t iterations)
{
	while (iterations--)
		sum = sum * 5 + 1;
	return sum;
}

static void burst(uint64_t number, struct tally *tally)
{
	struct burst b = {
		.iterations = BURST_ITERATIONS,
		.sum = number,
		.rflags = number & 1 ? FLAGS_A : FLAGS_B,
	};
	struct burst want;

	for (unsigned i = 0; i < ARRAY_SIZE(b.pattern); i++)
		b.pattern[i] = (number * 16 + i) * 0x9e3779b97f4a7c15ull;
	want = b;
	burst_run(&b);
	tally->bursts++;
	tally->bad_registers += memcmp(b.pattern, want.pattern, sizeof(b.pattern)) != 0;
	tally->bad_flags += b.rflags != want.rflags;
	tally->bad_sums += b.sum != expected_sum(want.sum, want.iterations);
}

void stub_main(void)
{
	uint64_t slices = cmdline_u64("slices", 10);
	uint64_t total = cmdline_u64("ms", slices * (SLICE_NS / NS_PER_MS)) * NS_PER_MS;
	struct tally t = {0};
	uint64_t start, now, last, next_report;

	plan(4);
	clock_init();
	start = last = now = clock_ns();
	next_report = start + SLICE_NS;
	diag("busy for %lu ms", total / NS_PER_MS);
	while (now - start < total) {
		burst(t.bursts, &t);
		now = clock_ns();
		t.backwards += now < last;
		t.gaps += now - last > GAP_NS;
		last = now;
		if (now >= next_report) {
			diag("%lu of %lu ms, %lu bursts, %lu gaps", (now - start) / NS_PER_MS,
			     total / NS_PER_MS, t.bursts, t.gaps);
			next_report = now + SLICE_NS;
		}
	}
	is(t.bad_registers, 0, "general registers survived %lu bursts", t.bursts);
	is(t.bad_flags, 0, "RFLAGS survived");
	is(t.bad_sums, 0, "the checksums are right");
	is(t.backwards, 0, "the clock never went backwards");
}
