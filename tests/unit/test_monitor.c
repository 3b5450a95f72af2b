/* The monitor's commands: their words, the table, and sessions, which serve a command piece by
 * piece. The handlers are not linked: each of these stands for all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/vcpu_arch.h"
#include "monitor/commands.h"

static unsigned pieces; /* that the command takes */
static const char *failure;

static enum command_result serve(struct session *s)
{
	out_printf(&s->out, "piece %u\n", s->step);
	if (failure)
		session_fail(s, "%s", failure);
	return s->step + 1 < pieces ? COMMAND_MORE : COMMAND_DONE;
}

#define HANDLER(name)                                                                              \
	enum command_result command_##name(struct session *s)                                      \
	{                                                                                          \
		return serve(s);                                                                   \
	}
HANDLER(vms)
HANDLER(vcpus)
HANDLER(pcpus)
HANDLER(stats)
HANDLER(exits)
HANDLER(pause)
HANDLER(resume)
HANDLER(reset)
HANDLER(kill)
HANDLER(verdict)
HANDLER(quit)
HANDLER(pin)
HANDLER(weight)
HANDLER(dump)
HANDLER(x)
HANDLER(audit)
HANDLER(loglevel)
HANDLER(trace)
HANDLER(panic)
HANDLER(exit)
HANDLER(focus)
HANDLER(raw)
HANDLER(lines)
HANDLER(room)

static char text[8192];
static uint32_t room;
static unsigned ends;

static void write_text(struct out *out, const char *from, size_t len)
{
	(void)out;
	assert_int_equal(from[len - 1], '\n');
	strncat(text, from, len);
}

static uint32_t get_room(struct session *s)
{
	(void)s;
	return room;
}

static void ended(struct session *s, const char *error)
{
	assert_false(session_is_busy(s));
	ends++;
	strcat(text, *error ? "error: " : "ok");
	strcat(text, error);
}

static struct session session;
static struct vm vm[3];
static struct vcpu vcpus[3][2];

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	session = (struct session){.out = {write_text}, .room = get_room, .ended = ended};
	session_init(&session);
	text[0] = '\0';
	room = SESSION_PIECE_MAX;
	pieces = 1;
	failure = NULL;
	ends = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sched_timer_cancel(&session.timer);
	fake_machine_end();
	return 0;
}

/* --- words --- */

static void test_words(void **state)
{
	const char *line = "  pin  a.0\t0,1 ";

	(void)state;
	assert_true(arg_is(args_next(&line), "pin"));
	assert_true(arg_is(args_next(&line), "a.0"));
	assert_string_equal(line, "0,1 ");
	assert_true(arg_is(args_next(&line), "0,1"));
	assert_int_equal(args_next(&line).len, 0);
	assert_int_equal(args_next(&line).len, 0);
}

static struct arg arg(const char *word)
{
	return (struct arg){word, strlen(word)};
}

/* 'NAME, or NAME.NUMBER for one vCPU; a VM's whole name comes first, since names may have dots.' */
static void test_vm_names(void **state)
{
	static const char *const names[] = {"a", "a.1", "b"};
	struct vcpu *vcpu;
	struct vm *found;

	(void)state;
	for (unsigned i = vm_count(); i < ARRAY_SIZE(vm); i++) {
		strcpy(vm[i].name, names[i]);
		vm[i].params.vcpus = 2;
		vm[i].vcpu[0] = &vcpus[i][0];
		vm[i].vcpu[1] = &vcpus[i][1];
		assert_int_equal(vm_list(&vm[i]), 0);
	}
	assert_true(arg_vm(arg("a"), &found, &vcpu));
	assert_ptr_equal(found, &vm[0]);
	assert_null(vcpu);
	assert_true(arg_vm(arg("a.0"), &found, &vcpu));
	assert_ptr_equal(vcpu, vm[0].vcpu[0]);
	assert_true(arg_vm(arg("a.1"), &found, &vcpu));
	assert_ptr_equal(found, &vm[1]);
	assert_null(vcpu);
	assert_true(arg_vm(arg("a.1.1"), &found, &vcpu));
	assert_ptr_equal(vcpu, vm[1].vcpu[1]);
	assert_false(arg_vm(arg("b.2"), &found, &vcpu));
	assert_false(arg_vm(arg("b."), &found, &vcpu));
	assert_false(arg_vm(arg(".0"), &found, &vcpu));
	assert_false(arg_vm(arg("c"), &found, &vcpu));
	assert_false(arg_vm(arg(""), &found, &vcpu));

	assert_string_equal(command_complete("a", 1, true, 0), "a");
	assert_string_equal(command_complete("a", 1, true, 1), "a.1");
	assert_null(command_complete("a", 1, true, 2));
	assert_string_equal(command_complete("", 0, true, 2), "b");
}

