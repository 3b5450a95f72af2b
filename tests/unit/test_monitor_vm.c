/* The monitor's commands about VMs, as docs/monitor.md has them: what they show of VMs that stand
 * still, what they do to them, and what they refuse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/pause.h"
#include "monitor/commands.h"

/* The table names them, and they are not asked here. */
#define HANDLER(name)                                                                              \
	enum command_result command_##name(struct session *s)                                      \
	{                                                                                          \
		(void)s;                                                                           \
		return COMMAND_DONE;                                                               \
	}
HANDLER(dump)
HANDLER(x)
HANDLER(trace)
HANDLER(audit)
HANDLER(loglevel)
HANDLER(panic)
HANDLER(focus)
HANDLER(raw)
HANDLER(lines)
HANDLER(room)
HANDLER(exit)
HANDLER(quit)

static struct vm *a, *b;
static char text[8192];
static struct session session;

static void write_text(struct out *out, const char *from, size_t len)
{
	(void)out;
	strncat(text, from, len);
}

static uint32_t get_room(struct session *s)
{
	(void)s;
	return SESSION_PIECE_MAX;
}

static void ended(struct session *s, const char *error)
{
	(void)s;
	strcat(text, *error ? "error: " : "ok");
	strcat(text, error);
}

/* The answer to a command that takes one word and more: the handler, without the table. */
static const char *answer(enum command_result (*run)(struct session *s), const char *args)
{
	text[0] = '\0';
	session = (struct session){.out = {write_text}, .room = get_room, .ended = ended};
	session.args = args;
	while (run(&session) == COMMAND_MORE && !session.error[0])
		session.step++;
	ended(&session, session.error);
	return text;
}

static bool has(const char *part)
{
	return strstr(text, part);
}

/* Listed VMs stay: there is no way back. */
static int group_setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	a = fake_vm_create(MIB(2), 2);
	strcpy(a->name, "a");
	a->params.weight = 2;
	a->params.slice = 2000;
	b = fake_vm_create(MIB(4), 1);
	strcpy(b->name, "b");
	b->params.weight = 1;
	assert_int_equal(vm_list(a) | vm_list(b), 0);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	vm_arch_destroy(a);
	vm_arch_destroy(b);
	return 0;
}

static void test_vms(void **state)
{
	(void)state;
	answer(command_vms, "");
	assert_true(has("VM           ID STATE     VCPUS  MEM_MIB WEIGHT  CAP RESTARTS WHY\n"));
	assert_true(has("\na             0 paused        2        2      2  100        0 -\n") ||
		    has("\na             0 running       2        2      2  100        0 -\n"));
	assert_true(has("\nb             1 "));
	assert_string_equal(text + strlen(text) - 2, "ok");
}

static unsigned lines(void)
{
	unsigned count = 0;

	for (const char *c = text; *c; c++)
		count += *c == '\n';
	return count;
}

/* `[VM[.VCPU]]`: without it all, in order. */
static void test_vcpus(void **state)
{
	(void)state;
	answer(command_vcpus, "");
	assert_int_equal(lines(), 1 + 3);
	assert_true(has("\na               0 stopped    0 -  "));
	assert_true(has("\na               1 stopped    0 -  "));
	assert_true(has("\nb               0 stopped    0 -  "));
	answer(command_vcpus, "a");
	assert_int_equal(lines(), 1 + 2);
	answer(command_vcpus, "a.1");
	assert_int_equal(lines(), 1 + 1);
	assert_true(has("\na               1 "));
	answer(command_vcpus, "c");
	assert_true(has("error: there is no VM or vCPU 'c'"));
}

static void test_exits(void **state)
{
	(void)state;
	fake_vcpu(a->vcpu[1])->exits[1] = 7;
	answer(command_exits, "a");
	assert_int_equal(lines(), 1 + 1); /* each reason that came */
	assert_true(has("\na               1          7 "));
	fake_vcpu(a->vcpu[1])->exits[1] = 0;
}

static void test_stats(void **state)
{
	(void)state;
	answer(command_stats, "b");
	assert_true(has("VM           vCPU pCPU   run ms"));
	assert_true(has("\nb               0    0 "));
	assert_false(has("\na  "));
}

static bool is_paused(const struct vcpu *vcpu)
{
	return vcpu->requests & VCPU_REQ_PAUSE_MONITOR;
}

