/* The hypercalls with arguments: whom they reach and what they write. Quotes:
 * Documentation/virt/kvm/x86/hypercalls.rst and docs/guests.md. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <linux/kvm_para.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/hypercall.h"
#include "lib/errno.h"

#define VCPUS   4
#define TSC     5000000000ull
#define ICR_NMI 0x400

static struct vm *vm;
static struct vcpu *vcpu;

/* vCPU 0 is running. */
static int setup(void **state)
{
	struct runq *rq;

	(void)state;
	fake_machine_start(TSC);
	vm = fake_vm_create(MIB(2), VCPUS);
	vcpu = vm->vcpu[0];
	fake_vcpu_set_mode_64(vcpu);
	for (unsigned i = 0; i < VCPUS; i++)
		lapic_mmio_write(&vm->vcpu[i]->lapic, LAPIC_SVR, 0x1ff);
	rq = sched_this_runq();
	runq_enqueue(rq, &vcpu->se, TSC);
	rq->current = runq_pick(rq, TSC);
	assert_ptr_equal(rq->current, &vcpu->se);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sched_this_runq()->current = NULL;
	sched_set_state(&vcpu->se, SCHED_STOPPED, TSC);
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static int64_t call(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	uint64_t *gpr = vcpu->regs.gpr;

	gpr[GPR_RAX] = number;
	gpr[GPR_RBX] = a0;
	gpr[GPR_RCX] = a1;
	gpr[GPR_RDX] = a2;
	gpr[GPR_RSI] = a3;
	hypercall(vcpu);
	return (int64_t)gpr[GPR_RAX];
}

/* The vCPUs, as a set, of which one of `bits` is requested; forgets all requests. */
static uint32_t who_is_requested(uint32_t bits)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		if (vm->vcpu[i]->requests & bits)
			set |= BIT(i);
		vm->vcpu[i]->requests = 0;
	}
	return set;
}

/* The vCPUs, as a set, that have `vector` in IRR and nothing else; ends it. */
static uint32_t who_got(int vector)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		struct lapic *lapic = &vm->vcpu[i]->lapic;
		int got = lapic_pending_vector(lapic);

		if (got < 0)
			continue;
		assert_int_equal(got, vector);
		lapic_accept(lapic, (uint8_t)got);
		lapic_eoi(lapic);
		set |= BIT(i);
	}
	return set;
}

/* 5: 'wakes up a vcpu that is in HLT', by its APIC ID in the second argument. */
static void test_kick_cpu(void **state)
{
	(void)state;
	(void)who_is_requested(UINT32_MAX);
	assert_int_equal(call(KVM_HC_KICK_CPU, 1, 2, 3, 1), 0);
	assert_int_equal(who_is_requested(VCPU_REQ_UNHALT), BIT(2));
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, VCPUS - 1, 0, 0), 0);
	assert_int_equal(who_is_requested(UINT32_MAX), BIT(VCPUS - 1));
	/* 'An ID that nobody has is no error.' */
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, VCPUS, 0, 0), 0);
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, UINT64_MAX, 0, 0), 0);
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, BIT_ULL(32) | 1, 0, 0), 0);
	assert_int_equal(who_is_requested(UINT32_MAX), 0);
}

/* 11: 'yield if the IPI target vCPU is preempted', its APIC ID in the first argument; and 5 does
 * the same for whom it wakes. Then the turn is over, and its end has to be looked at. */
static void test_yield(void **state)
{
	static const struct {
		uint64_t number, a0, a1;
		bool yields;
	} calls[] = {
		{KVM_HC_SCHED_YIELD, 2, 0, true},   {KVM_HC_SCHED_YIELD, 0, 2, false},
		{KVM_HC_SCHED_YIELD, 1, 2, false},  {KVM_HC_SCHED_YIELD, VCPUS, 2, false},
		{KVM_HC_KICK_CPU, 0, 2, true},      {KVM_HC_KICK_CPU, 2, 1, false},
		{KVM_HC_KICK_CPU, 2, VCPUS, false},
	};

	struct runq *rq = sched_this_runq();
	struct sched_entity *other = &vm->vcpu[2]->se;

	(void)state;
	runq_enqueue(rq, other, TSC);
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		vcpu->se.slice_end = TSC + 1000;
		fake_vcpu(vcpu)->deadline_changes = 0;
		assert_int_equal(call(calls[i].number, calls[i].a0, calls[i].a1, 0, 0), 0);
		assert_int_equal(vcpu->se.slice_end, calls[i].yields ? TSC : TSC + 1000);
		assert_int_equal(fake_vcpu(vcpu)->deadline_changes, calls[i].yields);
	}
	runq_remove(rq, other);
	sched_set_state(other, SCHED_STOPPED, TSC);
}

