/* The register page: everything that software reads of a local APIC stands there, and a CPU may
 * work on it ('Virtual APIC State', 'APIC Virtualization and Virtual Interrupts'). The CPU's part
 * is played here by plain stores to the page. */
#include "lapic_rig.h"

static struct lapic *const cpu = &rig.lapic[0];

static uint32_t *reg(uint32_t offset)
{
	return &cpu->regs[offset / 4];
}

static bool page_bit(uint32_t base, uint8_t vector)
{
	return *reg(base + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void set_page_bit(uint32_t base, uint8_t vector, bool is_set)
{
	uint32_t *word = reg(base + vector / 32 * 0x10);

	*word = is_set ? *word | BIT(vector % 32) : *word & ~(uint32_t)BIT(vector % 32);
}

/* 'Virtual-Interrupt Delivery' */
static void cpu_delivers(uint8_t vector)
{
	assert_true(page_bit(LAPIC_IRR, vector));
	set_page_bit(LAPIC_IRR, vector, false);
	set_page_bit(LAPIC_ISR, vector, true);
	*reg(LAPIC_PPR) = vector & 0xf0;
}

/* 'EOI Virtualization', with nothing else in service */
static void cpu_ends(uint8_t vector)
{
	assert_true(page_bit(LAPIC_ISR, vector));
	set_page_bit(LAPIC_ISR, vector, false);
	*reg(LAPIC_PPR) = *reg(LAPIC_TPR);
}

static int setup_shared(void **state)
{
	int ret = rig_setup(state);

	for (unsigned i = 0; i < RIG_CPUS; i++)
		lapic_share(&rig.lapic[i]);
	rig.fake.signal_count = 0;
	cpu->changed = 0;
	return ret;
}

static void advance(uint64_t ns)
{
	fake_platform_run_until(&rig.fake, rig.fake.now + ns); /* at 1 GHz */
}

/* 'SVI << 8 | RVI' as the model wants it. */
static unsigned status(uint64_t tmr[4])
{
	uint8_t irr = lapic_highest_irr(cpu);

	if (tmr)
		lapic_level_vectors(cpu, tmr);
	return (unsigned)lapic_highest_isr(cpu) << 8 | irr;
}

static void test_page_has_every_register(void **state)
{
	static const uint16_t offsets[] = {
		LAPIC_ID,        LAPIC_VERSION,     LAPIC_TPR,     LAPIC_PPR,       LAPIC_LDR,
		LAPIC_DFR,       LAPIC_SVR,         LAPIC_ESR,     LAPIC_ICR_LOW,   LAPIC_ICR_HIGH,
		LAPIC_LVT_CMCI,  LAPIC_LVT_TIMER,   LAPIC_LVT_PMC, LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,
		LAPIC_LVT_ERROR, LAPIC_LVT_THERMAL, LAPIC_TMICT,   LAPIC_TDCR,
	};

	(void)state;
	lapic_mmio_write(cpu, LAPIC_TPR, 0x35);
	lapic_mmio_write(cpu, LAPIC_LDR, 0x04000000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | 0x41);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1234567);
	lapic_mmio_write(cpu, LAPIC_TDCR, 0xb);
	lapic_mmio_write(cpu, LAPIC_ICR_HIGH, 0x03000000);
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++)
		assert_int_equal(*reg(offsets[i]), lapic_mmio_read(cpu, offsets[i]));
	assert_int_equal(*reg(LAPIC_TMICT), 1234567);
	assert_int_equal(*reg(LAPIC_ICR_HIGH), 0x03000000);
	to_x2apic(cpu);
	assert_int_equal(*reg(LAPIC_ID), 0);
	assert_int_equal(*reg(LAPIC_LDR), 1);
	assert_int_equal(*reg(LAPIC_TPR), 0x35);
	/* 'RDMSR with ECX = 830H': bits 63:32 come from offset 304H. */
	wrmsr(cpu, LAPIC_ICR_LOW, 0x0000000700004041);
	assert_int_equal(*reg(LAPIC_ICR_LOW), 0x4041);
	assert_int_equal(*reg(0x304), 7);
	assert_int_equal(rdmsr(cpu, LAPIC_ICR_LOW), 0x0000000700004041);
}

