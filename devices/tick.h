/* Ticks that a guest has not had yet. A vCPU that waits for its pCPU takes no interrupts, and
 * several edges on one wire merge into one: a guest that counts ticks would lose time. So a
 * periodic timer notes what it owes, and sends it when the guest takes interrupts again, one at a
 * time and faster than its period, but never more than there were. A vCPU that halts has time for
 * the next one at once: `hurry` of each model. Otherwise one that shares its pCPU and halts after
 * each tick would get one a turn. */
#ifndef DEVICES_TICK_H
#define DEVICES_TICK_H

#include "lib/types.h"

/* Owed ticks come this part of a period apart, and not nearer than TICK_GAP_NS; of a timer whose
 * period is shorter than that none is owed. */
#define TICK_CATCH_UP 16u
#define TICK_GAP_NS   50000u

struct tick_debt {
	uint32_t owed;
};

/* Read without the lock that guards it: a hint. */
static inline bool tick_is_owed(const struct tick_debt *debt)
{
	return __atomic_load_n(&debt->owed, __ATOMIC_RELAXED);
}

/* `due` ticks have come since the last call; of all that were not sent, `limit` may be owed. True
 * when one is to be sent now: there is one, and the guest has taken the one before. */
static inline bool tick_take(struct tick_debt *debt, uint64_t due, bool is_pending, uint32_t limit)
{
	uint64_t owed = due + debt->owed;
	bool is_sent = owed && !is_pending;

	owed -= is_sent;
	debt->owed = (uint32_t)MIN(owed, (uint64_t)limit);
	return is_sent;
}

/* How many ticks may be owed by a timer whose period is `period` of `hz`: one second's. */
static inline uint32_t tick_limit(uint64_t period, uint32_t hz)
{
	if (period < (uint64_t)hz * TICK_GAP_NS / 1000000000u)
		return 0;
	return period < hz ? (uint32_t)(hz / period) : 1;
}

/* How far apart owed ticks come, in the same unit. */
static inline uint64_t tick_gap(uint64_t period, uint32_t hz)
{
	return MAX(period / TICK_CATCH_UP, (uint64_t)hz * TICK_GAP_NS / 1000000000u);
}

#endif
