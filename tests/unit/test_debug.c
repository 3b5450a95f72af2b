/* What a debugger does to a VM: registers, memory, points. Quotes: guest/debug.h; SDM, 'Debug
 * Registers'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/vcpu_arch.h"
#include "guest/debug.h"
#include "guest/pause.h"
#include "lib/errno.h"

#define CODE  0x100000u
#define TABLE 0x3000u
#define HIGH  0xffffffff80000000ull

static struct vm *vm;
static struct vcpu *vcpu;
static unsigned stops;

static void count_stop(struct vm *which)
{
	assert_ptr_equal(which, vm);
	stops++;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	vm = fake_vm_create(MIB(4), 2);
	assert_int_equal(debug_create(vm, count_stop), 0);
	stops = 0;
	for (unsigned i = 0; i < 2; i++) {
		vm->vcpu[i]->activity = VCPU_ACTIVE;
		vm->vcpu[i]->requests = 0;
		vm->vcpu[i]->se.state = SCHED_RUNNING;
		fake_vcpu_set_mode_64(vm->vcpu[i]);
	}
	vcpu = vm->vcpu[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static void park(void)
{
	for (unsigned i = 0; i < 2; i++) {
		vm->vcpu[i]->requests |= VCPU_REQ_PAUSE_DEBUGGER;
		assert_true(vcpu_hold(vm->vcpu[i]));
	}
	assert_true(debug_is_parked(vm));
}

static void go_on(void)
{
	vm_resume(vm, VCPU_REQ_PAUSE_DEBUGGER);
	for (unsigned i = 0; i < 2; i++)
		assert_false(vcpu_hold(vm->vcpu[i]));
}

static struct debug_regs *regs(void)
{
	return &vm->debug->vcpu[0].regs;
}

/* 'The vCPU itself copies them when it parks for the debugger, and takes them back.' */
static void test_registers(void **state)
{
	struct fake_vcpu *v = fake_vcpu(vcpu);

	(void)state;
	vcpu->regs.gpr[GPR_RBX] = 7;
	v->reg[VCPU_RSP] = 0x8000;
	v->reg[VCPU_RIP] = CODE;
	park();
	assert_int_equal(regs()->gpr[GPR_RBX], 7);
	assert_int_equal(regs()->gpr[GPR_RSP], 0x8000);
	assert_int_equal(regs()->rip, CODE);
	regs()->gpr[GPR_RBX] = 8;
	regs()->gpr[GPR_RSP] = 0x9000;
	regs()->rip = CODE + 1;
	vm->debug->vcpu[0].is_dirty = true;
	go_on();
	assert_int_equal(vcpu->regs.gpr[GPR_RBX], 8);
	assert_int_equal(v->reg[VCPU_RSP], 0x9000);
	assert_int_equal(v->reg[VCPU_RIP], CODE + 1);
	/* What was only looked at stays the CPU's. */
	park();
	v->reg[VCPU_RIP] = CODE + 2;
	go_on();
	assert_int_equal(v->reg[VCPU_RIP], CODE + 2);
}

/* Virtual-8086 mode has segments of its own, which VM entry checks: the flag stays as it was. */
static void test_vm_flag_stays(void **state)
{
	struct fake_vcpu *v = fake_vcpu(vcpu);
	const uint64_t vm_flag = BIT(17), carry = 1, fixed = 2;

	(void)state;
	v->reg[VCPU_RFLAGS] = fixed;
	park();
	regs()->rflags = fixed | vm_flag | carry;
	vm->debug->vcpu[0].is_dirty = true;
	go_on();
	assert_int_equal(v->reg[VCPU_RFLAGS], fixed | carry);
	v->reg[VCPU_RFLAGS] = fixed | vm_flag;
	park();
	regs()->rflags = fixed | carry;
	vm->debug->vcpu[0].is_dirty = true;
	go_on();
	assert_int_equal(v->reg[VCPU_RFLAGS], fixed | vm_flag | carry);
}

