/* Adaptive halt polling: how the limit grows and shrinks, and what is counted. The rules are those
 * of Linux' 'Halt Polling' document for KVM. */
#include "sched/halt_poll.h"
#include "lib/checked.h"

uint64_t halt_poll_begin(const struct halt_poll *hp, const struct halt_poll_params *params,
			 bool is_allowed)
{
	return is_allowed ? MIN(hp->limit_ns, params->halt_poll_ns) : 0;
}

static void count_hist(uint64_t *hist, uint64_t ns)
{
	unsigned bucket = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

	hist[MIN(bucket, HALT_POLL_BUCKETS - 1u)]++;
}

static void grow(struct halt_poll *hp, const struct halt_poll_params *params)
{
	uint64_t limit;

	if (!params->halt_poll_ns_grow)
		return;
	if (!checked_mul(hp->limit_ns, params->halt_poll_ns_grow, &limit))
		limit = UINT64_MAX;
	limit = MAX(limit, params->halt_poll_ns_grow_start);
	hp->limit_ns = MIN(limit, params->halt_poll_ns);
}

static void shrink(struct halt_poll *hp, const struct halt_poll_params *params)
{
	if (params->halt_poll_ns_shrink)
		hp->limit_ns /= params->halt_poll_ns_shrink;
	else
		hp->limit_ns = 0;
	if (hp->limit_ns < params->halt_poll_ns_grow_start)
		hp->limit_ns = 0;
}

static void adjust(struct halt_poll *hp, const struct halt_poll_params *params, uint64_t halt_ns,
		   bool is_valid)
{
	uint64_t ceiling = params->halt_poll_ns;

	hp->limit_ns = MIN(hp->limit_ns, ceiling); /* the ceiling may have come down meanwhile */
	if (!is_valid)
		shrink(hp, params);
	else if (halt_ns <= hp->limit_ns)
		return;
	else if (halt_ns > ceiling)
		shrink(hp, params);
	else if (halt_ns < ceiling)
		grow(hp, params);
}

void halt_poll_end(struct halt_poll *hp, const struct halt_poll_params *params, bool has_polled,
		   uint64_t poll_ns, uint64_t block_ns, bool is_valid, bool is_adjusting)
{
	if (has_polled) {
		hp->halt_attempted_poll++;
		if (block_ns) {
			hp->halt_poll_fail_ns += poll_ns;
			count_hist(hp->poll_fail_hist, poll_ns);
		} else {
			hp->halt_successful_poll++;
			if (!is_valid)
				hp->halt_poll_invalid++;
			hp->halt_poll_success_ns += poll_ns;
			count_hist(hp->poll_success_hist, poll_ns);
		}
	}
	if (block_ns) {
		hp->halt_wakeup++;
		hp->halt_wait_ns += block_ns;
		count_hist(hp->wait_hist, block_ns);
	}
	if (is_adjusting)
		adjust(hp, params, poll_ns + block_ns, is_valid);
}
