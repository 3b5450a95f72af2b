/* The local APIC: priorities, EOI, errors, local interrupts. Rules from the SDM's chapter 'Advanced
 * Programmable Interrupt Controller'. */
#include "lapic_rig.h"

#include <stdlib.h>

#define VECTOR_ERROR 0x33

static struct lapic *const cpu = &rig.lapic[1];

/* --- priorities
 * ----------------------------------------------------------------------------------- */

/* 'PPR[7:4] = the greater of TPR[7:4] and ISRV[7:4]; PPR[3:0]: TPR[3:0] if TPR[7:4] is the greater,
 * 0 if it is the lesser' (equal: either, here TPR's). */
static void test_ppr(void **state)
{
	static const int in_service[] = {-1, 0x10, 0x3f, 0x80, 0xff};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(in_service); i++) {
		rig_init(1000000000);
		if (in_service[i] >= 0) {
			lapic_post(cpu, (uint8_t)in_service[i], false);
			assert_int_equal(take_pending(cpu), in_service[i]);
		}
		for (uint32_t tpr = 0; tpr < 256; tpr++) {
			uint32_t isrv = in_service[i] < 0 ? 0 : (uint32_t)in_service[i];
			uint32_t ppr = tpr >> 4 >= isrv >> 4 ? tpr : isrv & 0xf0;

			lapic_mmio_write(cpu, LAPIC_TPR, tpr);
			assert_int_equal(lapic_mmio_read(cpu, LAPIC_PPR), ppr);
		}
	}
}

/* 'The processor will deliver only those interrupts that have an interrupt-priority class higher
 * than the processor-priority class in the PPR'. */
static void test_tpr_holds_back(void **state)
{
	(void)state;
	lapic_set_tpr(cpu, 0x50);
	lapic_post(cpu, 0x5f, false);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	lapic_post(cpu, 0x60, false);
	assert_int_equal(lapic_pending_vector(cpu), 0x60);
	assert_int_equal(take_pending(cpu), 0x60);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	/* Lowering TPR makes it deliverable, and the vCPU is told. */
	rig.fake.signal_count = 0;
	lapic_set_tpr(cpu, 0x51);
	assert_int_equal(rig.fake.signal_count, 0);
	lapic_set_tpr(cpu, 0x4f);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	assert_int_equal(lapic_pending_vector(cpu), 0x5f);
}

static void test_nesting(void **state)
{
	(void)state;
	lapic_post(cpu, 0x41, false);
	assert_int_equal(take_pending(cpu), 0x41);
	lapic_post(cpu, 0x4e, false); /* same class: waits */
	assert_int_equal(lapic_pending_vector(cpu), -1);
	lapic_post(cpu, 0x91, false);
	assert_int_equal(take_pending(cpu), 0x91);
	lapic_post(cpu, 0x41, false); /* again, while in service: once in IRR, once in ISR */
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_IRR + 0x20),
			 BIT(0x41 - 0x40) | BIT(0x4e - 0x40));
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ISR + 0x20), BIT(0x41 - 0x40));
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ISR + 0x40), BIT(0x91 - 0x80));
	/* EOI ends the highest in service. */
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ISR + 0x40), 0);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_PPR), 0x40);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	rig.fake.signal_count = 0;
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	assert_int_equal(take_pending(cpu), 0x4e);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(take_pending(cpu), 0x41);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	lapic_mmio_write(cpu, LAPIC_EOI, 0); /* nothing in service: no effect */
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_PPR), 0);
}

/* The TMR and the EOI of a level-triggered interrupt: 'Signaling Interrupt Servicing Completion'.
 */
static void test_level_eoi(void **state)
{
	(void)state;
	lapic_post(cpu, 0x61, true);
	lapic_post(cpu, 0x72, false);
	assert_int_equal(take_pending(cpu), 0x72);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMR + 0x30), BIT(1));
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 0);
	assert_int_equal(take_pending(cpu), 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 1);
	assert_int_equal(rig.eoi_vector, 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 1);
	/* 'Upon acceptance into the IRR, the TMR bit is cleared for edge-triggered interrupts.' */
	lapic_post(cpu, 0x61, false);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMR + 0x30), 0);
	assert_int_equal(take_pending(cpu), 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 1);
	/* The same for one of its own. */
	lapic_post(cpu, 0x61, true);
	assert_int_equal(take_pending(cpu), 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 2);
	lapic_mmio_write(cpu, LAPIC_ICR_LOW, 0x44061);
	assert_int_equal(take_pending(cpu), 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 2);
	/* Both at once: the I/O APIC must not wait for ever. */
	lapic_post(cpu, 0x61, true);
	lapic_post(cpu, 0x61, false);
	assert_int_equal(take_pending(cpu), 0x61);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(rig.eois, 3);
}

/* Random traffic against the plain reading of the rules, with sets searched from the top. */
static void test_priorities_random(void **state)
{
	bool irr[256] = {false}, isr[256] = {false}, tmr[256] = {false};
	uint32_t tpr = 0, eois = 0;
	int in_service, pending;

	(void)state;
	srand(1);
	for (unsigned step = 0; step < 200000; step++) {
		uint8_t vector = (uint8_t)(16 + rand() % 240);

		switch (rand() % 4) {
		case 0:
			tmr[vector] = rand() % 2;
			irr[vector] = true;
			lapic_post(cpu, vector, tmr[vector]);
			if (rand() % 2)
				lapic_pending_vector(cpu);
			else /* reading a register takes posted vectors, too */
				lapic_mmio_read(cpu, LAPIC_IRR);
			break;
		case 1:
			tpr = (uint32_t)rand() % 256 & (uint32_t)rand();
			lapic_set_tpr(cpu, (uint8_t)tpr);
			break;
		case 2:
			for (in_service = 255; in_service >= 0 && !isr[in_service]; in_service--)
				;
			lapic_mmio_write(cpu, LAPIC_EOI, 0);
			if (in_service >= 0) {
				isr[in_service] = false;
				eois += tmr[in_service];
			}
			break;
		default:
			for (in_service = 255; in_service >= 0 && !isr[in_service]; in_service--)
				;
			for (pending = 255; pending >= 0 && !irr[pending]; pending--)
				;
			if (pending >> 4 <=
			    MAX((int)(tpr >> 4), in_service < 0 ? 0 : in_service >> 4))
				pending = -1;
			assert_int_equal(take_pending(cpu), pending);
			if (pending >= 0) {
				irr[pending] = false;
				isr[pending] = true;
			}
		}
		assert_int_equal(rig.eois, eois);
		rig.fake.signal_count = 0;
	}
}