static void test_id_of_either_mode(void **state)
{
	struct lapic *other = &rig.lapic[5];

	(void)state;
	assert_int_equal(other->regs[LAPIC_ID / 4], 5u << 24);
	to_x2apic(other);
	assert_int_equal(other->regs[LAPIC_ID / 4], 5);
	lapic_reset(other, true); /* INIT leaves mode and ID */
	assert_int_equal(other->regs[LAPIC_ID / 4], 5);
	assert_int_equal(other->regs[LAPIC_LDR / 4], 1u << 5);
}

static void test_highest(void **state)
{
	(void)state;
	assert_int_equal(status(NULL), 0);
	lapic_post(cpu, 0x41, false);
	lapic_post(cpu, 0x99, false);
	assert_int_equal(status(NULL), 0x99);
	cpu_delivers(0x99);
	assert_int_equal(status(NULL), 0x9941);
	assert_int_equal(lapic_pending_vector(cpu), -1); /* its class is not above PPR's */
	cpu_ends(0x99);
	assert_int_equal(status(NULL), 0x0041);
	assert_int_equal(lapic_pending_vector(cpu), 0x41);
	cpu_delivers(0x41);
	cpu_ends(0x41);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(status(NULL), 0);
}

static void test_tpr_written_by_the_cpu(void **state)
{
	(void)state;
	lapic_post(cpu, 0x41, false);
	assert_int_equal(lapic_pending_vector(cpu), 0x41);
	*reg(LAPIC_TPR) = *reg(LAPIC_PPR) = 0x50;
	assert_int_equal(lapic_tpr(cpu), 0x50);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	lapic_set_tpr(cpu, 0x30);
	assert_int_equal(*reg(LAPIC_PPR), 0x30);
	assert_int_equal(lapic_pending_vector(cpu), 0x41);
}

/* The EOI-exit bitmap is TMR. */
static void test_level_and_its_eoi(void **state)
{
	uint64_t tmr[4];

	(void)state;
	lapic_post(cpu, 0x63, true);
	lapic_post(cpu, 0xc1, false);
	status(tmr);
	assert_int_equal(tmr[0x63 / 64], BIT_ULL(0x63 % 64));
	assert_int_equal(tmr[0xc1 / 64], 0);
	cpu_delivers(0x63);
	cpu_ends(0x63);
	lapic_ended(cpu, 0x63);
	assert_int_equal(rig.eois, 1);
	assert_int_equal(rig.eoi_vector, 0x63);
	lapic_ended(cpu, 0xc1); /* edge: nobody hears of it */
	assert_int_equal(rig.eois, 1);
	assert_int_equal(cpu->changed, LAPIC_CHANGED_TMR);
	cpu->changed = 0;
	lapic_post(cpu, 0x63, true);
	status(NULL);
	assert_int_equal(cpu->changed, 0); /* nothing new */
	lapic_post(cpu, 0x63, false);
	status(tmr);
	assert_int_equal(tmr[0x63 / 64], 0);
}

/* An EOI that software emulates: the CPU must be told. */
static void test_eoi_in_software(void **state)
{
	(void)state;
	lapic_post(cpu, 0x41, false);
	status(NULL);
	cpu_delivers(0x41);
	rig.fake.signal_count = 0;
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_false(page_bit(LAPIC_ISR, 0x41));
	assert_int_equal(cpu->changed, LAPIC_CHANGED_ISR);
	assert_int_equal(*reg(LAPIC_PPR), 0);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), 1);
	assert_int_equal(status(NULL), 0);
}

