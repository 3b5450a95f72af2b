/* Proves that two VMs on one pCPU alternate through their halts: start it twice, role=a and role=b,
 * on one pCPU. Each sleeps and works in turn, counts, and must get as far as the clock says. Words:
 * role=, rounds= (default 200), sleep_us= (default 1000), late_us= (allowed a round, default
 * 100000). */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

#define REPORTS 10

void stub_main(void)
{
	uint64_t rounds = cmdline_u64("rounds", 200);
	uint64_t sleep_ns = cmdline_u64("sleep_us", 1000) * NS_PER_US;
	uint64_t late_ns = cmdline_u64("late_us", 100000) * NS_PER_US;
	uint64_t start, elapsed, greatest = 0, backwards = 0;
	char role = cmdline_is("role", "b") ? 'b' : 'a';

	plan(4);
	timer_init();
	start = clock_ns();
	for (uint64_t i = 1; i <= rounds; i++) {
		uint64_t before = clock_ns(), after;

		timer_halt_ns(sleep_ns);
		after = clock_ns();
		backwards += after < before;
		greatest = after - before > greatest ? after - before : greatest;
		if (i % (rounds / REPORTS + 1) == 0)
			diag("%c: round %lu of %lu at %lu us", role, i, rounds,
			     (after - start) / NS_PER_US);
	}
	elapsed = clock_ns() - start;
	diag("%c: %lu rounds in %lu us, the longest %lu us", role, rounds, elapsed / NS_PER_US,
	     greatest / NS_PER_US);
	is(timer_ticks, rounds, "%c: a wake-up for each round", role);
	is(backwards, 0, "%c: time only went forward", role);
	ok(elapsed + elapsed / 20 >= rounds * sleep_ns, "%c: no round was shorter than its sleep",
	   role);
	ok(greatest <= sleep_ns + late_ns, "%c: no round was later than %lu us", role,
	   late_ns / NS_PER_US);
}
