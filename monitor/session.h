/* Who gives commands and gets answers: the console, or a program at a serial port. One command at a
 * time, in pieces: each is so short that its output fits into what is free of the transmit ring,
 * and between two the pCPU runs its guests. So no command waits, and none makes a guest wait for
 * long.
 */
#ifndef MONITOR_SESSION_H
#define MONITOR_SESSION_H

#include "lib/spinlock.h"
#include "monitor/out.h"
#include "sched/timer.h"

#define SESSION_LINE_MAX  256u
#define SESSION_ERROR_MAX 192u
/* What a piece of a command may print. */
#define SESSION_PIECE_MAX 4096u

struct command;

struct session {
	struct out out;
	/* How many bytes can be written now without waiting. */
	uint32_t (*room)(struct session *s);
	/* The command is over: well, when there is no error. Lock held. */
	void (*ended)(struct session *s, const char *error);

	/* The rest under monitor_lock. */
	const struct command *command; /* that is being served; NULL: none */
	const char *args;              /* what stands behind its name */
	uint32_t step;                 /* how many pieces have been done */
	uint64_t state[4];             /* the command's own, from piece to piece; 0 at first */
	char line[SESSION_LINE_MAX];
	char error[SESSION_ERROR_MAX];
	struct sched_timer timer; /* the next piece */
};

/* Everything of the monitor's: the console, its prompt, the sessions. Rank LOCK_MONITOR. */
extern struct spinlock monitor_lock;

void session_init(struct session *s);

/* Begins a command, when none is being served; a line without one ends at once. Lock held. */
void session_start(struct session *s, const char *line);

static inline bool session_is_busy(const struct session *s)
{
	return s->command;
}

/* The command has failed, and ends with this message. */
void session_fail(struct session *s, const char *fmt, ...) __printf_like(2, 3);

#endif
