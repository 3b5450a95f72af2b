/* Which interrupt line leads where: guest/platform.c's wiring. Quotes: 'IA-PC HPET Specification'
 * and the MADT of loader/acpi.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/platform.h"

#define MS      1000000ull
#define HPET    0xfed00000ull
#define IRQ0    BIT(0)
#define IRQ8    BIT(0) /* of the slave */
#define PENDING 0x0a   /* OCW3: the request register is read */

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(2), 1);
	vcpu = vm->vcpu[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sched_timer_cancel(&vm->timer);
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static void pass(uint64_t ns)
{
	fake_tsc_advance(ns);
	sched_run_timers(rdtsc());
}

/* What waits at an 8259, which is then emptied: ICW1 forgets edges. */
static unsigned requests(uint16_t port)
{
	unsigned irr;

	io_write(vcpu, port, 1, PENDING);
	irr = (unsigned)io_read(vcpu, port, 1);
	io_write(vcpu, port, 1, 0x11);
	for (unsigned i = 0; i < 3; i++)
		io_write(vcpu, (uint16_t)(port + 1), 1, i ? 1 : 0x20);
	return irr;
}

/* A vCPU's own timers tell it that its nearest deadline may be another; the VM's do not. */
static void test_deadlines_are_told(void **state)
{
	struct fake_vcpu *fake = fake_vcpu(vcpu);
	struct lapic *lapic = &vcpu->lapic;

	(void)state;
	lapic_mmio_write(lapic, LAPIC_SVR, 0x1ff);
	lapic_mmio_write(lapic, LAPIC_LVT_TIMER, 0x40);
	fake->deadline_changes = 0;
	lapic_mmio_write(lapic, LAPIC_TMICT, 1000000);
	assert_true(fake->deadline_changes > 0);
	assert_non_null(vcpu->timers.root);
	fake->deadline_changes = 0;
	lapic_mmio_write(lapic, LAPIC_TMICT, 0);
	assert_true(fake->deadline_changes > 0);
	assert_null(vcpu->timers.root);
	fake->deadline_changes = 0;
	io_write(vcpu, 0x43, 1, 0x34); /* the 8254's channel 0, mode 2 */
	io_write(vcpu, 0x40, 1, 0);
	io_write(vcpu, 0x40, 1, 0x10);
	assert_int_equal(fake->deadline_changes, 0);
	assert_non_null(vm->timers.root);
}

static void write_hpet(uint64_t reg, uint64_t value)
{
	mmio_write(vcpu, GPA(HPET + reg), 8, value);
}

static void start_pit_and_rtc(void)
{
	io_write(vcpu, 0x43, 1, 0x34);
	io_write(vcpu, 0x40, 1, 0xa9); /* 1 ms */
	io_write(vcpu, 0x40, 1, 0x04);
	io_write(vcpu, 0x70, 1, 0x0b);
	io_write(vcpu, 0x71, 1, 0x42); /* PIE, 1024 Hz */
}

static void read_rtc_c(void)
{
	io_write(vcpu, 0x70, 1, 0x0c);
	(void)io_read(vcpu, 0x71, 1);
}

/* 'LEG_RT_CNF: if the bit is 1, the HPET takes IRQ0 and IRQ8 over: the 8254 causes no interrupts,
 * the RTC neither'; afterwards they have them again. */
static void test_legacy_replacement(void **state)
{
	(void)state;
	start_pit_and_rtc();
	pass(3 * MS);
	assert_int_equal(requests(0x20) & IRQ0, IRQ0);
	assert_int_equal(requests(0xa0) & IRQ8, IRQ8);
	write_hpet(0x10, 3);
	read_rtc_c();
	pass(3 * MS);
	assert_int_equal(requests(0x20) & IRQ0, 0);
	assert_int_equal(requests(0xa0) & IRQ8, 0);
	write_hpet(0x100, BIT(2));
	write_hpet(0x108, 1000000);
	write_hpet(0x120, BIT(2));
	write_hpet(0x128, 1000000);
	pass(10 * MS);
	assert_int_equal(requests(0x20) & IRQ0, IRQ0);
	assert_int_equal(requests(0xa0) & IRQ8, IRQ8);
	write_hpet(0x10, 1);
	assert_int_equal(requests(0x20) & IRQ0, 0); /* the switch itself is no edge */
	read_rtc_c();
	pass(3 * MS);
	assert_int_equal(requests(0x20) & IRQ0, IRQ0);
	assert_int_equal(requests(0xa0) & IRQ8, IRQ8);
}

/* The second serial port has IRQ 3, and its output does not mix with the first one's line. */
static void test_com2(void **state)
{
	(void)state;
	(void)requests(0x20);
	io_write(vcpu, 0x2f9, 1, 2); /* THR empty */
	assert_int_equal(requests(0x20) & 0x18, BIT(3));
	io_write(vcpu, 0x2f8, 1, 'b');
	io_write(vcpu, 0x3f8, 1, 'a');
	assert_int_equal(vm->console.len, 1);
	assert_int_equal(vm->console.line[0], 'a');
	assert_int_equal(vm->console2.len, 1);
	assert_int_equal(vm->console2.line[0], 'b');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_deadlines_are_told),
		TEST(test_legacy_replacement),
		TEST(test_com2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
