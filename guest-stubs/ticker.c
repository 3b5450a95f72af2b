/* Proves that a timer wakes a halted vCPU: as many interrupts as deadlines were armed, none early,
 * and time only goes forward. Words: ticks= (default 10), period_us= (default 10000). */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"

void stub_main(void)
{
	uint64_t ticks = cmdline_u64("ticks", 10);
	uint64_t period_ns = cmdline_u64("period_us", 10000) * NS_PER_US;
	uint64_t early = 0, backwards = 0, last, deadline, tolerance;

	plan(3);
	timer_init();
	tolerance = timer_is_exact() ? 0 : clock_ns_to_tsc(period_ns) / 20;
	last = clock_ns();
	deadline = rdtsc();
	diag("%lu ticks, %lu us apart, TSC at %lu Hz, clock: %s", ticks, period_ns / NS_PER_US,
	     clock_tsc_hz(), clock_is_kvm() ? "kvmclock" : "TSC");
	for (uint64_t i = 1; i <= ticks; i++) {
		uint64_t now;

		deadline += clock_ns_to_tsc(period_ns);
		early += timer_halt_until(deadline) + tolerance < deadline;
		now = clock_ns();
		backwards += now < last;
		last = now;
		diag("tick %lu of %lu at %lu.%06lu ms", i, ticks, now / NS_PER_MS, now % NS_PER_MS);
	}
	/* A late interrupt of a deadline that was served already would come now. */
	irq_window();
	is(timer_ticks, ticks, "one interrupt for each deadline");
	is(early, 0, "no interrupt came early");
	is(backwards, 0, "time only went forward");
}
