/* A VM that begins anew after a reset, step by step, and whoever comes in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/serial_reg.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/platform.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "mm/page.h"

#include <string.h>

#define COM1     0x3f8
#define MEM      MIB(9)
#define IMAGE    KIB(400)
#define MARK_LOW 0x5000u
#define MARK_TOP (MEM - 8)

static struct vm *vm;
static unsigned reloads;
static int reload_result;

/* A large image that it notes. */
static int fake_reload(struct vm *which, char *error, size_t error_size)
{
	static uint8_t image[IMAGE];

	reloads++;
	if (reload_result) {
		fmt_snprintf(error, error_size, "no image");
		return reload_result;
	}
	memset(image, 0x11, sizeof(image));
	which->vcpu[0]->activity = VCPU_ACTIVE;
	return guest_fill_add(which->restart.fill, &which->gmem, GPA(MARK_LOW + 8), image,
			      sizeof(image));
}

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	vm_machine.reload = fake_reload;
	reloads = 0;
	reload_result = 0;
	vm = fake_vm_create(MEM, 2);
	vm->params.restarts = 2;
	vm->restart.fill = pages_alloc_zeroed(sizeof(*vm->restart.fill));
	vm->vcpu[0]->activity = VCPU_ACTIVE;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static uint64_t peek(uint64_t gpa)
{
	uint64_t value;

	assert_int_equal(gmem_read(&vm->gmem, GPA(gpa), &value, sizeof(value)), 0);
	return value;
}

static void poke(uint64_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&vm->gmem, GPA(gpa), &value, sizeof(value)), 0);
}

/* The reset control register, as Linux and ACPI use it. */
static void guest_resets(void)
{
	io_write(vm->vcpu[0], 0xcf9, 1, 0x02);
	io_write(vm->vcpu[0], 0xcf9, 1, 0x06);
}

static void assert_stopping(void)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		assert_true(vm->vcpu[i]->requests & VCPU_REQ_STOP);
}

static void assert_ended(bool is_ok, const char *reason)
{
	assert_true(vm->has_ended);
	assert_int_equal(vm->is_ok, is_ok);
	assert_string_equal(vm->reason, reason);
	assert_stopping();
}

/* vCPU 0 runs: nobody waits any more. */
static void take_vcpu0(void)
{
	__atomic_store_n(&sched_this_runq()->waiting, 0, __ATOMIC_RELAXED);
}

static void run_restart(void)
{
	take_vcpu0();
	for (unsigned steps = 0; !vm_restart_step(vm); steps++)
		assert_true(steps < 100);
}

/* Without on-reset=restart a reset ends the VM. */
static void test_no_restart(void **state)
{
	(void)state;
	vm->params.restarts = 0;
	vm->params.is_reset_ok = true;
	guest_resets();
	assert_false(vm->is_resetting);
	assert_ended(true, "reset");
	assert_int_equal(fake_machine_ends(), 1);
}

static void test_restart(void **state)
{
	struct vcpu *vcpu0 = vm->vcpu[0], *vcpu1 = vm->vcpu[1];
	unsigned steps = 0;

	(void)state;
	poke(MARK_LOW, 1);
	poke(MARK_TOP, 2);
	io_write(vcpu0, COM1 + UART_IER, 1, UART_IER_RDI);
	io_write(vcpu0, 0x70, 1, 0x50); /* a byte of CMOS memory */
	io_write(vcpu0, 0x71, 1, 0xa5);
	io_write(vcpu0, 0x70, 1, 0x0b); /* and the periodic interrupt */
	io_write(vcpu0, 0x71, 1, 0x42);
	assert_true(deadline_next(&vm->timers) != DEADLINE_NEVER);
	vcpu1->tsc_adjust = 7;
	vcpu1->mtrr[0] = 6;
	vcpu1->activity = VCPU_ACTIVE;
	vm->has_unequal_tscs = true;

	guest_resets();
	assert_true(vm->is_resetting);
	assert_false(vm->has_ended);
	assert_stopping();
	assert_int_equal(fake_machine_ends(), 1); /* the reaper was called */
	guest_resets();                           /* by another vCPU, before it stops */
	assert_int_equal(fake_machine_ends(), 1);

	vm_begin_restart(vm);
	assert_false(vm->is_resetting);
	assert_int_equal(vm->restarts, 1);
	assert_int_equal(vcpu0->requests, VCPU_REQ_RESTART);
	assert_int_equal(vcpu1->requests, 0);
	assert_int_equal(vcpu0->se.state, SCHED_RUNNABLE);
	assert_int_equal(vcpu1->se.state, SCHED_STOPPED);

	/* In pieces: a step is bounded, whatever mem= and the image are. Somebody who waits is let
	 * on after each; otherwise one look at the time in ten begins a new one. */
	assert_false(vm_restart_step(vm));
	assert_int_equal(vm->restart.phase, RESTART_ZERO);
	assert_false(vm_restart_step(vm));
	assert_int_equal(vm->restart.done, KIB(16));
	take_vcpu0();
	fake_tsc_set_step(100000);
	while (!vm_restart_step(vm)) {
		assert_true(reloads || !vm->restart.fill->next);
		steps++;
	}
	fake_tsc_set_step(0);
	assert_in_range(steps, (MEM + IMAGE) / KIB(16) / 11, (MEM + IMAGE) / KIB(16) / 8 + 4);
	assert_int_equal(reloads, 1);
	assert_int_equal(peek(MARK_LOW + 8), 0x1111111111111111);
	assert_int_equal(peek(MARK_LOW + IMAGE), 0x1111111111111111);
	assert_int_equal(peek(MARK_LOW + 8 + IMAGE), 0);
	assert_int_equal(peek(MARK_LOW), 0);
	assert_int_equal(peek(MARK_TOP), 0);
	assert_int_equal(io_read(vcpu0, COM1 + UART_IER, 1), 0);
	assert_int_equal(io_read(vcpu0, 0xcf9, 1), 0);
	assert_int_equal(deadline_next(&vm->timers), DEADLINE_NEVER);
	assert_int_equal(vcpu1->tsc_adjust, 0);
	assert_int_equal(vcpu1->mtrr[0], 0x0606060606060606);
	assert_false(vm->has_unequal_tscs);
	assert_int_equal(vm->dev.apic_bus.count, 2);
	assert_int_equal(vcpu1->activity, VCPU_WAIT_FOR_STARTUP);
	assert_int_equal(vcpu1->se.state, SCHED_RUNNABLE);
	/* The RTC's memory has a battery. */
	io_write(vcpu0, 0x70, 1, 0x50);
	assert_int_equal(io_read(vcpu0, 0x71, 1), 0xa5);
	io_write(vcpu0, 0x70, 1, 0x0b);
	assert_int_equal(io_read(vcpu0, 0x71, 1), 0x02);
}

