/* What happened on a pCPU, and when: a ring of fixed-size records for each pCPU. Only that pCPU
 * writes to it, over the oldest; any other may read while it does. Pure: who writes, and the time,
 * come in as arguments; cpu/trace.h is what the house calls. */
#ifndef LIB_TRACE_H
#define LIB_TRACE_H

#include "lib/types.h"

/* The numbers are part of the dump's format (monitor/dump_format.h): none is ever used again for
 * something else. `arg` and `info` of each: */
enum trace_event {
	TRACE_START = 1,    /* runnable for the first time, or again; arg: the pCPU */
	TRACE_SWITCH = 2,   /* a vCPU begins to run here */
	TRACE_PREEMPT = 3,  /* it gives way here, and waits */
	TRACE_BLOCK = 4,    /* it waits for an event */
	TRACE_STOP = 5,     /* it runs no more */
	TRACE_WAKE = 6,     /* by this pCPU; arg: where it waits now */
	TRACE_MIGRATE = 7,  /* arg: to this pCPU; info: 1 pulled, 0 pushed */
	TRACE_POLL = 8,     /* it halts, and the pCPU watches for its event */
	TRACE_POLL_END = 9, /* info: 1 the event came, 0 not in time */
	TRACE_EXIT = 10,    /* arg: the exit reason */
	TRACE_ENTRY = 11,   /* the guest goes on */
	TRACE_INJECT = 12, /* arg: the vector; info: the event's type, as in VM-entry information */
	TRACE_IPI = 13,    /* sent; arg: the target's APIC ID; info: the vector */
	TRACE_IPI_TAKEN = 14, /* info: the vector */
	/* In the vCPU's turn its pCPU does others' work, arg: for that VM, its number plus 1; 0:
	 * the hypervisor's own. Without a vCPU: between two turns */
	TRACE_LEND = 15,
	TRACE_LEND_END = 16,
};

/* Groups that can be on or off: bits of trace_switch.groups. */
enum trace_group {
	TRACE_GROUP_SCHED = BIT(0), /* events 1 to 7, 15 and 16 */
	TRACE_GROUP_POLL = BIT(1),
	TRACE_GROUP_EXIT = BIT(2),
	TRACE_GROUP_INJECT = BIT(3),
	TRACE_GROUP_IPI = BIT(4),
	TRACE_GROUPS_ALL = 0x1f
};

/* Two words, so that a reader never sees half a record's time. */
struct trace_record {
	uint64_t tsc;
	uint32_t arg;
	uint16_t vcpu; /* struct sched_entity's id; 0: none */
	uint8_t event; /* enum trace_event */
	uint8_t info;
};

/* (o) the pCPU whose it is, (a) atomic. */
struct trace_ring {
	struct trace_record *records; /* (a) NULL: there is none */
	uint64_t mask;                /* (i) their number less one, once `records` is set */
	uint64_t head;                /* (o) written, (a) read: how many were ever written */
};

/* What is being traced, on all pCPUs. A cache line of its own: all read it, and it hardly changes.
 */
struct trace_switch {
	uint32_t groups; /* (a) 0: nothing */
} __aligned(CACHE_LINE);
extern struct trace_switch trace_switch;

/* 'all', 'off', or group names with commas between: 'sched,poll'. False for anything else. */
bool trace_parse_groups(const char *text, size_t len, uint32_t *groups);

/* Gives the ring room for `count` records, a power of two; from here on its pCPU may write. */
void trace_ring_init(struct trace_ring *ring, struct trace_record *records, uint64_t count);

/* One more. Its own pCPU, and nothing may come between that writes too. */
void trace_ring_write(struct trace_ring *ring, const struct trace_record *record);

/* A look through a ring, from its oldest record to what is its newest when that is reached. */
struct trace_reader {
	const struct trace_ring *ring;
	uint64_t next; /* number of the next record, counted from the first that was ever written */
	uint64_t end;  /* and of the one where the look ends */
	uint64_t lost; /* so many were written over before they were read */
};

void trace_reader_init(struct trace_reader *reader, const struct trace_ring *ring);

/* Copies the next records, `max` at most, to `out`, in the order in which they were written, and
 * returns their number; 0 at the end. */
size_t trace_reader_read(struct trace_reader *reader, struct trace_record *out, size_t max);

#endif
