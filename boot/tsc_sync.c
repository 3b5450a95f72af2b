/* Compares two TSCs: the boot CPU asks, the other answers with its time, through a cache line each.
 * The answer must lie between question and receipt, or the two differ. */
#include "boot/tsc_sync.h"
#include "cpu/insn.h"
#include "lib/log.h"

#define ROUNDS 64u

static struct {
	uint32_t round; /* (a) */
} __aligned(CACHE_LINE) question;

static struct {
	uint32_t round; /* (a) after tsc */
	uint64_t tsc;
} __aligned(CACHE_LINE) answer;

static void wait_for(const uint32_t *round, uint32_t value)
{
	while (__atomic_load_n(round, __ATOMIC_ACQUIRE) != value)
		cpu_relax();
}

void tsc_sync_answer(void)
{
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		wait_for(&question.round, i);
		answer.tsc = rdtsc_ordered();
		__atomic_store_n(&answer.round, i, __ATOMIC_RELEASE);
	}
}

void tsc_sync_measure(struct percpu *other, const struct tsc_rate *rate)
{
	uint64_t best = UINT64_MAX, offset = 0;
	bool is_synchronous = true;

	for (uint32_t i = 1; i <= ROUNDS; i++) {
		uint64_t before = rdtsc_ordered(), after;

		__atomic_store_n(&question.round, i, __ATOMIC_RELEASE);
		wait_for(&answer.round, i);
		after = rdtsc_ordered();
		/* Signed differences: either TSC may be ahead. */
		if ((int64_t)(answer.tsc - before) < 0 || (int64_t)(after - answer.tsc) < 0)
			is_synchronous = false;
		if (after - before < best) {
			best = after - before;
			offset = before + best / 2 - answer.tsc;
		}
	}
	question.round = 0;
	answer.round = 0;
	if (is_synchronous) {
		log_info("pCPU %u: APIC ID %u, TSC synchronous within %llu ticks", other->id,
			 other->apic_id, (unsigned long long)best);
		return;
	}
	other->tsc_offset_to_bsp = offset;
	log_warn("pCPU %u: APIC ID %u, TSC differs from the boot CPU's by %lld ns", other->id,
		 other->apic_id,
		 (int64_t)offset < 0 ? -(long long)tsc_to_ns(rate, -offset)
				     : (long long)tsc_to_ns(rate, offset));
}
