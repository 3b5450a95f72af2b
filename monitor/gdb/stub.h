/* A session of gdb's remote protocol: packets in, replies out, over a table of functions that are
 * the debugged machine. All-stop: either all threads run, or all have stopped. Threads are numbered
 * from 1. Pure. */
#ifndef MONITOR_GDB_STUB_H
#define MONITOR_GDB_STUB_H

#include "guest/debug.h"
#include "monitor/gdb/packet.h"

/* What a thread does when the others go on. */
enum gdb_action { GDB_STAY, GDB_CONTINUE, GDB_STEP };

enum gdb_signal { GDB_SIGNAL_INT = 2, GDB_SIGNAL_TRAP = 5 };

/* Why all have stopped. */
struct gdb_stop {
	enum gdb_signal signal;
	uint32_t thread;
	struct debug_stop reason;
};

/* The machine. All but interrupt, and those that send, are called while all threads have stopped.
 */
struct gdb_target {
	void *context; /* handed to each */
	uint32_t threads;
	/* Bytes to gdb. */
	void (*send)(void *context, const char *bytes, size_t len);
	/* Stop all: gdb_stopped soon. */
	void (*interrupt)(void *context);
	/* As asked for by `action`, threads of them: gdb_stopped at some time. */
	void (*resume)(void *context, const enum gdb_action *action);
	/* The thread's registers, to be read; and, before one is changed, to be written. */
	struct debug_regs *(*registers)(void *context, uint32_t thread);
	/* They have been changed. False, and they are to be as before, when they cannot be so. */
	bool (*accept_registers)(void *context, uint32_t thread);
	size_t (*read)(void *context, uint32_t thread, uint64_t address, void *to, size_t len);
	int (*write)(void *context, uint32_t thread, uint64_t address, const void *from,
		     size_t len);
	int (*insert)(void *context, uint32_t thread, enum debug_point_type type, uint64_t address,
		      uint64_t len);
	int (*remove)(void *context, enum debug_point_type type, uint64_t address, uint64_t len);
	/* A few words on what the thread is doing. */
	void (*describe)(void *context, uint32_t thread, char *text, size_t size);
	/* gdb has gone: no point is left, all go on. */
	void (*detach)(void *context);
	void (*kill)(void *context);
};

struct gdb_stub {
	const struct gdb_target *target;
	bool is_running;    /* else all threads have stopped */
	bool is_ended;      /* for good */
	bool is_reply_owed; /* gdb waits for the next stop */
	bool is_silent;     /* what is being served has no reply now */
	bool is_without_acks;
	uint8_t exit_status;                  /* once is_ended */
	uint32_t read_thread;                 /* of g, m, ...: never 0 */
	int32_t resume_thread;                /* of s and c: -1 all, 0 the read thread */
	struct gdb_stop stop;                 /* the last */
	enum gdb_action action[MAX_VM_VCPUS]; /* how they went on the last time */
	/* A range that one thread steps through without a word to gdb; 0: none does. */
	uint32_t range_thread;
	uint64_t range_start, range_end;
	struct gdb_receiver in;
	struct gdb_text reply;
	char frame[GDB_FRAME_MAX]; /* the last that was sent, for when gdb asks again */
	size_t frame_len;
};

/* Threads run. */
void gdb_begin(struct gdb_stub *stub, const struct gdb_target *target);

/* One byte from gdb. */
void gdb_feed(struct gdb_stub *stub, uint8_t byte);

/* All threads have stopped. */
void gdb_stopped(struct gdb_stub *stub, const struct gdb_stop *stop);

/* They never run again. */
void gdb_ended(struct gdb_stub *stub, uint8_t status);

#endif