/* One that the monitor has parked must come once more, to show its registers. */
static void test_parked_for_the_monitor(void **state)
{
	(void)state;
	vm->vcpu[1]->se.state = SCHED_STOPPED;
	vcpu->requests = VCPU_REQ_PAUSE_MONITOR;
	assert_true(vcpu_hold(vcpu));
	assert_false(vcpu_is_woken(vcpu));
	assert_false(debug_is_parked(vm));
	vcpu->requests |= VCPU_REQ_PAUSE_DEBUGGER;
	assert_true(vcpu_is_woken(vcpu));
	assert_false(debug_is_parked(vm));
	assert_true(vcpu_hold(vcpu));
	assert_true(debug_is_parked(vm));
	/* The monitor's pause outlasts the debugger's. */
	vcpu_resume(vcpu, VCPU_REQ_PAUSE_DEBUGGER);
	assert_true(vcpu_hold(vcpu));
	assert_true(vm->debug->vcpu[0].has_regs);
}

static void test_stop(void **state)
{
	const struct debug_stop stop = {.kind = DEBUG_STOP_STEP};

	(void)state;
	park();
	vm->debug->vcpu[0].is_step = true;
	go_on();
	assert_true(fake_vcpu(vcpu)->debug.is_step);
	assert_false(fake_vcpu(vm->vcpu[1])->debug.is_step);
	debug_stop(vcpu, &stop);
	assert_int_equal(stops, 1);
	assert_int_equal(vm->debug->vcpu[0].stop.kind, DEBUG_STOP_STEP);
	assert_true(vcpu_hold(vcpu));
	assert_false(debug_is_parked(vm));
	/* 'A step that did not come to its end is none.' */
	assert_false(fake_vcpu(vcpu)->debug.is_step);
}

/* A restart takes the VM's registers away from under the debugger. */
static void test_restart(void **state)
{
	(void)state;
	vm->params.restarts = 1;
	park();
	vm_reset(vm);
	vcpu->se.state = vm->vcpu[1]->se.state = SCHED_STOPPED;
	vm_begin_restart(vm);
	assert_false(vm->debug->vcpu[0].has_regs);
	assert_false(debug_is_parked(vm));
	assert_true(vcpu_hold(vcpu));
	assert_true(vm->debug->vcpu[0].has_regs);
	vm_resume(vm, VCPU_REQ_PAUSE_DEBUGGER);
	vcpu->requests = 0;
	fake_pcpu_run(sched_loop);
}

/* --- memory --- */

static uint8_t peek(uint64_t gpa)
{
	uint8_t byte;

	assert_int_equal(gmem_read(&vm->gmem, GPA(gpa), &byte, 1), 0);
	return byte;
}

static void poke64(uint64_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&vm->gmem, GPA(gpa), &value, sizeof(value)), 0);
}

/* The last 2 MiB but one GiB, as kernels have it, to the first MiBs; nothing else. */
static void turn_paging_on(void)
{
	poke64(TABLE + 511 * 8, 0x4003);
	poke64(0x4000 + 510 * 8, 0x5003);
	poke64(0x5000, 0x000083);
	fake_vcpu(vcpu)->reg[VCPU_CR0] |= BIT_ULL(31);
	fake_vcpu(vcpu)->reg[VCPU_CR3] = TABLE;
	fake_vcpu(vcpu)->reg[VCPU_CR4] = BIT_ULL(5);
}

/* 'Physical where its paging is off.' 'The number of bytes, from the first on, that are RAM.' */
static void test_physical_memory(void **state)
{
	uint8_t bytes[32];

	(void)state;
	park();
	assert_int_equal(debug_write(vm, 0, MIB(4) - 2, "ab", 2), 0);
	assert_int_equal(debug_read(vm, 0, MIB(4) - 2, bytes, 2), 2);
	assert_memory_equal(bytes, "ab", 2);
	assert_int_equal(debug_read(vm, 0, MIB(4), bytes, 1), 0);
	assert_int_equal(debug_write(vm, 0, MIB(4) - 2, "abc", 3), -EFAULT);
	/* A page at a time. */
	assert_int_equal(debug_read(vm, 0, 0x9fff0, bytes, sizeof(bytes)), 16);
	assert_int_equal(debug_read(vm, 0, BIT_ULL(63), bytes, 1), 0); /* not canonical */
}