/* --- errors and local interrupts
 * ------------------------------------------------------------------ */

/* 'Before attempt to read from the ESR, software should first write to it. This write clears any
 * previously logged errors and updates the ESR with any errors detected since the last write to the
 * ESR. This write also rearms the APIC error interrupt triggering mechanism.' */
static void test_esr(void **state)
{
	(void)state;
	lapic_mmio_write(cpu, LAPIC_LVT_ERROR, VECTOR_ERROR);
	lapic_mmio_read(cpu, 0x400);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ESR), 0); /* not before a write */
	assert_int_equal(take_pending(cpu), VECTOR_ERROR);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	lapic_mmio_write(cpu, LAPIC_ICR_LOW, 0x4001);    /* illegal vector */
	assert_int_equal(lapic_pending_vector(cpu), -1); /* not rearmed */
	lapic_mmio_write(cpu, LAPIC_ESR, 0xffffffff);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ESR), BIT(7) | BIT(5));
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ESR), BIT(7) | BIT(5)); /* stays to be read */
	lapic_mmio_read(cpu, 0x400);
	assert_int_equal(take_pending(cpu), VECTOR_ERROR);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ESR), BIT(7) | BIT(5));
	assert_int_equal(read_esr(cpu), BIT(7));
	assert_int_equal(read_esr(cpu), 0);
	/* Masked: logged, not signalled. */
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	lapic_mmio_write(cpu, LAPIC_LVT_ERROR, MASKED | VECTOR_ERROR);
	lapic_mmio_read(cpu, 0x400);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(read_esr(cpu), BIT(7));
}

/* 'Valid Interrupt Vectors': 'the local APIC will never set an IRR bit in the range 0-15'. */
static void test_illegal_vectors(void **state)
{
	(void)state;
	for (uint8_t vector = 0; vector < 16; vector++) {
		lapic_post(cpu, vector, vector & 1);
		assert_int_equal(lapic_pending_vector(cpu), -1);
		assert_int_equal(lapic_mmio_read(cpu, LAPIC_IRR), 0);
		assert_int_equal(read_esr(cpu), BIT(6)); /* received */
		lapic_mmio_write(cpu, LAPIC_ICR_HIGH, 0x02000000);
		lapic_mmio_write(cpu, LAPIC_ICR_LOW, 0x4000u | vector);
		assert_int_equal(read_esr(cpu), BIT(5)); /* sent */
		assert_int_equal(read_esr(&rig.lapic[2]), 0);
		lapic_mmio_write(cpu, LAPIC_ICR_LOW, 0x44000u | vector);
		assert_int_equal(read_esr(cpu), BIT(5) | BIT(6)); /* to itself */
	}
	/* From the LVT: when it is to be delivered. The error vector itself may be one. */
	lapic_mmio_write(cpu, LAPIC_LVT_ERROR, 0x05);
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, 0x0f);
	assert_int_equal(read_esr(cpu), 0);
	lapic_line(cpu, 1);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(read_esr(cpu), BIT(6));
	/* 'Self IPI register'. */
	to_x2apic(cpu);
	wrmsr(cpu, LAPIC_SELF_IPI, 0x0f);
	wrmsr(cpu, LAPIC_ESR, 0);
	assert_int_equal(rdmsr(cpu, LAPIC_ESR), BIT(5) | BIT(6));
	assert_int_equal(lapic_msr_write(cpu, 0x828, 1), -EPERM); /* only zero may be written */
}

/* 'Local Vector Table': delivery modes of the LINT pins. */
static void test_lint(void **state)
{
	(void)state;
	lapic_mmio_write(cpu, LAPIC_LVT_LINT0, 0x81);
	lapic_line(cpu, 0);
	assert_int_equal(take_pending(cpu), 0x81);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	rig.fake.signal_count = 0;
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, 0x400);
	lapic_line(cpu, 1);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_NMI), BIT(1));
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, 0x500);
	lapic_line(cpu, 1);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_INIT), BIT(1));
	lapic_mmio_write(cpu, LAPIC_LVT_LINT0, 0x700);
	assert_true(lapic_is_extint_open(cpu));
	lapic_line(cpu, 0);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, 0x200); /* SMI */
	lapic_line(cpu, 1);
	assert_int_equal(rig.fake.notes, 1);
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, MASKED | 0x400);
	lapic_line(cpu, 1);
	lapic_mmio_write(cpu, LAPIC_LVT_LINT0, MASKED | 0x700);
	assert_false(lapic_is_extint_open(cpu));
	lapic_line(cpu, 0);
	assert_int_equal(rig.fake.signal_count, 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
}

#define TEST(name) cmocka_unit_test_setup(name, rig_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ppr),
		TEST(test_tpr_holds_back),
		TEST(test_nesting),
		TEST(test_level_eoi),
		TEST(test_priorities_random),
		TEST(test_esr),
		TEST(test_illegal_vectors),
		TEST(test_lint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
