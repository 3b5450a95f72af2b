/* Measures what things cost: prints `bench METRIC VALUE ticks`, each the median of rounds= single
 * measurements by RDTSC. Nothing is subtracted: empty_loop is what RDTSC itself costs.
 *
 * part= says what is measured, and what it needs:
 *  alone     (the default) one vCPU: instructions that exit, interrupts to itself, timers, HLT
 *  pair      two vCPUs on two pCPUs: IPIs, to one that runs, halts or is polled for
 *  pingpong  two vCPUs on one pCPU: IPIs there and back, between halts
 *  busy      one vCPU that is never idle and notes when it did not run: two such VMs on one pCPU
 *            tell what a switch costs, one that may go to another pCPU what that costs
 *  nap       one vCPU that is busy and halts in turn
 *  net       role=a, role=b: two VMs on one LAN, frames there and back, between halts
 *  idle      halts for good; quick: ends at once
 *  scale     what is held against itself with more VMs, more pCPUs; then as busy
 *
 * What a machine does not have is left out, and said so. */
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/tap.h"

static const struct {
	const char *name;
	void (*run)(void);
	bool is_silent; /* it reports no row of its own */
} parts[] = {
	{"alone", bench_alone, false},
	{"pair", bench_pair, false},
	{"pingpong", bench_pingpong, false},
	{"busy", bench_busy, true},
	{"nap", bench_nap, true},
	{"net", bench_net, true},
	{"idle", bench_idle, true},
	{"quick", bench_quick, true},
	{"scale", bench_scale, false},
};

void stub_main(void)
{
	unsigned part = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		if (cmdline_is("part", parts[i].name))
			part = i;
	/* It is one of many, whose lines would take the console long. */
	if (parts[part].run == bench_idle)
		bench_idle();
	measure_init();
	clock_init();
	diag("%s: medians of %lu, TSC at %lu Hz", parts[part].name, rounds, clock_tsc_hz());
	parts[part].run();
	ok(reported() > 0 || parts[part].is_silent, "%u rows", reported());
}
