/* The monitor's tables, letter by letter (docs/monitor.md), with a number of its own in each
 * column. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/insn.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "monitor/commands.h"

#define MS    1000000ull
#define START (7 * MS)

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

static const char *answer(enum command_result (*run)(struct session *s), const char *args)
{
	struct session s = {.out = {.write = write_text}, .room = get_room, .args = args};

	text[0] = '\0';
	while (run(&s) == COMMAND_MORE)
		s.step++;
	strcat(text, s.error);
	return text;
}

/* Listed VMs stay. */
static int group_setup(void **state)
{
	struct sched_entity *se;

	(void)state;
	fake_machine_start(START);
	a = fake_vm_create(MIB(2), 2);
	strcpy(a->name, "a");
	a->params.weight = 3;
	b = fake_vm_create(MIB(5), 1);
	strcpy(b->name, "bee");
	b->params.weight = 4;
	b->params.cap = 25;
	assert_int_equal(vm_list(a) | vm_list(b), 0);
	se = &a->vcpu[1]->se;
	sched_set_state(se, SCHED_RUNNABLE, START + 1 * MS);
	sched_set_state(se, SCHED_RUNNING, START + 3 * MS);
	sched_set_state(se, SCHED_BLOCKED, START + 10 * MS);
	fake_tsc_set(START + 21 * MS);
	se->switches = 5;
	se->moves = 6;
	se->pcpu = 0;
	fake_vcpu(a->vcpu[1])->exits[0] = 8;
	fake_vcpu(a->vcpu[1])->exits[1] = 30;
	fake_vcpu(b->vcpu[0])->exits[1] = 2;
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	vm_arch_destroy(a);
	vm_arch_destroy(b);
	return 0;
}

#define VMS "VM           ID STATE     VCPUS  MEM_MIB WEIGHT  CAP RESTARTS WHY\n"
#define VCPUS                                                                                      \
	"VM           VCPU STATE   PCPU PIN      RUN_MS  WAIT_MS  HALT_MS      EXITS SWITCHES    " \
	"MOVES\n"

static void test_vms(void **state)
{
	(void)state;
	a->restarts = 9;
	b->has_ended = true;
	b->is_ok = true;
	strcpy(b->reason, "powered off");
	assert_string_equal(
		answer(command_vms, ""),
		VMS "a             0 running       2        2      3  100        9 -\n"
		    "bee           1 ok            1        5      4   25        0 powered off\n");
	b->is_ok = false;
	assert_non_null(strstr(answer(command_vms, ""), "bee           1 failed  "));
	b->has_ended = false;
	b->is_resetting = true;
	assert_non_null(strstr(answer(command_vms, ""), "bee           1 resetting  "));
	b->is_resetting = false;
	a->restarts = 0;
}

static void test_vcpus(void **state)
{
	const char *first = "a               0 stopped    0 -             0        0        0      "
			    "    0        0        0\n";
	const char *second = "a               1 halted     0 -             7        2       11     "
			     "    38        5        6\n";
	const char *third = "bee             0 stopped    0 -             0        0        0      "
			    "    2        0        0\n";
	char all[1024];

	(void)state;
	a->vcpu[1]->activity = VCPU_ACTIVE;
	strcpy(all, VCPUS);
	strcat(strcat(strcat(all, first), second), third);
	assert_string_equal(answer(command_vcpus, ""), all);
	strcpy(all, VCPUS);
	strcat(strcat(all, first), second);
	assert_string_equal(answer(command_vcpus, "a"), all);
	strcpy(all, VCPUS);
	strcat(all, second);
	assert_string_equal(answer(command_vcpus, "a.1"), all);
	assert_string_equal(answer(command_vcpus, "a.2"), VCPUS "there is no VM or vCPU 'a.2'");
	/* The other states, and a vCPU that may not run anywhere here but where it is pinned. */
	a->vcpu[1]->activity = VCPU_WAIT_FOR_STARTUP;
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " startup "));
	a->vcpu[1]->activity = VCPU_ACTIVE;
	a->vcpu[1]->se.state = SCHED_RUNNABLE;
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " waiting "));
	a->vcpu[1]->se.state = SCHED_RUNNING;
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " running "));
	a->vcpu[1]->se.state = SCHED_BLOCKED;
}

static void test_pins(void **state)
{
	(void)state;
	while (percpu_count() < 4)
		fake_percpu_attach(percpu_count());
	fake_percpu_attach(0);
	a->vcpu[1]->se.affinity = CPUMASK(BIT(0) | BIT(3));
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " 0,3    "));
	a->vcpu[1]->se.affinity = CPUMASK(BIT(2));
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " 2      "));
	a->vcpu[1]->se.affinity = CPUMASK(0xf);
	assert_non_null(strstr(answer(command_vcpus, "a.1"), " -      "));
}

static void test_exits(void **state)
{
	(void)state;
	assert_string_equal(answer(command_exits, ""),
			    "VM           VCPU      COUNT           TICKS REASON\n"
			    "a               1          8             800 CPUID\n"
			    "a               1         30            3000 HLT\n"
			    "bee             0          2             200 HLT\n");
	assert_string_equal(answer(command_exits, "a.0"),
			    "VM           VCPU      COUNT           TICKS REASON\n");
}

#define PCPUS                                                                                      \
	"PCPU  APIC STATE VCPU           QUEUED LOAD    UP_MS  IDLE_MS     IPIS    PULLS   "       \
	"PUSHES\n"

static void test_pcpus(void **state)
{
	struct runq *rq = sched_this_runq();
	struct percpu *cpu = percpu_get(0);

	(void)state;
	rq->waiting = 2;
	rq->load = 3;
	rq->idle_time = 4 * MS;
	rq->pulls = 5;
	rq->pushes = 6;
	cpu->ipi_sent = 7;
	cpu->apic_id = 8;
	assert_non_null(strstr(answer(command_pcpus, ""),
			       PCPUS "   0     8 idle  -                   2    3        0        "
				     "4        7        5        6\n"));
	rq->current = &a->vcpu[1]->se;
	rq->started = START + 9 * MS;
	assert_non_null(strstr(answer(command_pcpus, ""),
			       PCPUS "   0     8 busy  a.1                 2    3       12        "
				     "4        7        5        6\n"));
	rq->current = NULL;
	rq->waiting = 0;
}

/* The pCPUs' NMIs stand at the end of all, and not below an error. */
static void test_stats(void **state)
{
	(void)state;
	percpu_get(0)->nmi_count = 4;
	assert_non_null(
		strstr(answer(command_stats, ""), "\npCPU 0: 4 NMIs that nobody asked for\n"));
	assert_int_equal(strncmp(text, "VM           vCPU", 17), 0);
	assert_null(strstr(answer(command_stats, "c"), "NMIs"));
	assert_non_null(strstr(text, "there is no VM or vCPU 'c'"));
	assert_null(strstr(answer(command_stats, "a"), "bee"));
	percpu_get(0)->nmi_count = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vms),   cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_exits), cmocka_unit_test(test_pcpus),
		cmocka_unit_test(test_stats), cmocka_unit_test(test_pins),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
