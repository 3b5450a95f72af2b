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

/* The TSC in measure_init(). */
extern uint64_t began;

extern uint64_t samples[ROUNDS_MAX];

/* Is marks=1? Then: quiet() gives the hypervisor the time to print what it was told; MARKED_ROUNDS
 * follow, of which the first ones only make the path warm again, and the last stands between two
 * mark(), the magic instruction. */
#define MARKED_ROUNDS 4
bool has_marks(void);
void quiet(void);
void mark(void);

/* Prints `bench METRIC VALUE ticks`, the samples' median; after report_means() also `mean METRIC
 * VALUE ticks`, the mean of their middle nine tenths, with two decimals. */
void report(const char *metric);
void report_means(void);

/* The same with the lowest decile in place of the median. */
void report_low(const char *metric);

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
			quiet();                                                                   \
			for (unsigned i_ = 1; i_ < MARKED_ROUNDS; i_++)                            \
				statement;                                                         \
			mark();                                                                    \
			statement;                                                                 \
			mark();                                                                    \
		}                                                                                  \
		report(metric);                                                                    \
	} while (0)

#endif