static void test_virtual_memory(void **state)
{
	uint8_t bytes[8];

	(void)state;
	turn_paging_on();
	park();
	assert_int_equal(debug_write(vm, 0, HIGH + 0x100fff, "xy", 2), 0);
	assert_int_equal(peek(0x100fff), 'x');
	assert_int_equal(peek(0x101000), 'y');
	assert_int_equal(debug_read(vm, 0, HIGH + 0x100fff, bytes, 2), 2);
	assert_memory_equal(bytes, "xy", 2);
	assert_int_equal(debug_read(vm, 0, 0x100fff, bytes, 1), 0);
	assert_int_equal(debug_read(vm, 0, HIGH + MIB(2) - 1, bytes, 2), 1);
}

/* --- points --- */

static struct vcpu_debug_control applied(unsigned n)
{
	go_on();
	park();
	return fake_vcpu(vm->vcpu[n])->debug;
}

static void test_memory_points(void **state)
{
	uint8_t byte;

	(void)state;
	poke64(CODE, 0x1122334455667788);
	park();
	assert_false(applied(0).is_int3_intercepted);
	assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, CODE, 1), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, CODE, 1), 0); /* 'is one still' */
	assert_int_equal(vm->debug->memory_count, 1);
	assert_int_equal(peek(CODE), 0xcc);
	assert_true(debug_has_memory_point(vm, CODE));
	assert_false(debug_has_memory_point(vm, CODE + 1));
	assert_true(applied(1).is_int3_intercepted);
	assert_false(applied(1).has_registers);
	/* 'Breakpoints in memory do not show.' */
	assert_int_equal(debug_read(vm, 0, CODE, &byte, 1), 1);
	assert_int_equal(byte, 0x88);
	assert_int_equal(debug_write(vm, 0, CODE, "\x90\x91", 2), 0);
	assert_int_equal(peek(CODE), 0xcc);
	assert_int_equal(peek(CODE + 1), 0x91);
	assert_int_equal(debug_remove(vm, DEBUG_BREAK, CODE, 1), 0);
	assert_int_equal(peek(CODE), 0x90);
	assert_int_equal(debug_remove(vm, DEBUG_BREAK, CODE, 1), -ENOENT);
	assert_false(applied(0).is_int3_intercepted);
}

/* The guest has loaded something else there: it stays. */
static void test_memory_point_overwritten(void **state)
{
	(void)state;
	park();
	assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, CODE, 1), 0);
	poke64(CODE, 0x55);
	assert_int_equal(debug_remove(vm, DEBUG_BREAK, CODE, 1), 0);
	assert_int_equal(peek(CODE), 0x55);
}

static void test_too_many_memory_points(void **state)
{
	(void)state;
	park();
	for (unsigned i = 0; i < DEBUG_MEMORY_POINTS; i++)
		assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, CODE + i, 1), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, CODE - 1, 1), -ENOSPC);
	debug_remove_all(vm);
	assert_int_equal(vm->debug->memory_count, 0);
	assert_int_equal(peek(CODE + DEBUG_MEMORY_POINTS - 1), 0);
}

/* 'INT3 in memory or, where nothing is mapped yet, a debug register.' */
static void test_break_where_nothing_is_mapped(void **state)
{
	struct vcpu_debug_control control;

	(void)state;
	turn_paging_on();
	park();
	assert_int_equal(debug_insert(vm, 0, DEBUG_BREAK, HIGH + GIB(1), 1), 0);
	assert_int_equal(vm->debug->memory_count, 0);
	control = applied(1);
	assert_true(control.has_registers);
	assert_int_equal(control.dr[0], HIGH + GIB(1));
	assert_int_equal(control.dr7, 0x402); /* G0, RW 0, LEN 0 */
	assert_int_equal(debug_remove(vm, DEBUG_BREAK, HIGH + GIB(1), 1), 0);
	assert_false(applied(1).has_registers);
}

