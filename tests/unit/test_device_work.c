/* A VM's device work in somebody else's turn (guest/platform.c): bounded there, put off until one
 * of the VM's own turns, and never waiting for its lock. The rules quoted are those of
 * guest/platform.h and sched/payer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/init.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/platform.h"

#define US    1000ull
#define HPET  0xfed00000ull
#define BURST (200 * US)
#define PIECE (50 * US)
#define EXIT  (5 * US)

static struct vm *vm, *other;
static struct vcpu *vcpu;

static void let_run(struct vcpu *who)
{
	struct runq *rq = sched_this_runq();

	runq_enqueue(rq, &who->se, rdtsc());
	assert_ptr_equal(runq_pick(rq, rdtsc()), &who->se);
	rq->current = &who->se;
}

static void write_hpet(uint64_t reg, uint64_t value)
{
	mmio_write(vcpu, GPA(HPET + reg), 8, value);
}

/* Three comparators with the shortest period, armed in a turn of the VM's. */
static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	fake_percpu_attach(1);
	sched_init_cpu();
	fake_percpu_attach(0);
	for (unsigned i = 0; i < 2; i++)
		sched_timer_heaps[i].budget.full_at = 0;
	sched_set_budget(BURST, PIECE, EXIT);
	vm = fake_vm_create(MIB(2), 2);
	other = fake_vm_create(MIB(2), 1);
	vcpu = vm->vcpu[0];
	for (unsigned n = 0; n < 3; n++) {
		write_hpet(0x100 + 0x20 * n, BIT(2) | BIT(3) | BIT(6));
		write_hpet(0x108 + 0x20 * n, 100);
	}
	write_hpet(0x10, 1);
	let_run(other->vcpu[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_tsc_set_step(0);
	sched_this_runq()->current = NULL;
	sched_timer_cancel(&vm->timer);
	vm_destroy(vm);
	vm_destroy(other);
	fake_machine_end();
	return 0;
}

/* Time goes by in `other`'s turn; each look at the clock takes a microsecond, so work does, too. */
static void pass(uint64_t us)
{
	uint64_t end = rdtsc() + us * US;

	fake_tsc_set_step(US);
	while (rdtsc() < end)
		sched_run_timers(rdtsc());
	fake_tsc_set_step(0);
}

/* 'So the sum over any number of attackers is bounded'; what was done is `other`'s lent time. */
static void test_is_bounded(void **state)
{
	const struct sched_entity *se = &other->vcpu[0]->se;
	uint64_t begin = rdtsc(), lent, time;

	(void)state;
	pass(200000);
	time = rdtsc() - begin;
	lent = sched_time_in(se, SCHED_LENT, rdtsc());
	assert_in_range(lent, time / BUDGET_PART / 8, time / BUDGET_PART + BURST + PIECE);
	assert_int_equal(lent, vm->payer.spent);
	assert_int_equal(lent, vm->payer.debt);
	assert_int_equal(other->payer.spent, 0);
	assert_true(vm->is_work_put_off);
	assert_int_equal(sched_time_in(se, SCHED_LENT, rdtsc()) +
				 sched_time_in(se, SCHED_RUNNING, rdtsc()),
			 time);
}

/* 'Or in one of the VM's own turns': one that runs elsewhere is told, once. */
static void test_comes_to_its_own_turn(void **state)
{
	uint64_t kicks, spent;

	(void)state;
	fake_percpu_attach(1);
	let_run(vm->vcpu[1]);
	fake_percpu_attach(0);
	kicks = fake_ipi_count(1, VECTOR_KICK);
	pass(20000);
	assert_true(vm->is_work_put_off);
	assert_int_equal(vm->vcpu[1]->requests & VCPU_REQ_DEVICES, VCPU_REQ_DEVICES);
	assert_int_equal(vcpu->requests & VCPU_REQ_DEVICES, 0);
	assert_true(fake_ipi_count(1, VECTOR_KICK) > kicks);
	kicks = fake_ipi_count(0, VECTOR_KICK);
	spent = vm->payer.spent;

	fake_percpu_attach(1);
	fake_tsc_advance(50 * US);
	platform_look_for_work(vm);
	assert_false(vm->is_work_put_off);
	assert_int_equal(vm->timer.pcpu, 1);
	assert_true(sched_next_deadline() <= rdtsc());
	pass(1000);
	assert_int_equal(vm->payer.spent, spent); /* its own time */
	assert_false(vm->is_work_put_off);
	sched_this_runq()->current = NULL;
	fake_percpu_attach(0);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	assert_int_equal(fake_ipi_count(0, VECTOR_KICK), kicks); /* nobody there is told */
}

/* 'Takes the VM's lock for work that nobody's turn may wait for but its own.' */
static void test_never_waits_for_the_lock(void **state)
{
	uint64_t when = vm->timer.deadline.when;

	(void)state;
	fake_tsc_set(when);
	spin_lock(&vm->lock);
	sched_run_timers(when);
	assert_true(vm->is_work_put_off);
	assert_int_equal(sched_next_deadline(), when + LOCK_RETRY_NS);
	spin_unlock(&vm->lock);
	fake_tsc_set(when + LOCK_RETRY_NS);
	sched_run_timers(rdtsc());
	assert_false(vm->is_work_put_off);
	assert_int_equal(vm->dev.hpet.timer[0].due > 0, 1);
	assert_true(sched_next_deadline() > when);
}

/* 'Runnable and not running' is stolen time: it waited, or its pCPU worked for others. */
static void test_lent_time_is_stolen(void **state)
{
	uint64_t before = kvm_steal_ns(other->vcpu[0]);

	(void)state;
	pass(5000);
	assert_true(vm->payer.spent > 0);
	assert_int_equal(kvm_steal_ns(other->vcpu[0]), before + vm->payer.spent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_is_bounded),
		TEST(test_comes_to_its_own_turn),
		TEST(test_never_waits_for_the_lock),
		TEST(test_lent_time_is_stolen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