/* vCPU 1 does it, to the first vCPU. */
static void test_the_first_vcpu_is_one(void **state)
{
	struct runq *rq = sched_this_runq();
	struct vcpu *first = vcpu;

	(void)state;
	vcpu = vm->vcpu[1];
	fake_vcpu_set_mode_64(vcpu);
	runq_enqueue(rq, &vcpu->se, TSC);
	runq_enqueue(rq, &first->se, TSC);
	rq->current = runq_pick(rq, TSC);
	assert_ptr_equal(rq->current, &vcpu->se);
	(void)who_is_requested(UINT32_MAX);
	vcpu->se.slice_end = TSC + 1000;
	assert_int_equal(call(KVM_HC_SCHED_YIELD, 0, 2, 0, 0), 0);
	assert_int_equal(vcpu->se.slice_end, TSC);
	assert_int_equal(call(KVM_HC_KICK_CPU, 2, 0, 0, 0), 0);
	assert_int_equal(who_is_requested(VCPU_REQ_UNHALT), BIT(0));
	runq_remove(rq, &first->se);
	sched_set_state(&first->se, SCHED_RUNNING, TSC);
	sched_set_state(&vcpu->se, SCHED_STOPPED, TSC);
	vcpu = first;
}

/* 9: 'the host copies a struct kvm_clock_pairing to the address given': the time of day and the
 * guest's TSC of the same moment. */
static void test_clock_pairing(void **state)
{
	struct kvm_clock_pairing pairing, marks;

	(void)state;
	memset(&marks, 0xa5, sizeof(marks));
	assert_int_equal(gmem_write(&vm->gmem, GPA(0x3000), &marks, sizeof(marks)), 0);
	vcpu->tsc_adjust = 77;
	fake_tsc_set(TSC + 250);
	assert_int_equal(call(KVM_HC_CLOCK_PAIRING, 0x3000, KVM_CLOCK_PAIRING_WALLCLOCK, 0, 0), 0);
	assert_int_equal(gmem_read(&vm->gmem, GPA(0x3000), &pairing, sizeof(pairing)), 0);
	assert_int_equal(pairing.sec, 946684800 + 5); /* 1 GHz: 5 s and 250 ns after the boot */
	assert_int_equal(pairing.nsec, 250);
	assert_int_equal(pairing.tsc, vm_tsc(vm, TSC + 250) + 77);
	assert_int_equal(pairing.flags, 0);

	/* 'KVM_CLOCK_PAIRING_WALLCLOCK is the only clock type': others are -KVM_EOPNOTSUPP. */
	assert_int_equal(call(KVM_HC_CLOCK_PAIRING, 0x3000, 1, 0, 0), -KVM_EOPNOTSUPP);
	assert_int_equal(call(KVM_HC_CLOCK_PAIRING, MIB(2) - 8, 0, 0, 0), -KVM_EFAULT);
	assert_int_equal(call(KVM_HC_CLOCK_PAIRING, MIB(512), 0, 0, 0), -KVM_EFAULT);
	vm_machine.is_tsc_stable = false;
	assert_int_equal(call(KVM_HC_CLOCK_PAIRING, 0x3000, 0, 0, 0), -KVM_EOPNOTSUPP);
}

/* 10: 'a0: lower part of the bitmap of destination APIC IDs; a1: higher part; a2: the lowest APIC
 * ID in bitmap; a3: APIC ICR. Returns the number of CPUs to which the IPI was delivered.' */
