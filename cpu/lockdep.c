/* The lock checker of debug builds: a pCPU takes locks by ascending rank only, and locks that
 * interrupt handlers take too with interrupts off (lib/spinlock.h). */
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "lib/spinlock.h"

#ifdef CONFIG_DEBUG

static const char *const rank_names[LOCK_RANKS] = {
	[LOCK_MONITOR] = "MONITOR", [LOCK_VM] = "VM",     [LOCK_SWITCH] = "SWITCH",
	[LOCK_GMEM] = "GMEM",       [LOCK_RUNQ] = "RUNQ", [LOCK_TIMERS] = "TIMERS",
	[LOCK_PAGES] = "PAGES",     [LOCK_LOG] = "LOG",   [LOCK_CONSOLE] = "CONSOLE",
};

static void acquiring(const struct spinlock *lock)
{
	struct percpu *cpu = this_cpu();
	uint32_t above;

	if (panic_is_active())
		return;
	ASSERT(lock->rank < LOCK_RANKS);
	above = cpu->lock_ranks_held >> lock->rank;
	if (above)
		panic("lock order: %s is taken while %s is held", rank_names[lock->rank],
		      rank_names[lock->rank + (unsigned)__builtin_ctz(above)]);
	if (lock->rank == LOCK_CONSOLE && irq_is_enabled())
		panic("lock %s is taken with interrupts on", rank_names[lock->rank]);
	cpu->lock_ranks_held |= BIT(lock->rank);
}

static void released(const struct spinlock *lock)
{
	struct percpu *cpu = this_cpu();

	if (panic_is_active())
		return;
	if (!(cpu->lock_ranks_held & BIT(lock->rank)))
		panic("lock %s is released by a pCPU that does not hold it",
		      rank_names[lock->rank]);
	cpu->lock_ranks_held &= ~BIT(lock->rank);
}

void lockdep_init(void)
{
	static const struct spinlock_debug checker = {acquiring, released};

	spinlock_debug = &checker;
}

#else

void lockdep_init(void)
{
}

#endif
