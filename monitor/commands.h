/* The monitor's commands: one table for the console (Ctrl-A :), its prompt (Ctrl-A m) and programs
 * (monitor=PORT). docs/monitor.md has them for users. */
#ifndef MONITOR_COMMANDS_H
#define MONITOR_COMMANDS_H

#include "monitor/args.h"
#include "monitor/session.h"

enum command_result {
	COMMAND_DONE,
	COMMAND_MORE, /* to be called again, for the next piece: s->step counts */
};

struct command {
	const char *name;
	const char *usage; /* what stands behind the name */
	const char *help;  /* one line */
	/* Prints, by s->out, SESSION_PIECE_MAX bytes at most; session_fail ends it. Monitor lock
	 * held, interrupts on. */
	enum command_result (*run)(struct session *s);
};

extern const struct command commands[];
extern const uint32_t command_count;

/* NULL: there is none of that name. */
const struct command *command_find(struct arg name);

/* The `n`-th command, or VM when `is_vm`, whose name begins with this; NULL: there are no more. */
const char *command_complete(const char *start, size_t len, bool is_vm, uint32_t n);

/* The handlers, by what they are about. cmd_show.c: */
enum command_result command_vms(struct session *s);
enum command_result command_vcpus(struct session *s);
enum command_result command_pcpus(struct session *s);
enum command_result command_stats(struct session *s);
enum command_result command_exits(struct session *s);
/* cmd_vm.c: */
enum command_result command_pause(struct session *s);
enum command_result command_resume(struct session *s);
enum command_result command_reset(struct session *s);
enum command_result command_kill(struct session *s);
enum command_result command_verdict(struct session *s);
enum command_result command_pin(struct session *s);
enum command_result command_weight(struct session *s);
/* cmd_look.c: */
enum command_result command_dump(struct session *s);
enum command_result command_x(struct session *s);
/* cmd_host.c: */
enum command_result command_audit(struct session *s);
enum command_result command_loglevel(struct session *s);
enum command_result command_trace(struct session *s);
extern uint32_t command_trace_records; /* (i) trace-records= */
enum command_result command_panic(struct session *s);
/* console.c: */
enum command_result command_exit(struct session *s);
/* focus.c: */
enum command_result command_focus(struct session *s);
enum command_result command_raw(struct session *s);
enum command_result command_lines(struct session *s);
enum command_result command_room(struct session *s);
enum command_result command_quit(struct session *s);

#endif
