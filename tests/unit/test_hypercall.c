/* Hypercalls. Quotes: Documentation/virt/kvm/x86/hypercalls.rst and docs/guests.md. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/kvm_para.h>

#include "fakes/vcpu_arch.h"
#include "guest/hypercall.h"
#include "guest/vm.h"
#include "lib/errno.h"

#define HIGH 0xdeadbeef00000000ull

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(2), 1);
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

static uint64_t call(uint64_t rax)
{
	for (unsigned i = 0; i < 16; i++)
		vcpu->regs.gpr[i] = 0x1111 * i;
	vcpu->regs.gpr[GPR_RAX] = rax;
	hypercall(vcpu);
	/* 'No other registers will be clobbered unless explicitly stated by the particular
	 * hypercall.' */
	for (unsigned i = 1; i < 16; i++)
		assert_int_equal(vcpu->regs.gpr[i], 0x1111 * i);
	return vcpu->regs.gpr[GPR_RAX];
}

/* 'Mnemonic KVM_HC_VAPIC_POLL_IRQ. Purpose: trigger guest exit so that the host can check for
 * pending interrupts on reentry.' It answers 0. */
static void test_vapic_poll_irq(void **state)
{
	(void)state;
	assert_int_equal(call(KVM_HC_VAPIC_POLL_IRQ), 0);
}

static void test_unknown(void **state)
{
	static const uint64_t unknown[] = {0,  2,          3,         KVM_HC_MAP_GPA_RANGE,
					   99, UINT32_MAX, UINT64_MAX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_true(call(unknown[i]) == (uint64_t)-KVM_ENOSYS);
	/* All of RAX is the number. */
	assert_true(call(HIGH | KVM_HC_VAPIC_POLL_IRQ) == (uint64_t)-KVM_ENOSYS);
}

/* 'From ring 3: -KVM_EPERM', whatever the number; rings 1 and 2 are not the kernel either. */
static void test_rings(void **state)
{
	(void)state;
	for (unsigned cpl = 1; cpl <= 3; cpl++) {
		fake_vcpu_set_cpl(vcpu, cpl);
		assert_true(call(KVM_HC_VAPIC_POLL_IRQ) == (uint64_t)-KVM_EPERM);
		assert_true(call(77) == (uint64_t)-KVM_EPERM);
	}
}

/* 'Outside 64-bit mode the 32-bit halves count': of the number, and of the answer. */
static void test_32_bit_halves(void **state)
{
	(void)state;
	fake_vcpu_set_mode_32(vcpu);
	assert_int_equal(call(HIGH | KVM_HC_VAPIC_POLL_IRQ), 0);
	assert_int_equal(call(HIGH | 99), (uint32_t)-KVM_ENOSYS);
	fake_vcpu_set_cpl(vcpu, 3);
	assert_int_equal(call(KVM_HC_VAPIC_POLL_IRQ), (uint32_t)-KVM_EPERM);
}

/* Compatibility mode: LMA is set, CS.L is not. */
static void test_compatibility_mode(void **state)
{
	(void)state;
	fake_vcpu_set_mode_32(vcpu);
	vcpu_arch_set(vcpu, VCPU_EFER, BIT(10) | BIT(8));
	assert_int_equal(call(HIGH | 99), (uint32_t)-KVM_ENOSYS);
	/* CS.L says nothing while LMA is clear: it is a bit that software may use. */
	fake_vcpu(vcpu)->segment[SEG_CS].access |= BIT(13);
	vcpu_arch_set(vcpu, VCPU_EFER, 0);
	assert_int_equal(call(HIGH | 99), (uint32_t)-KVM_ENOSYS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_vapic_poll_irq),
		TEST(test_unknown),
		TEST(test_rings),
		TEST(test_32_bit_halves),
		TEST(test_compatibility_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
