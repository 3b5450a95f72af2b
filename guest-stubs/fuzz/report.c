/* How far a fuzzer has come. */
#include "guest-stubs/fuzz/report.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/tap.h"

#define WATCH_AGAIN 32

void fuzz_report(struct fuzz_cpu *cpu)
{
	uint64_t limit, n = cpu->ops;

	if (n % WATCH_AGAIN == 0)
		fuzz_watch(cpu);
	if (n < 64 || (n & (n - 1)))
		return;
	limit = cmdline_u64("ops", 0);
	console_init();
	diag("CPU %u: %lu ops, %lu faults, %lu interrupts, %lu taken back", cpu->index, n,
	     cpu->faults, cpu->interrupts, cpu->taken_back);
	if (limit && n >= limit && !cpu->index) {
		ok(true, "%lu ops", n);
		done();
	}
}