/* 'APIC-Write VM Exits' come after the value is in the page. */
static void test_written_takes_effect(void **state)
{
	(void)state;
	*reg(LAPIC_LVT_ERROR) = 0xffffffff;
	lapic_written(cpu, LAPIC_LVT_ERROR);
	assert_int_equal(*reg(LAPIC_LVT_ERROR), MASKED | 0xff); /* reserved bits are gone */
	*reg(LAPIC_ICR_LOW) = 3u << 18 | BIT(14) | 0x55;        /* all others */
	lapic_written(cpu, LAPIC_ICR_LOW);
	assert_int_equal(who_got(0x55), 0xfe);
	*reg(LAPIC_SVR) = 0xff;
	lapic_written(cpu, LAPIC_SVR);
	assert_false(lapic_is_enabled(cpu));
	assert_int_equal(*reg(LAPIC_LVT_LINT0) & MASKED, MASKED);
	*reg(LAPIC_LVT_LINT0) = 0x700;
	lapic_written(cpu, LAPIC_LVT_LINT0);
	assert_int_equal(*reg(LAPIC_LVT_LINT0), MASKED | 0x700); /* disabled: stays masked */
	*reg(LAPIC_ESR) = 0x1234;
	lapic_written(cpu, LAPIC_ESR);
	assert_int_equal(*reg(LAPIC_ESR), 0);
}

/* The timer goes by what it was told last, not by what the CPU has put in its place. */
static void test_timer_registers_written(void **state)
{
	(void)state;
	*reg(LAPIC_TDCR) = 0xb;
	lapic_written(cpu, LAPIC_TDCR);
	*reg(LAPIC_LVT_TIMER) = 0x41;
	lapic_written(cpu, LAPIC_LVT_TIMER);
	*reg(LAPIC_TMICT) = 1000;
	lapic_written(cpu, LAPIC_TMICT);
	advance(400);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMCCT), 600);
	*reg(LAPIC_TDCR) = 0; /* by 2 */
	lapic_written(cpu, LAPIC_TDCR);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMCCT), 600);
	advance(1199);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	advance(1);
	assert_int_equal(lapic_pending_vector(cpu), 0x41);
	/* 'In TSC-deadline mode, writes to the initial-count register are ignored.' */
	*reg(LAPIC_LVT_TIMER) = 2u << 17 | 0x41;
	lapic_written(cpu, LAPIC_LVT_TIMER);
	*reg(LAPIC_TMICT) = 77;
	lapic_written(cpu, LAPIC_TMICT);
	assert_int_equal(*reg(LAPIC_TMICT), 0);
}

static void test_illegal_self_ipi(void **state)
{
	(void)state;
	to_x2apic(cpu);
	*reg(LAPIC_SELF_IPI) = 5;
	lapic_written(cpu, LAPIC_SELF_IPI);
	wrmsr(cpu, LAPIC_ESR, 0);
	assert_int_equal(rdmsr(cpu, LAPIC_ESR), BIT(5) | BIT(6));
	assert_int_equal(status(NULL), 0);
}

static void test_disabling_forgets(void **state)
{
	(void)state;
	lapic_post(cpu, 0x41, true);
	lapic_post(cpu, 0x52, false);
	status(NULL);
	cpu_delivers(0x52);
	lapic_post(cpu, 0x77, false);
	assert_int_equal(lapic_base_write(cpu, cpu->base & ~LAPIC_BASE_ENABLE, 39), 0);
	assert_int_equal(cpu->changed, LAPIC_CHANGED_ISR | LAPIC_CHANGED_TMR);
	assert_int_equal(status(NULL), 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(*reg(LAPIC_PPR), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_page_has_every_register, rig_setup),
		cmocka_unit_test_setup(test_id_of_either_mode, rig_setup),
		cmocka_unit_test_setup(test_highest, setup_shared),
		cmocka_unit_test_setup(test_tpr_written_by_the_cpu, setup_shared),
		cmocka_unit_test_setup(test_level_and_its_eoi, setup_shared),
		cmocka_unit_test_setup(test_eoi_in_software, setup_shared),
		cmocka_unit_test_setup(test_written_takes_effect, setup_shared),
		cmocka_unit_test_setup(test_timer_registers_written, setup_shared),
		cmocka_unit_test_setup(test_illegal_self_ipi, setup_shared),
		cmocka_unit_test_setup(test_disabling_forgets, setup_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