/* '/COUNT FORMAT SIZE without spaces, each part optional.' */
static void test_formats(void **state)
{
	static const struct {
		const char *word;
		struct look_format want; /* count 0: refused */
	} cases[] = {
		{"/16xw", {16, 'x', 4}},
		{"/4xg", {4, 'x', 8}},
		{"/32xb", {32, 'x', 1}},
		{"/2s", {2, 's', 1}},
		{"/c", {1, 'c', 1}},
		{"/8", {8, 'x', 4}},
		{"/hd", {1, 'd', 2}},
		{"/4096o", {4096, 'o', 4}},
		{"/4cg", {4, 'c', 1}},
		{"/4097x", {0}},
		{"/0x", {0}},
		{"/", {0}},
		{"", {0}},
		{"16xw", {0}},
		{"/i", {0}},
		{"/99999999999999999999x", {0}},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct look_format f;
		bool is_good = arg_format(arg(cases[i].word), &f);

		assert_int_equal(is_good, cases[i].want.count != 0);
		if (!is_good)
			continue;
		assert_int_equal(f.count, cases[i].want.count);
		assert_int_equal(f.format, cases[i].want.format);
		assert_int_equal(f.size, cases[i].want.size);
	}
}

/* --- the table --- */

static void test_table(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		assert_ptr_equal(command_find(arg(command->name)), command); /* each name once */
		assert_non_null(command->run);
		assert_true(*command->help && !strchr(command->help, '\n'));
		assert_true(strlen(command->name) + strlen(command->usage) + strlen(command->help) <
			    OUT_LINE_MAX / 2);
	}
	assert_null(command_find(arg("vm")));
	assert_null(command_find(arg("")));
	assert_string_equal(command_complete("vc", 2, false, 0), "vcpus");
	assert_null(command_complete("vc", 2, false, 1));
	assert_null(command_complete("nothing", 7, false, 0));
}

static void test_help(void **state)
{
	(void)state;
	session_start(&session, "help");
	assert_non_null(strstr(text, "help [COMMAND]: "));
	assert_non_null(strstr(text, "\nweight VM NUMBER: "));
	/* 'SESSION_PIECE_MAX bytes at most' */
	assert_true(strlen(text) < SESSION_PIECE_MAX);
	assert_string_equal(text + strlen(text) - 2, "ok");
	text[0] = '\0';
	session_start(&session, "help vms");
	assert_string_equal(text, "vms: the VMs and how they are\nok");
	text[0] = '\0';
	session_start(&session, "help me");
	assert_string_equal(text, "error: there is no command 'me'");
}

/* --- sessions --- */

static void run_until(uint64_t tsc)
{
	fake_tsc_set(tsc);
	sched_run_timers(tsc);
}

/* 'One command at a time, in pieces; between two the pCPU runs its guests.' */
static void test_pieces(void **state)
{
	uint64_t now = rdtsc();

	(void)state;
	pieces = 3;
	session_start(&session, "vms");
	assert_string_equal(text, "piece 0\n");
	assert_true(session_is_busy(&session));
	run_until(now + 99999);
	assert_string_equal(text, "piece 0\n");
	run_until(now + 100000);
	assert_string_equal(text, "piece 0\npiece 1\n");
	run_until(now + 200000);
	assert_string_equal(text, "piece 0\npiece 1\npiece 2\nok");
	assert_int_equal(ends, 1);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
}

/* 'Each is so short that its output fits into what is free: no command waits.' */
static void test_without_room(void **state)
{
	uint64_t now = rdtsc();

	(void)state;
	room = SESSION_PIECE_MAX - 1;
	session_start(&session, "vms");
	run_until(now + 5000000);
	assert_string_equal(text, "");
	assert_true(session_is_busy(&session));
	room = SESSION_PIECE_MAX;
	run_until(now + 10000000);
	assert_string_equal(text, "piece 0\nok");
}

static void test_errors(void **state)
{
	(void)state;
	failure = "no";
	pieces = 2;
	session_start(&session, "vms");
	assert_string_equal(text, "piece 0\nerror: no"); /* and no second piece */
	text[0] = '\0';
	failure = NULL;
	pieces = 1;
	session_start(&session, "vms"); /* the old one is forgotten */
	assert_string_equal(text, "piece 0\nok");
	text[0] = '\0';
	session_start(&session, "nothing at all");
	assert_string_equal(text, "error: there is no command 'nothing': help lists them");
	text[0] = '\0';
	session_start(&session, "   ");
	assert_string_equal(text, "ok");
}

/* 'What is longer is cut.' */
static void test_long_lines(void **state)
{
	char line[2 * OUT_LINE_MAX];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	out_printf(&session.out, "%s\n", line);
	assert_int_equal(strlen(text), OUT_LINE_MAX - 1);
	session_start(&session, line);
	assert_false(session_is_busy(&session));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_words),        TEST(test_vm_names), TEST(test_formats),
		TEST(test_table),        TEST(test_help),     TEST(test_pieces),
		TEST(test_without_room), TEST(test_errors),   TEST(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
