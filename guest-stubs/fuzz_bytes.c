/* Executes bytes at random, at CPL 0 and 3, in 64-, 32- and 16-bit code, with any registers. Words:
 * as those of fuzz_ops.c. */
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/fuzz/cpu.h"
#include "guest-stubs/fuzz/generate.h"
#include "guest-stubs/fuzz/memory.h"
#include "guest-stubs/fuzz/report.h"

#define BYTES    48
#define OUT_IB   0xe6
#define END_PORT 0xf4 /* and the three behind it would end the VM */

/* Bytes as they come, or with those that matter more often. */
static uint8_t any_byte(struct fuzz_cpu *cpu)
{
	static const uint8_t often[] = {0x0f, 0x0f, 0x66, 0xf3, 0x48, 0x01, 0xee,
					0xec, 0x20, 0x22, 0x30, 0x8e, 0xcd};

	return fuzz_once_in(cpu, 4) ? FUZZ_PICK(cpu, often) : (uint8_t)fuzz_random(cpu);
}

static void work(struct fuzz_cpu *cpu)
{
	uint8_t *code = fuzz_code(cpu);
	struct trap_frame frame;

	fuzz_report(cpu);
	fuzz_any_frame(cpu, &frame);
	for (unsigned i = 0; i < BYTES; i++)
		do
			code[i] = any_byte(cpu);
		while (i && (code[i - 1] & 0xfe) == OUT_IB && (code[i] & ~3) == END_PORT);
	fuzz_run(cpu, &frame);
}

void stub_main(void)
{
	fuzz_memory_init();
	fuzz_start(cmdline_u64("seed", 1), (unsigned)cmdline_u64("cpus", 1), work);
}
