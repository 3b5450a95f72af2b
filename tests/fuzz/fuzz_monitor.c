/* The monitor: what is typed at its prompt (keys, editing, completion) and each line that comes of
 * it as a command, with two VMs that stand still. A piece of an answer is bounded and made of whole
 * lines, a command ends after a bounded number of pieces, and its error is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "fuzz.h"
#include "guest/pause.h"
#include "lib/log.h"
#include "monitor/commands.h"
#include "monitor/edit.h"
#include "monitor/keys.h"

#define PIECES_MAX 1000u

/* Those that are not pure. */
#define HANDLER(name)                                                                              \
	enum command_result command_##name(struct session *s)                                      \
	{                                                                                          \
		(void)s;                                                                           \
		return COMMAND_DONE;                                                               \
	}
HANDLER(audit)
HANDLER(dump)
HANDLER(x)
HANDLER(trace)
HANDLER(loglevel)
HANDLER(panic)
HANDLER(focus)
HANDLER(raw)
HANDLER(lines)
HANDLER(room)
HANDLER(exit)
HANDLER(quit)

static struct session session;
static size_t piece;
static bool is_over;

static void write_text(struct out *out, const char *text, size_t len)
{
	(void)out;
	REQUIRE(len && text[len - 1] == '\n');
	piece += len;
	REQUIRE(piece <= SESSION_PIECE_MAX);
}

static uint32_t get_room(struct session *s)
{
	(void)s;
	return SESSION_PIECE_MAX;
}

static void ended(struct session *s, const char *error)
{
	(void)s;
	REQUIRE(strlen(error) < SESSION_ERROR_MAX);
	is_over = true;
}

static void run_command(const char *line)
{
	while (*line == ' ')
		line++;
	/* These end VMs or have one less: the next run would not begin alike. */
	if (!strncmp(line, "kill", 4) || !strncmp(line, "reset", 5) || !strncmp(line, "verdict", 7))
		return;
	piece = 0;
	is_over = false;
	session_start(&session, line);
	for (unsigned n = 0; session_is_busy(&session); n++) {
		REQUIRE(n < PIECES_MAX);
		piece = 0;
		fake_tsc_advance(100000000);
		sched_run_timers(rdtsc());
	}
	REQUIRE(is_over);
}

static void prepare(void)
{
	static bool is_prepared;
	char error[128];
	struct vm *vm;

	if (is_prepared)
		return;
	is_prepared = true;
	fake_machine_start(1000000);
	for (unsigned i = 0; i < 2; i++) {
		const struct vm_params params = {.name = i ? "b" : "a.1",
						 .mem = MIB(1),
						 .vcpus = 1 + i,
						 .topology = {1, 1 + i, 1},
						 .slice = 1000000,
						 .weight = 1};

		REQUIRE(!vm_create(&params, &vm, error, sizeof(error)));
		REQUIRE(!vm_list(vm));
	}
	session = (struct session){.out = {write_text}, .room = get_room, .ended = ended};
	session_init(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edit edit;
	struct keys keys = {0};
	struct input in = {data, size};
	char text[512];

	prepare();
	memset(&edit, 0, sizeof(edit));
	while (in.left) {
		uint8_t byte = take8(&in);
		enum edit_event event;

		if (keys_feed(&keys, byte) == KEYS_COMMAND)
			run_command(keys.line);
		event = edit_feed(&edit, byte);
		REQUIRE(edit.at <= edit.len && edit.len < EDIT_LINE_MAX);
		REQUIRE(strlen(edit.line) == edit.len);
		REQUIRE(edit_render(&edit, "(carousel) ", 20 + byte % 80, text, sizeof(text)) <
			sizeof(text));
		if (event == EDIT_TAB) {
			const char *name = command_complete(edit.line, edit.at, false, byte % 3);

			if (name)
				edit_insert(&edit, name, strlen(name));
		}
		if (event == EDIT_LINE) {
			run_command(edit.line);
			edit_next(&edit);
		}
	}
	return 0;
}
