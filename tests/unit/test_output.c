/* How far a VM's console may be ahead of the port behind it (guest/output.h): 'at most two quotas
 * and a line', 'nothing is lost', and the vCPU that says more waits, nobody else. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/insn.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/log.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/pause.h"
#include "guest/vm.h"

#define COM1  0x3f8
#define QUOTA 1000u
#define LINE  60u /* and a newline */

/* --- the rule --- */

static struct guest_output output;

static bool count(uint32_t bytes, uint32_t given, uint32_t sent)
{
	return guest_output_count(&output, bytes, (struct log_pace){given, sent}, QUOTA);
}

static void test_rule(void **state)
{
	const uint32_t from = UINT32_MAX - 500; /* the counters wrap */

	(void)state;
	output = (struct guest_output){.mark = from};
	assert_false(count(QUOTA, from, from));
	assert_false(count(0, from + QUOTA, from));
	/* At the quota it is not yet ahead; a byte more, and the first has still to leave. */
	output = (struct guest_output){.mark = from + 1};
	assert_false(count(QUOTA, from + QUOTA, from));
	assert_true(count(1, from + QUOTA + 1, from));
	assert_true(count(0, from + QUOTA + 1, from));
	assert_int_equal(output.mark, from + 1);
	/* The mark has left: another quota, up to a new mark. */
	assert_false(count(QUOTA, from + 2 * QUOTA, from + 1));
	assert_int_equal(output.mark, from + 2 * QUOTA);
	assert_true(count(1, from + 2 * QUOTA + 1, from + 2));
	/* Nothing waits at the port: nobody is ahead, whatever has been said. */
	output = (struct guest_output){.mark = 1};
	assert_false(count(10 * QUOTA, 0, 0));
}

/* 'Has enough left, or does the port stand still?' A second at a look a millisecond. */
static void test_may_go_on(void **state)
{
	struct log_pace pace = {5000, 100};

	(void)state;
	output = (struct guest_output){.mark = 200};
	for (unsigned i = 0; i < 3000; i++) {
		pace.sent = 100 + i % 50; /* it moves */
		assert_false(guest_output_may_go_on(&output, pace));
	}
	pace.sent = 199;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(guest_output_may_go_on(&output, pace));
	assert_true(guest_output_may_go_on(&output, pace));
	assert_false(guest_output_may_go_on(&output, pace)); /* a second more */
	pace.sent = 200;
	assert_true(guest_output_may_go_on(&output, pace));
}

/* --- a VM whose port is slow --- */

static uint32_t given, sent;
static struct vm *vm;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	log_set_pace(&given, &sent);
	given = sent = 0;
	vm = fake_vm_create(MIB(2), 2);
	for (unsigned i = 0; i < 2; i++) {
		vm->vcpu[i]->activity = VCPU_ACTIVE;
		vm->vcpu[i]->requests = 0;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sched_this_runq()->current = NULL;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static bool is_held(const struct vcpu *vcpu)
{
	return vcpu->requests & VCPU_REQ_PAUSE_CONSOLE;
}

/* Says a line on this vCPU; the port takes nothing meanwhile. */
static void say_line(struct vcpu *vcpu)
{
	sched_this_runq()->current = &vcpu->se;
	fake_log_clear();
	for (unsigned i = 0; i < LINE; i++)
		io_write(vcpu, COM1, 1, 'x');
	given += LINE;
	io_write(vcpu, COM1, 1, '\n');
	given++;
	assert_int_equal(fake_log_count("| x"), 1); /* nothing is lost */
}

static void run_timers_for(uint64_t ns)
{
	for (uint64_t end = rdtsc() + ns; rdtsc() < end; fake_tsc_advance(1000000))
		sched_run_timers(rdtsc());
}

static void test_who_says_more_waits(void **state)
{
	unsigned lines = 0;

	(void)state;
	given = 1; /* something else is on its way */
	vm->output.mark = 1;
	while (!is_held(vm->vcpu[0])) {
		assert_true(lines * LINE < 2 * GUEST_OUTPUT_QUOTAS);
		say_line(vm->vcpu[0]);
		lines++;
	}
	assert_true(lines * LINE > GUEST_OUTPUT_QUOTAS / 2);
	assert_false(is_held(vm->vcpu[1])); /* it has said nothing */
	assert_true(vcpu_hold(vm->vcpu[0]));
	/* The other one is held with its next byte, not with its next quota. */
	sched_this_runq()->current = &vm->vcpu[1]->se;
	io_write(vm->vcpu[1], COM1, 1, 'y');
	assert_true(is_held(vm->vcpu[1]));
	/* As long as nothing leaves they wait. */
	run_timers_for(500000000);
	assert_true(is_held(vm->vcpu[0]) && is_held(vm->vcpu[1]));
	sent = 1;
	run_timers_for(2000000);
	assert_false(is_held(vm->vcpu[0]) || is_held(vm->vcpu[1]));
	assert_false(vcpu_hold(vm->vcpu[0]));
}

/* Whoever runs here meanwhile is not held for it: a device of another VM's turn says something. */
static void test_nobody_else_waits(void **state)
{
	struct vm *other = fake_vm_create(MIB(2), 1);

	(void)state;
	given = 1;
	vm->output.mark = 1;
	sched_this_runq()->current = &other->vcpu[0]->se;
	spin_lock(&vm->lock);
	assert_false(vm_output_given(vm, 2 * GUEST_OUTPUT_QUOTAS));
	spin_unlock(&vm->lock);
	assert_int_equal(other->vcpu[0]->requests, 0);
	assert_false(is_held(vm->vcpu[0]));
	sched_this_runq()->current = NULL;
	vm_destroy(other);
}

/* 'Does the port stand still? Then the log may find out that it is stuck.' */
static void test_stuck_port(void **state)
{
	(void)state;
	given = 1;
	vm->output.mark = 1;
	while (!is_held(vm->vcpu[0]))
		say_line(vm->vcpu[0]);
	run_timers_for(900000000);
	assert_true(is_held(vm->vcpu[0]));
	run_timers_for(200000000);
	assert_false(is_held(vm->vcpu[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_may_go_on),
		cmocka_unit_test_setup_teardown(test_who_says_more_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_else_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stuck_port, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
