/* KVM's EOI without an exit: Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN, quoted at each
 * test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <asm/kvm_para.h>

#include "fakes/vcpu_arch.h"
#include "guest/kvm.h"
#include "lib/errno.h"

#define AREA 0x3000ull

static struct vm *vm;
static struct vcpu *vcpu;
static struct lapic *lapic;
static uint32_t *area;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(2), 1);
	vcpu = vm->vcpu[0];
	lapic = &vcpu->lapic;
	lapic_mmio_write(lapic, LAPIC_SVR, 0x1ff);
	area = gmem_ptr(&vm->gmem, GPA(AREA), 4);
	assert_non_null(area);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static void serve(uint8_t vector)
{
	lapic_post(lapic, vector, false);
	assert_int_equal(lapic_pending_vector(lapic), vector);
	lapic_accept(lapic, vector);
}

static bool is_served(uint8_t vector)
{
	return lapic_mmio_read(lapic, LAPIC_ISR + vector / 32 * 16) >> vector % 32 & 1;
}

/* 'Bit 1 is reserved and must be zero'; 'data: bit 0 is 1 when [...] enabled [...] bits 63-2 hold a
 * 4-byte aligned physical address of a 4 byte memory area which must be in guest RAM'. */
static void test_msr(void **state)
{
	(void)state;
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA | 2), -EPERM);
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA | 3), -EPERM);
	assert_int_equal(kvm_write_pv_eoi(vcpu, MIB(2) | 1), -EPERM);
	assert_int_equal(kvm_write_pv_eoi(vcpu, MIB(512) | 1), -EPERM);
	assert_null(vcpu->pv_eoi_area);
	assert_int_equal(vcpu->kvm_pv_eoi, 0);
	assert_int_equal(kvm_write_pv_eoi(vcpu, (MIB(2) - 4) | 1), 0);
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA | 1), 0);
	assert_ptr_equal(vcpu->pv_eoi_area, area);
	assert_int_equal(vcpu->kvm_pv_eoi, AREA | 1);
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA), 0);
	assert_null(vcpu->pv_eoi_area);
	assert_int_equal(vcpu->kvm_pv_eoi, AREA);
}

/* 'The hypervisor [...] sets [bit 0] whenever it is appropriate [...] the guest clears it to signal
 * EOI'; the other bits are the guest's. */
static void test_bit(void **state)
{
	(void)state;
	*area = 0xa5a5a5a4;
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA | 1), 0);
	kvm_arm_pv_eoi(vcpu); /* nothing is in service */
	assert_int_equal(*area, 0xa5a5a5a4);
	assert_false(vcpu->is_pv_eoi_armed);
	serve(0x41);
	kvm_arm_pv_eoi(vcpu);
	assert_int_equal(*area, 0xa5a5a5a5);
	assert_true(vcpu->is_pv_eoi_armed);
	/* Taken back, untouched: no EOI. */
	kvm_sync_pv_eoi(vcpu);
	assert_int_equal(*area, 0xa5a5a5a4);
	assert_false(vcpu->is_pv_eoi_armed);
	assert_true(is_served(0x41));
	assert_int_equal(vcpu->pv_eois, 0);
	/* Cleared by the guest: that was the EOI. */
	kvm_arm_pv_eoi(vcpu);
	*area &= ~1u;
	kvm_sync_pv_eoi(vcpu);
	assert_false(is_served(0x41));
	assert_int_equal(vcpu->pv_eois, 1);
	assert_int_equal(*area, 0xa5a5a5a4);
	kvm_sync_pv_eoi(vcpu); /* once */
	assert_int_equal(vcpu->pv_eois, 1);
}

/* A new area does not lose the EOI of the old one. */
static void test_area_moves(void **state)
{
	(void)state;
	assert_int_equal(kvm_write_pv_eoi(vcpu, AREA | 1), 0);
	serve(0x41);
	kvm_arm_pv_eoi(vcpu);
	*area = 0;
	assert_int_equal(kvm_write_pv_eoi(vcpu, (AREA + 64) | 1), 0);
	assert_false(is_served(0x41));
	assert_false(vcpu->is_pv_eoi_armed);
	assert_int_equal(vcpu->pv_eois, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_msr), TEST(test_bit), TEST(test_area_moves)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
