/* Who pays for work that is done for a VM outside its own turns (its devices' timers, calls that it
 * has posted), and how much of such work a pCPU does while others want it. Pure: time comes in as
 * arguments, in TSC ticks.
 *
 * The work is bounded where it hurts: each pCPU has a budget, which all VMs draw on that are not
 * having their turn there. What is beyond it gets a place in the pCPU's future, one after the
 * other, or is done in a turn of its own VM, whichever comes first. So the sum over any number of
 * attackers is bounded, and nobody's timer waits for more than one piece of each other VM.
 *
 * The work is paid for, too: it is a debt of the VM that caused it, which shortens its next turns;
 * and it is no time of whose turn it was done in (sched_lend). */
#ifndef SCHED_PAYER_H
#define SCHED_PAYER_H

#include "lib/types.h"

/* Others' work gets this part of a pCPU that somebody wants: 2 %. With what the short turns of
 * halting VMs cost besides, whoever has the pCPU keeps 95 % of its share. It is as much as a clock
 * of 1 kHz takes whose ticks and exits take 20 us each, more than they do. */
#define BUDGET_PART 50u

/* What a piece counts more than its work took: for the exit that comes with it, and the entry. */
#define BUDGET_EXIT_NS 5000u

/* So much of it may come at once, when there was none for a while: all timers of some VMs that are
 * due together. It is short beside a slice and the 1 ms that a turn may be late by. */
#define BUDGET_BURST_NS 200000u

/* What is set aside for one piece of work that was put off. docs/security.md bounds the pieces by
 * about as much; what a piece really takes is settled afterwards. */
#define BUDGET_PIECE_NS 50000u

/* A debt leaves each turn this part of its slice, and is forgotten beyond so many slices: nobody
 * starves. */
#define DEBT_LEAVES 8u
#define DEBT_SLICES 8u

/* A VM's account. */
struct sched_payer {
	uint64_t debt;  /* (a) of `spent`, what its turns have not paid yet */
	uint64_t spent; /* (a) all work outside its own turns, while others wanted the pCPU */
	uint16_t id;    /* (i) in traces; 0: none */
};

/* A pCPU's budget, as a token bucket: the generic cell rate algorithm, whose whole state is the
 * time at which the bucket would be full again. (o) */
struct sched_budget {
	uint64_t full_at;
};

/* The work of `cost` ticks was done for this VM. Any pCPU. */
void payer_charge(struct sched_payer *payer, uint64_t cost);

/* A turn of `slice` ticks begins: by how much is it shorter? Any pCPU. */
uint64_t payer_pay(struct sched_payer *payer, uint64_t slice);

/* The first time, not before `now`, at which a piece of work may begin. `burst` is the bucket's
 * size, in ticks of work. */
uint64_t budget_next(const struct sched_budget *budget, uint64_t now, uint64_t burst);

/* Takes `cost` ticks of work out at `now`. Whoever puts work off takes it out in advance: then the
 * next one is put off to a later time. */
void budget_take(struct sched_budget *budget, uint64_t now, uint64_t cost);

/* So much was taken out in advance, and not used. */
void budget_give_back(struct sched_budget *budget, uint64_t cost);

#endif