/* By the monitor, while the image is being put there: all of it once more. */
static void test_reset_while_it_is_filled(void **state)
{
	(void)state;
	guest_resets();
	vm_begin_restart(vm);
	take_vcpu0();
	fake_tsc_set_step(100000);
	do
		assert_false(vm_restart_step(vm));
	while (!vm->restart.fill->done);
	fake_tsc_set_step(0);
	vm_reset(vm);
	sched_entity_init(&vm->vcpu[0]->se, vcpu_arch_sched_ops(), &CPUMASK(1), 1000, 0);
	vm_begin_restart(vm);
	run_restart();
	assert_int_equal(reloads, 2);
	assert_int_equal(peek(MARK_LOW + 8), 0x1111111111111111);
	assert_int_equal(peek(MARK_LOW + IMAGE), 0x1111111111111111);
	assert_int_equal(peek(MARK_LOW + 8 + IMAGE), 0);
}

/* The count bounds a guest that resets for ever. */
static void test_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		guest_resets();
		assert_true(vm->is_resetting);
		/* As when its vCPUs have stopped. */
		for (unsigned k = 0; k < 2; k++)
			sched_entity_init(&vm->vcpu[k]->se, vcpu_arch_sched_ops(), &CPUMASK(1),
					  1000, 0);
		vm_begin_restart(vm);
		run_restart();
	}
	assert_false(vm->has_ended);
	guest_resets();
	assert_false(vm->is_resetting);
	assert_ended(false, "reset after 2 restarts; on-reset=restart:COUNT permits more");
}

/* A line that did not end goes to the port, and counts as any other: resets are no way around the
 * quota. */
static void test_partial_line_counts(void **state)
{
	const unsigned len = 10;

	(void)state;
	for (unsigned i = 0; i < len; i++)
		io_write(vm->vcpu[0], 0xe9, 1, 'x');
	assert_int_equal(vm->output.bytes, 0);
	guest_resets();
	vm_begin_restart(vm);
	run_restart();
	assert_int_equal(vm->console.len, 0);
	assert_int_equal(vm->output.bytes, strlen(vm->name) + strlen("| ") + len + strlen("\n"));
}

/* Ended from the console while its vCPUs stop: no restart, whichever comes first. */
static void test_end_wins(void **state)
{
	(void)state;
	guest_resets();
	assert_true(vm_end(vm, false, "quit"));
	vm_begin_restart(vm);
	assert_false(vm->is_resetting);
	assert_int_equal(vm->restarts, 0);
	assert_int_equal(vm->vcpu[0]->se.state, SCHED_STOPPED);
	assert_true(vm->has_ended);
	assert_string_equal(vm->reason, "quit");
}

/* Ended while vCPU 0 zeroes: the request to stop stays. */
static void test_end_in_between(void **state)
{
	(void)state;
	guest_resets();
	vm_begin_restart(vm);
	fake_tsc_set_step(1000000);
	assert_false(vm_restart_step(vm));
	fake_tsc_set_step(0);
	assert_true(vm_end(vm, true, "by command"));
	assert_ended(true, "by command");
	run_restart();
	assert_stopping();
}

static void test_reload_fails(void **state)
{
	(void)state;
	reload_result = -ENOEXEC;
	guest_resets();
	vm_begin_restart(vm);
	run_restart();
	assert_ended(false, "restart: no image");
	assert_int_equal(vm->vcpu[1]->se.state, SCHED_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_while_it_is_filled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partial_line_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload_fails, setup, teardown),
	};

	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
