/* Spinlocks that interrupt handlers take too: held with interrupts off. */
#ifndef CPU_IRQ_H
#define CPU_IRQ_H

#include "cpu/insn.h"
#include "lib/spinlock.h"

/* The flags to give back to spin_unlock_irq. */
static inline uint64_t spin_lock_irq(struct spinlock *lock)
{
	uint64_t flags = irq_save();

	spin_lock(lock);
	return flags;
}

static inline void spin_unlock_irq(struct spinlock *lock, uint64_t flags)
{
	spin_unlock(lock);
	irq_restore(flags);
}

#endif
