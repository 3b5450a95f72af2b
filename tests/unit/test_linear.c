/* Guest memory as a report reads it: through the guest's page tables, and as if nobody had looked.
 * And how a VM ends, as far as the report depends on it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/vcpu_arch.h"
#include "guest/linear.h"

#define PG BIT_ULL(31)
#define LA 0x200000ull /* its table is at 0x13000 */

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(1), 2);
	vcpu = vm->vcpu[0];
	fake_vcpu_set_mode_64(vcpu);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static void put(uint64_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&vm->gmem, GPA(gpa), &value, sizeof(value)), 0);
}

static uint64_t get(uint64_t gpa)
{
	uint64_t value = 0;

	assert_int_equal(gmem_read(&vm->gmem, GPA(gpa), &value, sizeof(value)), 0);
	return value;
}

/* LA's page is at 0x20000 and LA + 0x2000's is not RAM, LA + 0x1000 is not mapped; all are user
 * pages, which SMAP would keep a supervisor from. */
static void map(void)
{
	fake_vcpu(vcpu)->reg[VCPU_CR0] |= PG;
	fake_vcpu(vcpu)->reg[VCPU_CR4] = BIT(5) | BIT(21);
	fake_vcpu(vcpu)->reg[VCPU_CR3] = 0x10000;
	put(0x10000, 0x11000 | 7);
	put(0x11000, 0x12000 | 7);
	put(0x12008, 0x13000 | 7);
	put(0x13000, 0x20000 | 7);
	put(0x13010, 0xfee00000 | 7);
}

static void test_reads_what_is_mapped_and_leaves_no_trace(void **state)
{
	uint8_t bytes[16];

	(void)state;
	map();
	put(0x20ff8, 0x1122334455667788);
	assert_int_equal(vcpu_read_linear(vcpu, LA + 0xff8, bytes, 8), 8);
	assert_int_equal(bytes[0], 0x88);
	/* What begins in one page ends where the next is not mapped, not RAM, or no address. */
	assert_int_equal(vcpu_read_linear(vcpu, LA + 0xff8, bytes, 16), 8);
	assert_int_equal(vcpu_read_linear(vcpu, LA + 0x1000, bytes, 16), 0);
	assert_int_equal(vcpu_read_linear(vcpu, LA + 0x2000, bytes, 16), 0);
	assert_int_equal(vcpu_read_linear(vcpu, 1ull << 47, bytes, 16), 0);
	/* 'Accessed and Dirty Flags': set by the CPU's accesses, and this is none. */
	assert_int_equal(get(0x10000), 0x11000 | 7);
	assert_int_equal(get(0x13000), 0x20000 | 7);
	assert_int_equal(fake_vcpu(vcpu)->exceptions, 0);
}

static void test_stacks_and_segments(void **state)
{
	(void)state;
	fake_vcpu(vcpu)->segment[SEG_CS].base = 0x1000;
	fake_vcpu(vcpu)->segment[SEG_SS].base = 0x2000;
	/* 'Segmentation in IA-32e Mode': the bases of CS and SS are treated as 0. */
	assert_int_equal(vcpu_stack_width(vcpu), 8);
	assert_int_equal(vcpu_linear(vcpu, SEG_CS, 0x10), 0x10);
	fake_vcpu_set_mode_32(vcpu);
	fake_vcpu(vcpu)->segment[SEG_SS].base = 0x2000;
	assert_int_equal(vcpu_stack_width(vcpu), 4);
	assert_int_equal(vcpu_linear(vcpu, SEG_SS, 0xffffffff), 0x1fff);
	fake_vcpu_set_mode_16(vcpu);
	fake_vcpu(vcpu)->segment[SEG_CS].base = 0xf0000;
	assert_int_equal(vcpu_stack_width(vcpu), 2);
	assert_int_equal(vcpu_linear(vcpu, SEG_CS, 0xfff0), 0xffff0);
}

/* 'All vCPUs with one line each and the failing one in full.' */
static void test_who_ended_the_vm(void **state)
{
	struct runq *rq = sched_this_runq();

	(void)state;
	rq->current = &vm->vcpu[1]->se;
	assert_true(vm_end(vm, false, "because of %s", "itself"));
	rq->current = NULL;
	assert_int_equal(vm->ended_by, 1);
	assert_false(vm->is_quit);
	assert_string_equal(vm->reason, "because of itself");
	/* The first end counts. */
	assert_false(vm_quit(vm, "late"));
	assert_false(vm->is_quit);
}

static void test_an_end_from_outside(void **state)
{
	(void)state;
	vm->vcpu[0]->activity = VCPU_HALTED;
	vm->vcpu[1]->activity = VCPU_ACTIVE;
	assert_true(vm_quit(vm, "100 % seen"));
	assert_int_equal(vm->ended_by, 1);
	assert_true(vm->is_quit);
	assert_false(vm->is_ok);
	assert_string_equal(vm->reason, "100 % seen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_what_is_mapped_and_leaves_no_trace,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_stacks_and_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_ended_the_vm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_end_from_outside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
