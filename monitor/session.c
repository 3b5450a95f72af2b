/* Commands, piece by piece. */
#include "monitor/session.h"

#include "cpu/insn.h"
#include "guest/vm.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "monitor/commands.h"

/* Between two pieces, and until the next look when there is no room. */
#define PIECE_NS 100000
#define ROOM_NS  5000000

struct spinlock monitor_lock = SPINLOCK_INIT(LOCK_MONITOR);

static void end(struct session *s)
{
	s->command = NULL;
	s->ended(s, s->error);
}

static void do_piece(struct session *s)
{
	uint64_t pause = ROOM_NS;

	if (s->room(s) >= SESSION_PIECE_MAX) {
		if (s->command->run(s) == COMMAND_DONE || s->error[0]) {
			end(s);
			return;
		}
		s->step++;
		pause = PIECE_NS;
	}
	sched_timer_arm(&s->timer, rdtsc() + ns_to_tsc(&vm_machine.tsc, pause));
}

static void next_piece(struct sched_timer *timer, uint64_t now __unused)
{
	struct session *s = container_of(timer, struct session, timer);

	spin_lock(&monitor_lock);
	do_piece(s);
	spin_unlock(&monitor_lock);
}

void session_init(struct session *s)
{
	sched_timer_init(&s->timer, next_piece);
}

void session_start(struct session *s, const char *line)
{
	struct arg name;

	(void)str_copy(s->line, line, sizeof(s->line));
	s->args = s->line;
	s->step = 0;
	memset(s->state, 0, sizeof(s->state));
	s->error[0] = '\0';
	name = args_next(&s->args);
	s->command = command_find(name);
	if (!s->command) {
		if (name.len)
			session_fail(s, "there is no command '%.*s': help lists them", ARG(name));
		end(s);
		return;
	}
	do_piece(s);
}

void session_fail(struct session *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(s->error, sizeof(s->error), fmt, args);
	va_end(args);
}
