/* A vCPU's log of its last exits, as a report tells it: equal ones in a row as one. Pure. */
#ifndef GUEST_EXIT_LOG_H
#define GUEST_EXIT_LOG_H

#include "guest/vcpu.h"

struct exit_run {
	struct vcpu_exit_log exit;
	uint32_t times;
};

/* Fills `run` with what is in the log, the oldest first; returns how many there are. `info` counts
 * only with the reason `info_reason`: elsewhere it is an older exit's. The vCPU's pCPU, or any
 * while it does not run. */
uint32_t exit_log_runs(const struct vcpu *vcpu, uint32_t info_reason,
		       struct exit_run run[VCPU_EXIT_LOG]);

#endif
