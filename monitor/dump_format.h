/* What Carousel writes to the port of `dump=`: its counters and its trace, for programs.
 * tools/carousel_lib/dump.py reads it.
 *
 * A stream is a sequence of frames: struct dump_frame, `length` bytes of payload, no padding. All
 * numbers are little-endian. Who reads looks for the magic, checks version, length and CRC, and
 * where one is wrong looks for the next magic: a stream may begin with noise of the firmware's, and
 * a dump may be cut short by another one. Frames of unknown type are to be skipped, and bytes
 * behind the payload's known ones ignored: what is new is appended.
 *
 * A dump is a DUMP_BEGIN, frames of which each comes behind those that it refers to, and a DUMP_END
 * that counts them. There may be several in a stream (one for each `dump` of the monitor's, one at
 * the end); the last one tells all. */
#ifndef MONITOR_DUMP_FORMAT_H
#define MONITOR_DUMP_FORMAT_H

#include "lib/types.h"

#define DUMP_MAGIC       0x4c535243u /* "CRSL" */
#define DUMP_VERSION     1
#define DUMP_LENGTH_MAX  65536u
#define DUMP_NAME_MAX    32u
#define DUMP_BUCKETS_MAX 64u

struct dump_frame {
	uint32_t magic;
	uint16_t version;
	uint16_t type;   /* enum dump_type: which of the structures below the payload is */
	uint32_t length; /* of the payload, DUMP_LENGTH_MAX at most */
	uint32_t crc;    /* CRC-32 (IEEE 802.3) of the 12 bytes before it and the payload */
};

enum dump_type {
	DUMP_BEGIN = 1,
	DUMP_VM = 2,
	DUMP_VCPU = 3,
	DUMP_EXITS = 4, /* one exit reason of one vCPU that came at least once */
	DUMP_HISTOGRAM = 5,
	DUMP_PCPU = 6,
	DUMP_TRACE = 7,
	DUMP_END = 8,
};

enum dump_reason { DUMP_AT_END = 0, DUMP_BY_COMMAND = 1 };

struct dump_begin {
	uint64_t tsc;    /* when it was taken: the end of all that is still open */
	uint64_t tsc_hz; /* ticks a second */
	uint32_t reason; /* enum dump_reason */
	uint32_t pcpus, vms;
	uint32_t trace_groups; /* enum trace_group: what is traced now */
};

struct dump_vm {
	uint32_t id, vcpus;
	uint32_t has_ended, is_ok; /* 0 or 1 */
	uint32_t restarts, reserved;
	uint8_t name[DUMP_NAME_MAX]; /* zeros behind it */
	uint64_t devices; /* TSC ticks: its devices' work outside its turns, while others waited */
};

/* Times are TSC ticks unless the name says otherwise. run + wait + halt + stop + lent = at -
 * created. */
struct dump_vcpu {
	uint32_t id; /* as in trace records */
	uint32_t vm, index, pcpu;
	uint32_t state; /* enum sched_state */
	uint32_t reserved;
	uint64_t created, at; /* `at`: when the following were read */
	uint64_t stop, wait, run,
		halt; /* in the order of enum sched_state; wait is steal time, as lent is */
	uint64_t switches, migrations, wakes, injections, spin_yields;
	uint64_t pv_eois, pv_tlb_flushes;
	uint64_t halt_attempted_poll, halt_successful_poll, halt_poll_invalid, halt_wakeup;
	uint64_t halt_poll_success_ns, halt_poll_fail_ns, halt_wait_ns;
	uint64_t lent; /* its pCPU worked for others in its turns; steal time, as wait */
};

/* Not an exit but what was done from switch-in to the first entry. */
#define DUMP_TURN_STARTS UINT32_MAX

struct dump_exits {
	uint32_t vcpu, reason;       /* the SDM's basic exit reason, or DUMP_TURN_STARTS */
	uint64_t count, ticks;       /* ticks: until the next entry, or the end of the turn */
	uint8_t name[DUMP_NAME_MAX]; /* the reason's, of the SDM */
	uint32_t buckets, first;     /* first: log2 of the first bucket's ticks */
				     /* then uint64_t count[buckets]: a histogram of the ticks */
};

enum dump_histogram_kind {
	DUMP_WAKE_LATENCY = 1, /* from the wake-up until it is switched in */
	DUMP_POLL_SUCCESS = 2, /* of halt polls that the event ended */
	DUMP_POLL_FAIL = 3,    /* of halt polls that it did not */
	DUMP_HALT_WAIT = 4,    /* blocked in a halt */
};

enum dump_unit { DUMP_TICKS = 0, DUMP_NS = 1 };

/* Bucket n counts what took [2^n, 2^(n+1)) units; bucket 0 also has 0. Buckets behind the last that
 * is not 0 are left out; so is a histogram without one. */
struct dump_histogram {
	uint32_t vcpu;
	uint16_t kind, unit;
	uint32_t buckets, reserved;
	/* then uint64_t count[buckets] */
};

/* Idle is halted with nothing to run; what is not idle is busy, halt polling included. */
struct dump_pcpu {
	uint32_t id, apic_id;
	int64_t tsc_offset; /* to be added to TSCs of this pCPU */
	uint64_t life, idle;
	uint64_t ipis_sent, ipis_taken;
	uint64_t interrupts;       /* all of them */
	uint64_t timer_interrupts; /* of its local APIC */
	uint64_t timers;           /* that have expired */
	uint64_t nmis;
	uint64_t pulls, pushes; /* vCPUs taken from and given to others */
};

/* A part of a pCPU's trace; the parts of one come in order. */
struct dump_trace {
	uint32_t pcpu, count;
	uint64_t first; /* number of the first record, counted from the first ever written */
	/* then struct trace_record record[count] (lib/trace.h). Numbers that are in no part were
	 * written over. */
};

struct dump_end {
	uint32_t frames; /* of this dump, DUMP_BEGIN and DUMP_END included */
	uint32_t reserved;
};

_Static_assert(sizeof(struct dump_frame) == 16 && sizeof(struct dump_begin) == 32 &&
		       sizeof(struct dump_vm) == 64 && sizeof(struct dump_vcpu) == 192 &&
		       sizeof(struct dump_exits) == 64 && sizeof(struct dump_histogram) == 16 &&
		       sizeof(struct dump_pcpu) == 96 && sizeof(struct dump_trace) == 16 &&
		       sizeof(struct dump_end) == 8,
	       "the structures have no holes, and dump.py knows their sizes");

#endif
