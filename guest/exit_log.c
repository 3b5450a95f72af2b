/* The log of a vCPU's last exits. */
#include "guest/exit_log.h"

uint32_t exit_log_runs(const struct vcpu *vcpu, uint32_t info_reason,
		       struct exit_run run[VCPU_EXIT_LOG])
{
	uint32_t count = 0;

	for (uint32_t age = VCPU_EXIT_LOG; age-- > 0;) {
		struct vcpu_exit_log exit = *vcpu_past_exit(vcpu, age);
		struct exit_run *last = count ? &run[count - 1] : NULL;

		if (exit.reason != info_reason)
			exit.info = 0;
		/* A place that was never used. */
		if (!last && !exit.reason && !exit.rip)
			continue;
		if (last && last->exit.reason == exit.reason && last->exit.rip == exit.rip &&
		    last->exit.info == exit.info)
			last->times++;
		else
			run[count++] = (struct exit_run){.exit = exit, .times = 1};
	}
	return count;
}
