/* Pausing vCPUs, step by step: what keeps one out of the guest, what wakes it, and what stays
 * pending for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/insn.h"
#include "devices/lapic.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/vcpu_arch.h"
#include "guest/pause.h"
#include "guest/platform.h"

#define VECTOR 0x50

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	vm = fake_vm_create(MIB(2), 2);
	vcpu = vm->vcpu[0];
	for (unsigned i = 0; i < 2; i++) {
		vm->vcpu[i]->activity = VCPU_ACTIVE;
		vm->vcpu[i]->requests = 0;
	}
	lapic_mmio_write(&vcpu->lapic, LAPIC_SVR, 0x1ff);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

/* As the scheduler does it: the vCPU looks, and what it blocks for. */
static void start(void)
{
	vm_start(vm);
	fake_pcpu_run(sched_loop);
}

static void assert_waits(uint32_t state)
{
	assert_int_equal(vcpu->se.state, state);
}

/* Reasons are independent, and each counts once. */
static void test_reasons(void **state)
{
	(void)state;
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_DEBUGGER);
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_DEBUGGER);
	assert_false(vcpu_hold(vcpu));
	assert_int_equal(vcpu->requests, 0);
	/* The other vCPU was never meant. */
	assert_false(vcpu_hold(vm->vcpu[1]));
}

/* 'They come to rest soon after': at rest when it has looked, or is not the scheduler's. */
static void test_parked(void **state)
{
	(void)state;
	assert_true(vm_is_parked(vm));
	vcpu->se.state = vm->vcpu[1]->se.state = SCHED_RUNNING;
	assert_false(vm_is_parked(vm));
	vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vm_is_parked(vm));
	assert_true(vcpu_hold(vcpu));
	assert_true(vcpu_is_parked(vcpu));
	assert_false(vm_is_parked(vm));
	assert_true(vcpu_hold(vm->vcpu[1]));
	assert_true(vm_is_parked(vm));
	vm_resume(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_false(vm_is_parked(vm));
	vcpu->se.state = vm->vcpu[1]->se.state = SCHED_STOPPED;
}

/* 'Neither interrupts, NMIs, INITs and SIPIs nor its timers wake it. They stay pending.' */
static void test_events_stay_pending(void **state)
{
	const uint32_t kept = VCPU_REQ_EVENT | VCPU_REQ_NMI | VCPU_REQ_INIT | VCPU_REQ_STARTUP;
	uint64_t wakes;

	(void)state;
	start();
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_DEBUGGER);
	assert_waits(SCHED_RUNNABLE); /* to park */
	assert_true(vcpu_hold(vcpu));
	fake_pcpu_run(sched_loop);
	assert_waits(SCHED_BLOCKED);
	assert_false(vcpu_is_woken(vcpu));
	wakes = vcpu->se.wakes;
	lapic_post(&vcpu->lapic, VECTOR, false);
	vcpu_request(vcpu, kept);
	fake_pcpu_run(sched_loop);
	assert_waits(SCHED_BLOCKED);
	assert_int_equal(vcpu->se.wakes, wakes);
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_DEBUGGER);
	assert_waits(SCHED_RUNNABLE);
	assert_false(vcpu_hold(vcpu));
	assert_int_equal(vcpu->requests, kept);
	assert_int_equal(platform_take_interrupt(vcpu, platform_find_interrupt(vcpu)), VECTOR);
	vcpu->requests = 0;
	fake_pcpu_run(sched_loop);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	assert_waits(SCHED_RUNNABLE);
	vcpu->requests = 0;
	fake_pcpu_run(sched_loop);
}

/* One that blocks without having seen that it is paused comes back to park; then no more. */
static void test_blocks_unparked(void **state)
{
	(void)state;
	vcpu->requests = VCPU_REQ_PAUSE_MONITOR;
	assert_true(vcpu_is_woken(vcpu));
	assert_true(vcpu_hold(vcpu));
	assert_false(vcpu_is_woken(vcpu));
	vcpu->requests |= VCPU_REQ_NMI;
	assert_false(vcpu_is_woken(vcpu));
	vcpu->requests |= VCPU_REQ_STOP;
	assert_true(vcpu_is_woken(vcpu));
}

/* A halt outlasts a pause, and what came meanwhile ends it. */
static void test_halted(void **state)
{
	(void)state;
	vcpu->kvm_poll_control = 0;
	assert_false(vcpu_halt(vcpu, true));
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_false(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->requests, 0);
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	lapic_post(&vcpu->lapic, VECTOR, false);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_true(vcpu_resume_from_halt(vcpu));
}

/* A pause does not end a poll early: the poll's own end leads to the block, where it parks. */
static void test_polling(void **state)
{
	(void)state;
	fake_tsc_set_step(100);
	vcpu->halt_poll.limit_ns = 20000;
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_halt(vcpu, true));
	assert_true(vcpu_is_woken(vcpu));
	assert_true(vcpu_hold(vcpu));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
}

/* 'A paused VM is not dead'; when it goes on and is, that is found out. */
static void test_dead_while_paused(void **state)
{
	(void)state;
	vm->vcpu[1]->activity = VCPU_WAIT_FOR_STARTUP;
	vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_halt(vcpu, false));
	assert_int_equal(fake_machine_ends(), 0);
	assert_true(vcpu_hold(vcpu));
	assert_true(vcpu_hold(vm->vcpu[1]));
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_int_equal(fake_machine_ends(), 0);
	vcpu_pause(vcpu, VCPU_REQ_PAUSE_MONITOR);
	vm_resume(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_int_equal(fake_machine_ends(), 1);
}

/* 'A stop is served at once', whoever paused it. */
static void test_end(void **state)
{
	(void)state;
	start();
	vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	assert_true(vcpu_hold(vm->vcpu[1]));
	fake_pcpu_run(sched_loop);
	assert_waits(SCHED_BLOCKED);
	assert_true(vm_end(vm, false, "quit"));
	assert_waits(SCHED_RUNNABLE);
	assert_false(vcpu_hold(vcpu));
	assert_true(vcpu->requests & VCPU_REQ_STOP);
}

/* 'The reasons outlive a restart.' */
static void test_restart(void **state)
{
	(void)state;
	vm->params.restarts = 1;
	vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	vm_reset(vm);
	assert_false(vcpu_hold(vcpu));
	vm_begin_restart(vm);
	assert_int_equal(vcpu->requests, VCPU_REQ_RESTART | VCPU_REQ_PAUSE_MONITOR);
	assert_int_equal(vm->vcpu[1]->requests, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vcpu_hold(vcpu));
	vm_resume(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_false(vcpu_hold(vcpu));
	assert_int_equal(vcpu->requests, VCPU_REQ_RESTART);
	vcpu->requests = 0;
	fake_pcpu_run(sched_loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reasons),           TEST(test_parked), TEST(test_events_stay_pending),
		TEST(test_blocks_unparked),   TEST(test_halted), TEST(test_polling),
		TEST(test_dead_while_paused), TEST(test_end),    TEST(test_restart),
	};

	return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