/* 'Debug Control Register (DR7)': R/W 01 writes, 11 reads and writes; LEN 00 1, 01 2, 10 8, 11 4
 * bytes. */
static void test_watch_points(void **state)
{
	struct vcpu_debug_control control;

	(void)state;
	park();
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x2000, 8), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_READ, 0x2010, 4), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_ACCESS, 0x2020, 2), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_HARDWARE_BREAK, CODE, 1), 0);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x2030, 1), -ENOSPC);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_READ, 0x2010, 4), 0);
	control = applied(0);
	assert_int_equal(control.dr[1], 0x2010);
	assert_int_equal(control.dr[3], CODE);
	assert_int_equal(control.dr7, 0x400 | 0xaa | 0x9ull << 16 | 0xfull << 20 | 0x7ull << 24);
	assert_int_equal(debug_remove(vm, DEBUG_WATCH_WRITE, 0x2000, 4), -ENOENT);
	assert_int_equal(debug_remove(vm, DEBUG_WATCH_WRITE, 0x2000, 8), 0);
	assert_int_equal(applied(0).dr7 & 0xff, 0xa8);
	debug_remove_all(vm);
	assert_false(applied(0).has_registers);
}

/* 'A register watches 1, 2, 4 or 8 bytes that are aligned to as many.' */
static void test_unaligned_watch_point(void **state)
{
	(void)state;
	park();
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x2002, 14), 0);
	assert_int_equal(vm->debug->hardware[0].address, 0x2002);
	assert_int_equal(vm->debug->hardware[0].len, 2);
	assert_int_equal(vm->debug->hardware[1].address, 0x2004);
	assert_int_equal(vm->debug->hardware[1].len, 4);
	assert_int_equal(vm->debug->hardware[2].address, 0x2008);
	assert_int_equal(vm->debug->hardware[2].len, 8);
	/* One that does not fit takes none. */
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x3001, 2), -ENOSPC);
	assert_false(vm->debug->hardware[3].is_used);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x3000, 0), -EINVAL);
	assert_int_equal(debug_insert(vm, 0, DEBUG_WATCH_WRITE, 0x3000, 33), -EINVAL);
	assert_int_equal(debug_remove(vm, DEBUG_WATCH_WRITE, 0x2002, 14), 0);
	assert_false(vm->debug->hardware[2].is_used);
}

/* Values that VM entry would refuse, or that are none of the CPU's. */
static void test_possible(void **state)
{
	struct debug_regs r = {.rflags = 2, .efer = BIT(10), .cs_access = BIT(13)};

	(void)state;
	assert_true(debug_is_possible(&r));
	r.rip = HIGH;
	assert_true(debug_is_possible(&r));
	r.rip = BIT_ULL(47);
	assert_false(debug_is_possible(&r));
	r.rip = HIGH;
	r.cs_access = 0; /* compatibility mode */
	assert_false(debug_is_possible(&r));
	r.rip = UINT32_MAX;
	assert_true(debug_is_possible(&r));
	r.rflags = 0;
	assert_false(debug_is_possible(&r));
	r.rflags = BIT(17) | 2; /* virtual-8086 mode under long mode */
	assert_false(debug_is_possible(&r));
	r.efer = 0;
	assert_true(debug_is_possible(&r));
	r.rflags = BIT(15) | 2;
	assert_false(debug_is_possible(&r));
	r.rflags = 2;
	r.gs_base = BIT_ULL(62);
	assert_false(debug_is_possible(&r));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_registers),
		TEST(test_vm_flag_stays),
		TEST(test_parked_for_the_monitor),
		TEST(test_stop),
		TEST(test_restart),
		TEST(test_physical_memory),
		TEST(test_virtual_memory),
		TEST(test_memory_points),
		TEST(test_memory_point_overwritten),
		TEST(test_too_many_memory_points),
		TEST(test_break_where_nothing_is_mapped),
		TEST(test_watch_points),
		TEST(test_unaligned_watch_point),
		TEST(test_possible),
	};

	return cmocka_run_group_tests_name("debug", tests, NULL, NULL);
}