static void test_send_ipi(void **state)
{
	(void)state;
	(void)who_is_requested(UINT32_MAX);
	assert_int_equal(call(KVM_HC_SEND_IPI, 0xb, 0, 0, 0x61), 3);
	assert_int_equal(who_got(0x61), 0xb);
	assert_int_equal(call(KVM_HC_SEND_IPI, 0xb, 0, 2, 0x62), 2); /* IDs 2, 3 and 5 */
	assert_int_equal(who_got(0x62), 0xc);
	assert_int_equal(call(KVM_HC_SEND_IPI, UINT64_MAX, UINT64_MAX, VCPUS, 0x62), 0);
	/* The second word begins 64 IDs further on, in a 32-bit guest 32: nobody has those here. */
	assert_int_equal(call(KVM_HC_SEND_IPI, 0, UINT64_MAX, 0, 0x62), 0);
	assert_int_equal(call(KVM_HC_SEND_IPI, BIT_ULL(32) | 2, 0, 0, 0x63), 1);
	assert_int_equal(who_got(0x63), 2);
	(void)who_is_requested(UINT32_MAX);
	assert_int_equal(call(KVM_HC_SEND_IPI, 6, 0, 0, ICR_NMI | 2), 2);
	assert_int_equal(who_got(-1), 0);
	assert_int_equal(who_is_requested(VCPU_REQ_NMI), 6);
}

static void test_send_ipi_refuses(void **state)
{
	static const uint64_t icrs[] = {
		0x100 | 0x61,      0x200 | 0x61,      0x500,          0x600 | 0x61,
		BIT(11) | 0x61,    BIT(18) | 0x61,    BIT(19) | 0x61, 3u << 18 | 0x61,
		BIT(11) | ICR_NMI, BIT(19) | ICR_NMI,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(icrs); i++)
		assert_int_equal(call(KVM_HC_SEND_IPI, 0xf, 0, 0, icrs[i]), -KVM_EINVAL);
	assert_int_equal(who_got(-1), 0);
}

/* 'From a 32-bit guest, 32 bits' of each word, and the answer in EAX alone. */
static void test_send_ipi_of_32_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) /* IDs 34 and 35 */
		vm->vcpu[i + 2]->lapic.initial_id = 34 + i;
	for (unsigned i = 2; i < VCPUS; i++)
		assert_int_equal(lapic_base_write(&vm->vcpu[i]->lapic,
						  vm->vcpu[i]->lapic.base | LAPIC_BASE_EXTD, 39),
				 0);
	fake_vcpu_set_mode_32(vcpu);
	assert_int_equal(call(KVM_HC_SEND_IPI, 0xdead00000002, 0xdead0000000c, 0, 0x61), 3);
	assert_int_equal(who_got(0x61), 0xe);
	fake_vcpu_set_mode_64(vcpu);
	assert_int_equal(call(KVM_HC_SEND_IPI, 2, 0xc, 0, 0x61), 1);
	assert_int_equal(who_got(0x61), 2);
	assert_int_equal(call(KVM_HC_SEND_IPI, 0xc00000000, 0, 0, 0x61), 2);
	assert_int_equal(who_got(0x61), 0xc);
}

/* 'Each comes with a feature': without it the number is unknown. */
static void test_features(void **state)
{
	static const struct {
		uint64_t number;
		unsigned feature;
	} calls[] = {
		{KVM_HC_KICK_CPU, KVM_FEATURE_PV_UNHALT},
		{KVM_HC_CLOCK_PAIRING, KVM_FEATURE_CLOCKSOURCE2},
		{KVM_HC_SEND_IPI, KVM_FEATURE_PV_SEND_IPI},
		{KVM_HC_SCHED_YIELD, KVM_FEATURE_PV_SCHED_YIELD},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		for (unsigned feature = 0; feature < 32; feature++) {
			vm->params.kvm_withdrawn = BIT(feature);
			assert_int_equal(call(calls[i].number, 0x3000, 0, 9, 0x61) == -KVM_ENOSYS,
					 feature == calls[i].feature);
		}
	}
	vm->params.kvm_withdrawn = UINT32_MAX;
	assert_int_equal(call(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kick_cpu),
		TEST(test_yield),
		TEST(test_the_first_vcpu_is_one),
		TEST(test_clock_pairing),
		TEST(test_send_ipi),
		TEST(test_send_ipi_refuses),
		TEST(test_send_ipi_of_32_bits),
		TEST(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
