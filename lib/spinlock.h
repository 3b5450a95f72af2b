/* Ticket spinlocks with a rank. A pCPU may take a lock only while every lock it holds has a lower
 * rank; in debug builds the hook that cpu/ registers checks it and panics on inversion. Locks
 * marked 'irq' are taken by interrupt handlers too: hold them with interrupts off (cpu/irq.h). */
#ifndef LIB_SPINLOCK_H
#define LIB_SPINLOCK_H

#include "lib/types.h"

/* Lowest first: who holds one may take those below it in this list. */
enum lock_rank {
	LOCK_MONITOR, /* who is typed to, and how the console shows it */
	LOCK_VM,      /* a VM's devices and its life */
	LOCK_SWITCH,  /* a LAN's switch */
	LOCK_GMEM,    /* a VM's EPT */
	LOCK_RUNQ,    /* a pCPU's run queue */
	LOCK_TIMERS,  /* a pCPU's deadline heap */
	LOCK_PAGES,   /* the page allocator */
	LOCK_LOG,     /* the log ring and its sinks */
	LOCK_CONSOLE, /* irq: the UART's transmit and receive rings */
	LOCK_RANKS
};

struct spinlock {
	uint32_t next;  /* (a) the next ticket to be given out */
	uint32_t owner; /* (a) the ticket that may hold the lock */
	uint32_t rank;  /* (i) enum lock_rank */
};

#define SPINLOCK_INIT(r)                                                                           \
	{                                                                                          \
		.rank = (r)                                                                        \
	}

struct spinlock_debug {
	void (*acquiring)(const struct spinlock *lock);
	void (*released)(const struct spinlock *lock);
};

/* Set once at boot, before a second pCPU runs; NULL (the default) checks nothing. */
extern const struct spinlock_debug *spinlock_debug;

static inline void spin_lock(struct spinlock *lock)
{
	uint32_t ticket;

#ifdef CONFIG_DEBUG
	if (spinlock_debug)
		spinlock_debug->acquiring(lock);
#endif
	ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		__builtin_ia32_pause();
}

/* Takes it if nobody has it, nor waits for it. */
static inline bool spin_trylock(struct spinlock *lock)
{
	uint32_t ticket = __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE);

	if (!__atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
#ifdef CONFIG_DEBUG
	if (spinlock_debug)
		spinlock_debug->acquiring(lock);
#endif
	return true;
}

static inline void spin_unlock(struct spinlock *lock)
{
	uint32_t owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);

#ifdef CONFIG_DEBUG
	if (spinlock_debug)
		spinlock_debug->released(lock);
#endif
	__atomic_store_n(&lock->owner, owner + 1, __ATOMIC_RELEASE);
}

#endif
