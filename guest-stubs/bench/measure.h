/* What the parts of the benchmark measure with: samples, their median, and a line for the reader.
 *
 * With the word marks=1 one more round of each path, warm by then, stands between two `xchg
 * %bx,%bx`, which Bochs' debugger stops at: tools/bench has it list every instruction between them.
 */
#ifndef GUEST_STUBS_BENCH_MEASURE_H
#define GUEST_STUBS_BENCH_MEASURE_H

#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/stub.h"

#define ROUNDS_MAX 10000

/* The words rounds= and marks=. To be called before the others. */
void measure_init(void);

/* How many rounds each path gets; a sample for each of them. */
extern uint64_t rounds;
extern uint64_t samples[ROUNDS_MAX];

/* Is marks=1? Then: the magic instruction before and behind one round; before it the hypervisor
 * gets the time to print what it was given. */
bool has_marks(void);
void mark_begin(void);
void mark_end(void);

/* Prints `bench METRIC VALUE ticks`, the samples' median. */
void report(const char *metric);

/* How many rows were reported. */
unsigned reported(void);

/* One row for one instruction. */
#define BENCH(metric, statement)                                                                   \
	do {                                                                                       \
		for (uint64_t i_ = 0; i_ < rounds; i_++) {                                         \
			uint64_t start_ = rdtsc();                                                 \
                                                                                                   \
			statement;                                                                 \
			samples[i_] = rdtsc() - start_;                                            \
		}                                                                                  \
		if (has_marks()) {                                                                 \
			mark_begin();                                                              \
			statement;                                                                 \
			mark_end();                                                                \
		}                                                                                  \
		report(metric);                                                                    \
	} while (0)

#endif
