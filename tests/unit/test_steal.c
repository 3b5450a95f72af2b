/* Steal time: Documentation/virt/kvm/x86/msr.rst, MSR_KVM_STEAL_TIME, quoted at each test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <asm/kvm_para.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/kvm.h"
#include "lib/errno.h"

#define START 1000ull
#define AREA  0x3000ull

static struct vm *vm;
static struct vcpu *vcpu;
static struct kvm_steal_time *area;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(START);
	vm = fake_vm_create(MIB(2), 1);
	vcpu = vm->vcpu[0];
	area = gmem_ptr(&vm->gmem, GPA(AREA), sizeof(*area));
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

/* 'Bit 0 is 1 when steal time is enabled; bits 5-1 are reserved'; 'the structure must be 64-byte
 * aligned', in guest RAM. */
static void test_msr(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit <= 5; bit++)
		assert_int_equal(kvm_write_steal_time(vcpu, AREA | BIT(bit) | 1), -EPERM);
	assert_int_equal(kvm_write_steal_time(vcpu, MIB(2) | 1), -EPERM);
	assert_int_equal(kvm_write_steal_time(vcpu, MIB(1024) | 1), -EPERM);
	assert_null(vcpu->steal_area);
	assert_int_equal(vcpu->kvm_steal_time, 0);
	assert_int_equal(kvm_write_steal_time(vcpu, (MIB(2) - 64) | 1), 0);
	assert_int_equal(kvm_write_steal_time(vcpu, AREA | 1), 0);
	assert_ptr_equal(vcpu->steal_area, area);
	assert_int_equal(vcpu->kvm_steal_time, AREA | 1);
	/* It is up to date at once. */
	assert_int_equal(area->version, 2);
	assert_int_equal(kvm_write_steal_time(vcpu, AREA), 0);
	assert_null(vcpu->steal_area);
	assert_int_equal(vcpu->kvm_steal_time, AREA);
	assert_int_equal(area->version, 2);
}

/* 'steal: the amount of time in which this vCPU did not run, in nanoseconds. Time during which the
 * vcpu is idle, will not be reported as steal time'; 'version: even when there is no update in
 * progress'. */
static void test_steal(void **state)
{
	struct sched_entity *se = &vcpu->se;

	(void)state;
	vm_machine.tsc.hz = 1000000000;
	area->version = 7; /* the guest has left an odd one */
	area->steal = 99;
	area->flags = 0x55;
	sched_set_state(se, SCHED_RUNNABLE, START);
	fake_tsc_set(START + 300);
	assert_int_equal(kvm_steal_ns(vcpu), 300); /* it goes on */
	sched_set_state(se, SCHED_RUNNING, START + 300);
	assert_int_equal(kvm_write_steal_time(vcpu, AREA | 1), 0);
	assert_int_equal(area->version, 8);
	assert_int_equal(area->steal, 300);
	assert_int_equal(area->flags, 0x55);
	sched_set_state(se, SCHED_BLOCKED, START + 400);
	sched_set_state(se, SCHED_RUNNABLE, START + 1000);
	sched_set_state(se, SCHED_RUNNING, START + 1050);
	fake_tsc_set(START + 2000);
	kvm_steal_switched_in(vcpu);
	assert_int_equal(area->steal, 350);
	assert_int_equal(area->version, 10);
	sched_set_state(se, SCHED_STOPPED, START + 2000);
}

/* 'preempted: indicate the vCPU who owns this struct is running or not. Non-zero values mean the
 * vCPU has been preempted. Zero means the vCPU is not preempted.' With PV_TLB_FLUSH,
 * KVM_VCPU_FLUSH_TLB asks for a flush. */
static void test_preempted(void **state)
{
	struct fake_vcpu *fake = fake_vcpu(vcpu);
	unsigned flushes;

	(void)state;
	assert_int_equal(kvm_write_steal_time(vcpu, AREA | 1), 0);
	flushes = fake->tlb_flushes;
	kvm_steal_preempted(vcpu);
	assert_int_equal(area->preempted, KVM_VCPU_PREEMPTED);
	kvm_steal_switched_in(vcpu);
	assert_int_equal(area->preempted, 0);
	assert_int_equal(fake->tlb_flushes, flushes);
	assert_int_equal(vcpu->pv_tlb_flushes, 0);
	area->preempted = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	kvm_steal_switched_in(vcpu);
	assert_int_equal(area->preempted, 0);
	assert_int_equal(fake->tlb_flushes, flushes + 1);
	assert_int_equal(vcpu->pv_tlb_flushes, 1);
	/* It is not offered: the guest's bit means nothing. */
	vm->params.kvm_withdrawn |= BIT(KVM_FEATURE_PV_TLB_FLUSH);
	area->preempted = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	kvm_steal_switched_in(vcpu);
	assert_int_equal(area->preempted, 0);
	assert_int_equal(fake->tlb_flushes, flushes + 1);
	assert_int_equal(vcpu->pv_tlb_flushes, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_msr), TEST(test_steal), TEST(test_preempted)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
