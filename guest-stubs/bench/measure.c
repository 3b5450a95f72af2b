/* Samples, their median, and marks for a debugger below. */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/tap.h"

#define QUIET_TICKS 500000

uint64_t samples[ROUNDS_MAX];
uint64_t rounds, began;

static unsigned rows;
static bool is_marked, has_means;

void measure_init(void)
{
	began = rdtsc();
	rounds = cmdline_u64("rounds", 1000);
	if (!rounds || rounds > ROUNDS_MAX)
		bail("command line: rounds= wants 1 to %u", ROUNDS_MAX);
	is_marked = cmdline_u64("marks", 0);
}

bool has_marks(void)
{
	return is_marked;
}

void quiet(void)
{
	for (uint64_t start = rdtsc(); rdtsc() - start < QUIET_TICKS;)
		cpu_relax();
}

void mark(void)
{
	__asm__ volatile("xchg %%bx, %%bx" : : : "memory");
}

static void sort(void)
{
	/* Shell sort. */
	for (uint64_t gap = rounds / 2; gap; gap /= 2)
		for (uint64_t i = gap; i < rounds; i++) {
			uint64_t v = samples[i], j = i;

			for (; j >= gap && samples[j - gap] > v; j -= gap)
				samples[j] = samples[j - gap];
			samples[j] = v;
		}
}

void report_means(void)
{
	has_means = true;
}

/* The samples are sorted. Both ends are left out: others ran meanwhile. */
static void print_mean(const char *metric)
{
	uint64_t sum = 0, first = rounds / 20, end = rounds - first;

	for (uint64_t i = first; i < end; i++)
		sum += samples[i];
	sum = sum * 100 / (end - first);
	print("mean %s %lu.%02lu ticks\n", metric, sum / 100, sum % 100);
}

static void print_row(const char *metric, uint64_t value)
{
	print("bench %s %lu ticks\n", metric, value);
	rows++;
}

void report(const char *metric)
{
	sort();
	print_row(metric, samples[rounds / 2]);
	if (has_means)
		print_mean(metric);
}

void report_low(const char *metric)
{
	sort();
	print_row(metric, samples[rounds / 10]);
}

unsigned reported(void)
{
	return rows;
}
