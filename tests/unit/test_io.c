/* From a vCPU's access to the models: the VM's buses and the vCPU's own local APIC. Quotes: SDM,
 * 'Local APIC', and devices/bus.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakes/vcpu_arch.h"
#include "guest/io.h"

#define APIC  0xfee00000ull
#define MOVED 0x80000000ull

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(2), 2);
	vcpu = vm->vcpu[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static void test_ports(void **state)
{
	(void)state;
	io_write(vcpu, 0x21, 1, 0xa5); /* the 8259's mask */
	assert_int_equal(io_read(vcpu, 0x21, 1), 0xa5);
	assert_int_equal(vm->unclaimed_reads + vm->unclaimed_writes, 0);
	assert_int_equal(vm->lock.owner, vm->lock.next);
}

/* 'Reads that nobody claims are all ones, writes that nobody claims vanish; the caller counts
 * them.' */
static void test_unclaimed(void **state)
{
	(void)state;
	assert_int_equal(io_read(vcpu, 0x1234, 1), 0xff);
	assert_int_equal(io_read(vcpu, 0x1234, 2), 0xffff);
	assert_int_equal(io_read(vcpu, 0x1234, 4), 0xffffffff);
	assert_true(mmio_read(vcpu, GPA(0xd0000000), 8) == UINT64_MAX);
	assert_int_equal(mmio_read(vcpu, GPA(0xd0000000), 1), 0xff);
	assert_int_equal(vm->unclaimed_reads, 5);
	io_write(vcpu, 0x1234, 4, 1);
	mmio_write(vcpu, GPA(0xd0000000), 4, 1);
	assert_int_equal(vm->unclaimed_writes, 2);
}

static void test_ioapic_on_the_bus(void **state)
{
	(void)state;
	mmio_write(vcpu, GPA(0xfec00000), 4, 1);                         /* IOREGSEL: the version */
	assert_int_equal(mmio_read(vcpu, GPA(0xfec00010), 4), 0x170020); /* 24 pins */
	assert_int_equal(vm->unclaimed_reads, 0);
}

/* Each vCPU sees its own. */
static void test_own_lapic(void **state)
{
	(void)state;
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x20), 4), 1 << 24);
	assert_int_equal(mmio_read(vm->vcpu[0], GPA(APIC + 0x20), 4), 0);
	mmio_write(vcpu, GPA(APIC + 0x80), 4, 0x30); /* TPR */
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x80), 4), 0x30);
	assert_int_equal(mmio_read(vm->vcpu[0], GPA(APIC + 0x80), 4), 0);
}

/* 'Software should access registers with 32-bit loads and stores': narrower reads get their part of
 * the register, other writes none. */
static void test_lapic_widths(void **state)
{
	(void)state;
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x23), 1), 1);
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x22), 2), 0x100);
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x20), 8), 1 << 24);
	mmio_write(vcpu, GPA(APIC + 0x80), 4, 0x30);
	mmio_write(vcpu, GPA(APIC + 0x80), 1, 0x70);
	mmio_write(vcpu, GPA(APIC + 0x80), 8, 0x70);
	mmio_write(vcpu, GPA(APIC + 0x81), 4, 0x70);
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x80), 4), 0x30);
}

/* The page is where IA32_APIC_BASE says, while the APIC is enabled and in xAPIC mode; else the bus
 * is asked. */
static void test_lapic_page_moves(void **state)
{
	const unsigned width = 39;

	(void)state;
	assert_int_equal(lapic_base_write(&vcpu->lapic, MOVED | LAPIC_BASE_ENABLE, width), 0);
	assert_int_equal(mmio_read(vcpu, GPA(MOVED + 0x20), 4), 1 << 24);
	assert_int_equal(mmio_read(vcpu, GPA(APIC + 0x20), 4), 0xffffffff);
	assert_int_equal(vm->unclaimed_reads, 1);
	assert_int_equal(
		lapic_base_write(&vcpu->lapic, MOVED | LAPIC_BASE_ENABLE | LAPIC_BASE_EXTD, width),
		0);
	assert_int_equal(mmio_read(vcpu, GPA(MOVED + 0x20), 4), 0xffffffff);
	assert_int_equal(lapic_base_write(&vcpu->lapic, MOVED, width), 0);
	assert_int_equal(mmio_read(vcpu, GPA(MOVED + 0x20), 4), 0xffffffff);
	mmio_write(vcpu, GPA(MOVED + 0x80), 4, 0x70);
	assert_int_equal(vm->unclaimed_reads, 3);
	assert_int_equal(vm->unclaimed_writes, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports),     TEST(test_unclaimed),    TEST(test_ioapic_on_the_bus),
		TEST(test_own_lapic), TEST(test_lapic_widths), TEST(test_lapic_page_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