static void test_pause(void **state)
{
	(void)state;
	assert_string_equal(answer(command_pause, "a.1"), "ok");
	assert_false(is_paused(a->vcpu[0]));
	assert_true(is_paused(a->vcpu[1]));
	assert_string_equal(answer(command_pause, "a"), "ok");
	assert_true(is_paused(a->vcpu[0]) && is_paused(a->vcpu[1]));
	assert_string_equal(answer(command_resume, "a.1"), "ok");
	assert_true(is_paused(a->vcpu[0]) && !is_paused(a->vcpu[1]));
	assert_string_equal(answer(command_resume, "a"), "ok");
	assert_false(is_paused(a->vcpu[0]));
	assert_string_equal(answer(command_pause, ""), "error: name a VM or vCPU");
	assert_string_equal(answer(command_pause, "c"), "error: there is no VM or vCPU 'c'");
	assert_string_equal(answer(command_reset, "a.0"), "error: there is no VM 'a.0'");
}

/* 'vCPU n runs on the n-th of these; pin VM.VCPU: on any of these; pin VM any: anywhere.' */
static void test_pin(void **state)
{
	(void)state;
	assert_string_equal(answer(command_pin, "a 0"), "ok");
	assert_int_equal(cpumask_count(&a->vcpu[0]->se.affinity), 1);
	assert_true(sched_may_run_on(&a->vcpu[1]->se, 0));
	assert_string_equal(answer(command_pin, "a.1 any"), "ok");
	assert_int_equal(cpumask_count(&a->vcpu[0]->se.affinity), 1);
	assert_true(sched_may_run_on(&a->vcpu[1]->se, 1));
	assert_string_equal(answer(command_pin, "a any"), "ok");
	assert_true(sched_may_run_on(&a->vcpu[0]->se, MAX_PCPUS - 1));

	answer(command_pin, "a 1");
	assert_string_equal(text, "error: there is no pCPU '1': there are 1, numbered from 0");
	assert_string_equal(answer(command_pin, "a 0,"), "error: there is no pCPU '': there are 1, "
							 "numbered from 0");
	assert_true(strstr(answer(command_pin, "a x"), "error: there is no pCPU 'x'"));
	assert_true(strstr(answer(command_pin, "a"), "error: there is no pCPU ''"));
	assert_true(sched_may_run_on(&a->vcpu[0]->se, MAX_PCPUS - 1)); /* nothing was done */

	/* 'Not for, and not onto the pCPUs of, a VM with hlt-exit=off.' */
	b->params.is_hlt_exit_off = true;
	assert_true(strstr(answer(command_pin, "b 0"), "error: VM 'b' must stay where it is"));
	assert_true(strstr(answer(command_pin, "a 0"), "error: pCPU 0 is VM 'b' alone's"));
	b->params.is_hlt_exit_off = false;
}

static void test_weight(void **state)
{
	(void)state;
	assert_string_equal(answer(command_weight, "a 6"), "ok");
	assert_int_equal(a->params.weight, 6);
	assert_int_equal(a->vcpu[0]->se.slice, 6000);
	assert_int_equal(a->vcpu[1]->se.slice, 6000);
	assert_string_equal(answer(command_weight, "a 1"), "ok");
	assert_int_equal(a->vcpu[0]->se.slice, 1000);
	assert_string_equal(answer(command_weight, "a 0"), "error: a weight is 1 to 100, not '0'");
	assert_string_equal(answer(command_weight, "a 101"),
			    "error: a weight is 1 to 100, not '101'");
	assert_string_equal(answer(command_weight, "a"), "error: a weight is 1 to 100, not ''");
	assert_int_equal(a->vcpu[0]->se.slice, 1000);
}

/* Last: these VMs have ended then. */
static void test_ends(void **state)
{
	(void)state;
	assert_string_equal(answer(command_verdict, "a maybe"),
			    "error: the verdict is 'ok' or 'failed', not 'maybe'");
	assert_false(a->has_ended);
	assert_string_equal(answer(command_verdict, "a ok that will do"), "ok");
	assert_true(a->has_ended && a->is_ok);
	assert_string_equal(a->reason, "that will do");
	assert_string_equal(answer(command_kill, "b for a test"), "ok");
	assert_true(b->has_ended && !b->is_ok);
	assert_string_equal(b->reason, "killed: for a test");
	assert_string_equal(answer(command_pause, "a"), "error: VM 'a' has ended");
	assert_string_equal(answer(command_kill, "a"), "error: VM 'a' has ended");
	answer(command_vms, "");
	assert_true(has(" ok ") && has(" that will do\n"));
	assert_true(has(" failed ") && has(" killed: for a test\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vms),    cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_exits),  cmocka_unit_test(test_stats),
		cmocka_unit_test(test_pause),  cmocka_unit_test(test_pin),
		cmocka_unit_test(test_weight), cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
