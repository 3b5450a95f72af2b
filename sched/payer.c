/* A VM's account for work outside its turns, and a pCPU's budget for it. */
#include "sched/payer.h"

void payer_charge(struct sched_payer *payer, uint64_t cost)
{
	__atomic_fetch_add(&payer->spent, cost, __ATOMIC_RELAXED);
	__atomic_fetch_add(&payer->debt, cost, __ATOMIC_RELAXED);
}

uint64_t payer_pay(struct sched_payer *payer, uint64_t slice)
{
	uint64_t debt = __atomic_load_n(&payer->debt, __ATOMIC_RELAXED), paid, rest;

	do {
		paid = MIN(debt, slice - slice / DEBT_LEAVES);
		rest = MIN(debt - paid, DEBT_SLICES * slice);
	} while (!__atomic_compare_exchange_n(&payer->debt, &debt, rest, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return paid;
}

uint64_t budget_next(const struct sched_budget *budget, uint64_t now, uint64_t burst)
{
	uint64_t full = burst * BUDGET_PART;

	return budget->full_at > now + full ? budget->full_at - full : now;
}

void budget_take(struct sched_budget *budget, uint64_t now, uint64_t cost)
{
	budget->full_at = MAX(budget->full_at, now) + cost * BUDGET_PART;
}

void budget_give_back(struct sched_budget *budget, uint64_t cost)
{
	uint64_t ticks = cost * BUDGET_PART;

	budget->full_at = budget->full_at > ticks ? budget->full_at - ticks : 0;
}
