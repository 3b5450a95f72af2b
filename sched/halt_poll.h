/* Adaptive halt polling: KVM's algorithm, names and defaults
 * (Documentation/virt/kvm/halt-polling.rst). Pure: time comes in as arguments. */
#ifndef SCHED_HALT_POLL_H
#define SCHED_HALT_POLL_H

#include "lib/types.h"

#define HALT_POLL_BUCKETS                                                                          \
	32 /* log2 histograms: bucket n holds [2^n, 2^(n+1)) ns, bucket 0 also 0 */

struct halt_poll_params {
	uint64_t halt_poll_ns;      /* the ceiling; 0: no polling */
	uint32_t halt_poll_ns_grow; /* 0: never grows */
	uint64_t halt_poll_ns_grow_start;
	uint32_t halt_poll_ns_shrink; /* 0: to 0 at once */
};

/* One vCPU's. All fields (o). */
struct halt_poll {
	uint64_t limit_ns; /* how long it polls now */
	uint64_t halt_attempted_poll, halt_successful_poll, halt_poll_invalid, halt_wakeup;
	uint64_t halt_poll_success_ns, halt_poll_fail_ns, halt_wait_ns;
	uint64_t poll_success_hist[HALT_POLL_BUCKETS];
	uint64_t poll_fail_hist[HALT_POLL_BUCKETS];
	uint64_t wait_hist[HALT_POLL_BUCKETS];
};

/* How long to poll this halt, in ns; 0: block at once. `is_allowed`: POLL_CONTROL bit 0 and nothing
 * else runnable on the pCPU. */
uint64_t halt_poll_begin(const struct halt_poll *hp, const struct halt_poll_params *params,
			 bool is_allowed);

/* A halt is over. `poll_ns` was spent polling, `block_ns` blocked after it (0 when the poll hit);
 * `has_polled`: halt_poll_begin gave more than 0; `is_valid`: the wake-up was for an event that let
 * the vCPU go on; `is_adjusting`: POLL_CONTROL bit 0. Counts, and grows or shrinks the limit by the
 * rules. */
void halt_poll_end(struct halt_poll *hp, const struct halt_poll_params *params, bool has_polled,
		   uint64_t poll_ns, uint64_t block_ns, bool is_valid, bool is_adjusting);

#endif
