/* Throws operations at the hypervisor, well formed and at random: ports, REP I/O, MSRs, device
 * memory, control and debug registers, hypercalls, the local APIC, interrupts between its CPUs,
 * page tables, descriptors and gates, flags and shadows, and what belongs to other kinds of
 * virtualisation. It only has to go on, or to end alone. Words: seed=, ops= (then it ends well; 0:
 * never), cpus=. */
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/fuzz/cpu.h"
#include "guest-stubs/fuzz/generate.h"
#include "guest-stubs/fuzz/memory.h"
#include "guest-stubs/fuzz/report.h"

static void work(struct fuzz_cpu *cpu)
{
	struct trap_frame frame = {0};

	fuzz_report(cpu);
	fuzz_generate(cpu, &frame);
	fuzz_run(cpu, &frame);
}

void stub_main(void)
{
	fuzz_memory_init();
	fuzz_start(cmdline_u64("seed", 1), (unsigned)cmdline_u64("cpus", 1), work);
}
