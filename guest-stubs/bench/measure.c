/* Samples, their median, and marks for a debugger below. */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/tap.h"

#define QUIET_TICKS 500000

uint64_t samples[ROUNDS_MAX];
uint64_t rounds;

static unsigned rows;
static bool is_marked;

void measure_init(void)
{
	rounds = cmdline_u64("rounds", 1000);
	if (!rounds || rounds > ROUNDS_MAX)
		bail("command line: rounds= wants 1 to %u", ROUNDS_MAX);
	is_marked = cmdline_u64("marks", 0);
}

bool has_marks(void)
{
	return is_marked;
}

void mark_begin(void)
{
	for (uint64_t start = rdtsc(); rdtsc() - start < QUIET_TICKS;)
		cpu_relax();
	mark_end();
}

void mark_end(void)
{
	__asm__ volatile("xchg %%bx, %%bx" : : : "memory");
}

static uint64_t median(void)
{
	/* Shell sort. */
	for (uint64_t gap = rounds / 2; gap; gap /= 2)
		for (uint64_t i = gap; i < rounds; i++) {
			uint64_t v = samples[i], j = i;

			for (; j >= gap && samples[j - gap] > v; j -= gap)
				samples[j] = samples[j - gap];
			samples[j] = v;
		}
	return samples[rounds / 2];
}

void report(const char *metric)
{
	print("bench %s %lu ticks\n", metric, median());
	rows++;
}

unsigned reported(void)
{
	return rows;
}
