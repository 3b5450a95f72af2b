/* The local APIC: its states, and the registers in both modes. Rules from the SDM's chapter
 * 'Advanced Programmable Interrupt Controller'. */
#include "lapic_rig.h"

static struct lapic *const cpu = &rig.lapic[1];

/* --- states
 * --------------------------------------------------------------------------------------- */

/* 'Local APIC State After Power-Up or Reset': IRR, ISR, TMR, ICR, LDR, TPR, timer registers 0; DFR
 * all ones; LVT 0 with the mask bits set; spurious-interrupt vector register 000000FFH, that is
 * software disabled. */
static void check_reset_registers(struct lapic *lapic)
{
	static const uint16_t zero[] = {
		LAPIC_TPR, LAPIC_APR,     LAPIC_PPR,      LAPIC_EOI,   LAPIC_RRD,   LAPIC_LDR,
		LAPIC_ESR, LAPIC_ICR_LOW, LAPIC_ICR_HIGH, LAPIC_TMICT, LAPIC_TMCCT, LAPIC_TDCR,
	};
	static const uint16_t masked[] = {
		LAPIC_LVT_CMCI, LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL,
		LAPIC_LVT_PMC,  LAPIC_LVT_LINT1, LAPIC_LVT_ERROR,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(zero); i++)
		assert_int_equal(lapic_mmio_read(lapic, zero[i]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(masked); i++)
		assert_int_equal(lapic_mmio_read(lapic, masked[i]), MASKED);
	for (unsigned i = 0; i < 0x80; i += 0x10) {
		assert_int_equal(lapic_mmio_read(lapic, LAPIC_ISR + i), 0);
		assert_int_equal(lapic_mmio_read(lapic, LAPIC_TMR + i), 0);
		assert_int_equal(lapic_mmio_read(lapic, LAPIC_IRR + i), 0);
	}
	assert_int_equal(lapic_mmio_read(lapic, LAPIC_DFR), 0xffffffff);
	assert_int_equal(lapic_mmio_read(lapic, LAPIC_SVR), 0xff);
	assert_int_equal(read_esr(lapic), 0);
	assert_false(lapic_is_enabled(lapic));
}

/* Uses everything, so that a reset has something to undo. */
static void make_dirty(struct lapic *lapic)
{
	lapic_mmio_write(lapic, LAPIC_ID, 0x77000000);
	lapic_mmio_write(lapic, LAPIC_TPR, 0x35);
	lapic_mmio_write(lapic, LAPIC_LDR, 0xff000000);
	lapic_mmio_write(lapic, LAPIC_DFR, 0);
	lapic_mmio_write(lapic, LAPIC_LVT_TIMER, 0x20050);
	for (unsigned reg = LAPIC_LVT_THERMAL; reg <= LAPIC_LVT_ERROR; reg += 0x10)
		lapic_mmio_write(lapic, reg, 0x50);
	lapic_mmio_write(lapic, LAPIC_LVT_CMCI, 0x50);
	lapic_mmio_write(lapic, LAPIC_TDCR, 3);
	lapic_mmio_write(lapic, LAPIC_TMICT, 1000000);
	lapic_mmio_write(lapic, LAPIC_ICR_HIGH, 0x02000000);
	lapic_mmio_write(lapic, LAPIC_ICR_LOW, 0x4081);
	lapic_mmio_write(lapic, 0x400, 1);
	lapic_post(lapic, 0x90, true);
	assert_int_equal(take_pending(lapic), 0x90);
	lapic_post(lapic, 0xa0, false);
	lapic_post(lapic, 3, false);
}

static void test_power_up(void **state)
{
	struct lapic bsp, ap;

	(void)state;
	lapic_init(&bsp, &rig.bus, &rig.fake.platform, 0, 0);
	lapic_init(&ap, &rig.bus, &rig.fake.platform, 1, 5);
	assert_int_equal(bsp.base, 0xfee00900);
	assert_int_equal(ap.base, 0xfee00800);
	check_reset_registers(&bsp);
	check_reset_registers(&ap);
	assert_int_equal(lapic_mmio_read(&ap, LAPIC_ID), 0x05000000);
	assert_int_equal(lapic_mmio_read(&ap, LAPIC_LVT_LINT0), MASKED);
	/* The BSP comes in virtual wire mode. */
	assert_int_equal(lapic_mmio_read(&bsp, LAPIC_LVT_LINT0), 0x700);
	assert_true(lapic_is_extint_open(&bsp));
	assert_false(lapic_is_extint_open(&ap));
}

/* 'Local APIC State After It Receives an INIT Reset': the same as after power-up, 'except that the
 * APIC ID and arbitration ID registers are not affected'. */
static void test_reset_and_init(void **state)
{
	(void)state;
	make_dirty(cpu);
	lapic_reset(cpu, true);
	check_reset_registers(cpu);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ID), 0x77000000);
	fake_platform_run_until(&rig.fake, 1000000000);
	assert_int_equal(lapic_pending_vector(cpu), -1);

	lapic_mmio_write(cpu, LAPIC_SVR, 0x1ff);
	make_dirty(cpu);
	lapic_reset(cpu, false);
	check_reset_registers(cpu);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ID), 0x01000000);

	/* INIT in x2APIC mode leaves the mode and its ID; a power-up reset does not. */
	to_x2apic(cpu);
	lapic_reset(cpu, true);
	assert_true(lapic_is_x2apic(cpu));
	assert_int_equal(rdmsr(cpu, LAPIC_ID), 1);
	assert_int_equal(rdmsr(cpu, LAPIC_LDR), 2);
	lapic_reset(cpu, false);
	assert_false(lapic_is_x2apic(cpu));
	check_reset_registers(cpu);
}

/* 'x2APIC State Transitions': the legal arrows, and #GP for all others. */
static void test_base_transitions(void **state)
{
	enum { OFF = 0x000, X2_ONLY = 0x400, XAPIC = 0x800, X2APIC = 0xc00 };
	static const uint64_t states[] = {OFF, X2_ONLY, XAPIC, X2APIC};

	(void)state;
	for (unsigned from = 0; from < ARRAY_SIZE(states); from++) {
		for (unsigned to = 0; to < ARRAY_SIZE(states); to++) {
			uint64_t target = LAPIC_DEFAULT_BASE | states[to];
			bool is_legal = states[to] != X2_ONLY &&
					!(states[from] == OFF && states[to] == X2APIC) &&
					!(states[from] == X2APIC && states[to] == XAPIC);

			if (states[from] == X2_ONLY)
				continue; /* cannot be reached */
			rig_init(1000000000);
			if (states[from] == X2APIC)
				to_x2apic(cpu);
			else
				assert_int_equal(lapic_base_write(cpu,
								  LAPIC_DEFAULT_BASE | states[from],
								  39),
						 0);
			assert_int_equal(lapic_base_write(cpu, target, 39), is_legal ? 0 : -EPERM);
			assert_int_equal(cpu->base & 0xc00, is_legal ? states[to] : states[from]);
		}
	}
}

static void test_base_bits(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		bool is_reserved = bit < 8 || bit == 9 || bit >= 39;

		rig_init(1000000000);
		assert_int_equal(lapic_base_write(cpu, cpu->base ^ BIT_ULL(bit), 39),
				 is_reserved ? -EPERM : 0);
	}
	assert_int_equal(lapic_base_write(&rig.lapic[2], 0xfffffffee00800, 64), 0);
	assert_int_equal(rig.lapic[2].base, 0xfffffffee00800);
}

/* 'A transition from xAPIC mode to x2APIC mode does not affect most of the APIC register states,
 * except': the LDR, an ID written by software and the high half of the ICR 'are not preserved'. */
static void test_to_x2apic(void **state)
{
	(void)state;
	lapic_mmio_write(cpu, LAPIC_ID, 0x44000000);
	lapic_mmio_write(cpu, LAPIC_LDR, 0x80000000);
	lapic_mmio_write(cpu, LAPIC_ICR_HIGH, 0xab000000);
	lapic_mmio_write(cpu, LAPIC_ICR_LOW, 0x4091);
	lapic_mmio_write(cpu, LAPIC_TPR, 0x42);
	lapic_mmio_write(cpu, LAPIC_LVT_ERROR, 0x33);
	lapic_post(cpu, 0x99, false);
	to_x2apic(cpu);
	assert_int_equal(rdmsr(cpu, LAPIC_ID), 1);
	assert_int_equal(rdmsr(cpu, LAPIC_LDR), 0x00000002);
	assert_int_equal(rdmsr(cpu, LAPIC_ICR_LOW), 0x4091);
	assert_int_equal(rdmsr(cpu, LAPIC_TPR), 0x42);
	assert_int_equal(rdmsr(cpu, LAPIC_SVR), 0x1ff);
	assert_int_equal(rdmsr(cpu, LAPIC_LVT_ERROR), 0x33);
	assert_int_equal(lapic_pending_vector(cpu), 0x99);
	/* 'The local APIC's memory-mapped interface is not available in x2APIC mode.' */
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TPR), UINT32_MAX);
	lapic_mmio_write(cpu, LAPIC_TPR, 0);
	assert_int_equal(rdmsr(cpu, LAPIC_TPR), 0x42);
}

/* 'Logical x2APIC ID = [(x2APIC ID[19:4] << 16) | (1 << x2APIC ID[3:0])]'. */
static void test_x2apic_ldr(void **state)
{
	static const struct {
		uint32_t id, ldr;
	} cases[] = {{0, 1}, {15, 0x8000}, {16, 0x10001}, {0x3f, 0x38000}, {300, 0x121000}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		lapic_init(cpu, &rig.bus, &rig.fake.platform, 1, cases[i].id);
		to_x2apic(cpu);
		assert_int_equal(rdmsr(cpu, LAPIC_ID), cases[i].id);
		assert_int_equal(rdmsr(cpu, LAPIC_LDR), cases[i].ldr);
	}
}

/* 'When IA32_APIC_BASE[11] is 0, the processor is functionally equivalent to an IA-32 processor
 * without an on-chip APIC': no registers, LINT0 and LINT1 are INTR and NMI; enabled again it is as
 * after power-up. */
static void test_disabled(void **state)
{
	uint64_t value;

	(void)state;
	make_dirty(cpu);
	assert_int_equal(lapic_base_write(cpu, LAPIC_DEFAULT_BASE, 39), 0);
	rig.fake.signal_count = 0;
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_VERSION), UINT32_MAX);
	lapic_mmio_write(cpu, LAPIC_SVR, 0x1ff);
	assert_int_equal(lapic_msr_read(cpu, 0x802, &value), -EPERM);
	assert_int_equal(lapic_msr_write(cpu, 0x808, 0), -EPERM);
	assert_false(lapic_is_enabled(cpu));
	assert_true(lapic_is_extint_open(cpu));
	lapic_line(cpu, 0);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	lapic_line(cpu, 1);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_NMI), BIT(1));
	/* A vector that was under way when the APIC was disabled is lost with it. */
	lapic_post(cpu, 0x80, false);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(lapic_base_write(cpu, LAPIC_DEFAULT_BASE | 0x800, 39), 0);
	check_reset_registers(cpu);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ID), 0x01000000);
	assert_int_equal(lapic_pending_vector(cpu), -1);
}

/* 'Local APIC State After It Has Been Software Disabled'. */
/* The 8259s' INT is a level at LINT0: one that was asserted while the entry was masked comes when
 * the entry is unmasked as ExtINT, so the vCPU must look again. */
static void test_lint0_unmasked(void **state)
{
	uint32_t before = fake_platform_signals(&rig.fake, cpu->vcpu, VCPU_SIGNAL_EVENT);

	(void)state;
	lapic_mmio_write(cpu, LAPIC_LVT_LINT0, MASKED | 0x700);
	assert_false(lapic_is_extint_open(cpu));
	assert_int_equal(fake_platform_signals(&rig.fake, cpu->vcpu, VCPU_SIGNAL_EVENT), before);
	lapic_mmio_write(cpu, LAPIC_LVT_LINT0, 0x700);
	assert_true(lapic_is_extint_open(cpu));
	assert_int_equal(fake_platform_signals(&rig.fake, cpu->vcpu, VCPU_SIGNAL_EVENT),
			 before + 1);
}

static void test_software_disabled(void **state)
{
	(void)state;
	lapic_post(cpu, 0x70, false);
	assert_int_equal(lapic_pending_vector(cpu), 0x70);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, 0x41);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	lapic_mmio_write(cpu, LAPIC_LVT_LINT1, 0x400);
	lapic_mmio_write(cpu, LAPIC_SVR, 0xff);
	/* 'The mask bits for all the LVT entries are set. Attempts to reset these bits will be
	 * ignored.' */
	for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += 0x10) {
		assert_int_equal(lapic_mmio_read(cpu, reg) & MASKED, MASKED);
		lapic_mmio_write(cpu, reg, 0x55);
		assert_int_equal(lapic_mmio_read(cpu, reg), MASKED | 0x55);
	}
	fake_platform_run_until(&rig.fake, 10000);
	/* 'Pending interrupts in the IRR and ISR are held and require masking or handling.' */
	assert_int_equal(take_pending(cpu), 0x70);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	/* Enabling does not unmask. */
	lapic_mmio_write(cpu, LAPIC_SVR, 0x1ff);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_LVT_TIMER), MASKED | 0x55);
	assert_true(lapic_is_enabled(cpu));
}

/* --- registers
 * ------------------------------------------------------------------------------------ */

static void test_writable_bits(void **state)
{
	static const struct {
		uint16_t reg;
		uint32_t ones, zeros; /* what all ones and then zero leave */
	} cases[] = {
		{LAPIC_ID, 0xff000000, 0},
		{LAPIC_VERSION, 0x00060014, 0x00060014},
		{LAPIC_TPR, 0xff, 0},
		{LAPIC_APR, 0, 0},
		{LAPIC_RRD, 0, 0},
		{LAPIC_LDR, 0xff000000, 0},
		{LAPIC_DFR, 0xffffffff, 0x0fffffff},
		{LAPIC_ISR, 0, 0},
		{LAPIC_ICR_HIGH, 0xff000000, 0},
		{LAPIC_LVT_CMCI, 0x107ff, 0},
		{LAPIC_LVT_TIMER, 0x700ff, 0},
		{LAPIC_LVT_THERMAL, 0x107ff, 0},
		{LAPIC_LVT_PMC, 0x107ff, 0},
		{LAPIC_LVT_LINT0, 0x1a7ff, 0},
		{LAPIC_LVT_LINT1, 0x1a7ff, 0},
		{LAPIC_LVT_ERROR, 0x100ff, 0},
		{LAPIC_TMICT, 0xffffffff, 0},
		{LAPIC_TMCCT, 0, 0},
		{LAPIC_TDCR, 0xb, 0},
		{LAPIC_SVR, 0x3ff, 0},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		rig_init(1000000000);
		lapic_mmio_write(cpu, cases[i].reg, UINT32_MAX);
		assert_int_equal(lapic_mmio_read(cpu, cases[i].reg), cases[i].ones);
		lapic_mmio_write(cpu, cases[i].reg, 0);
		assert_int_equal(lapic_mmio_read(cpu, cases[i].reg), cases[i].zeros);
		assert_int_equal(read_esr(cpu), 0);
	}
}

/* ESR bit 7, 'Illegal Register Address': an access to a register that is reserved, in xAPIC mode.
 */
static void test_illegal_register(void **state)
{
	static const uint32_t holes[] = {0x000, 0x010, 0x040, 0x070, 0x290, 0x2e0, 0x3a0,
					 0x3d0, 0x3f0, 0x400, 0xff0, 0x084, 0x301};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(holes); i++) {
		assert_int_equal(lapic_mmio_read(cpu, holes[i]), 0);
		assert_int_equal(read_esr(cpu), BIT(7));
		lapic_mmio_write(cpu, holes[i], 0x55);
		assert_int_equal(read_esr(cpu), BIT(7));
		assert_int_equal(read_esr(cpu), 0);
	}
	assert_int_equal(lapic_pending_vector(cpu), -1);
}

/* 'Local APIC Register Address Map Supported by x2APIC': all 256 MSRs, read and written with 0. */
static void test_x2apic_access(void **state)
{
	uint8_t access[256] = {
		[0x02] = 1, [0x03] = 1, [0x08] = 3, [0x0a] = 1, [0x0b] = 2, [0x0d] = 1, [0x0f] = 3,
		[0x28] = 3, [0x2f] = 3, [0x30] = 3, [0x38] = 3, [0x39] = 1, [0x3e] = 3,
	};
	uint64_t value;

	(void)state;
	memset(&access[0x10], 1, 24);
	memset(&access[0x32], 3, 6);
	to_x2apic(cpu);
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t written = i == 0x3f ? 0x40 : 0; /* SELF IPI: write-only */

		if (i == 0x3f)
			access[i] = 2;
		assert_int_equal(lapic_msr_read(cpu, 0x800 + i, &value),
				 access[i] & 1 ? 0 : -EPERM);
		assert_int_equal(lapic_msr_write(cpu, 0x800 + i, written),
				 access[i] & 2 ? 0 : -EPERM);
	}
	assert_int_equal(lapic_msr_read(&rig.lapic[2], 0x802, &value), -EPERM); /* in xAPIC mode */
}

/* 'Writes of a 1 to a reserved bit raise #GP': every bit of every writable MSR. */
static void test_x2apic_reserved_bits(void **state)
{
	static const struct {
		uint16_t reg;
		uint64_t ok;
	} cases[] = {
		{LAPIC_TPR, 0xff},
		{LAPIC_EOI, 0},
		{LAPIC_SVR, 0x3ff},
		{LAPIC_ESR, 0},
		{LAPIC_LVT_CMCI, 0x117ff},
		{LAPIC_LVT_TIMER, 0x710ff},
		{LAPIC_LVT_THERMAL, 0x117ff},
		{LAPIC_LVT_PMC, 0x117ff},
		{LAPIC_LVT_LINT0, 0x1f7ff},
		{LAPIC_LVT_LINT1, 0x1f7ff},
		{LAPIC_LVT_ERROR, 0x110ff},
		{LAPIC_TMICT, 0xffffffff},
		{LAPIC_TDCR, 0xb},
		{LAPIC_SELF_IPI, 0xff},
		/* 'Delivery status' (bit 12) is gone, and ignored. */
		{LAPIC_ICR_LOW, 0xffffffff000cdfff},
	};

	(void)state;
	to_x2apic(cpu);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(lapic_msr_write(cpu, msr_of(cases[i].reg), BIT_ULL(bit)),
					 cases[i].ok >> bit & 1 ? 0 : -EPERM);
	wrmsr(cpu, LAPIC_LVT_LINT0, 0x1f7ff);
	assert_int_equal(rdmsr(cpu, LAPIC_LVT_LINT0), 0x1a7ff); /* read-only bits stay 0 */
	wrmsr(cpu, LAPIC_ICR_LOW, 0x1234567800001040);
	assert_int_equal(rdmsr(cpu, LAPIC_ICR_LOW), 0x1234567800000040);
}

#define TEST(name) cmocka_unit_test_setup(name, rig_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_power_up),
		TEST(test_reset_and_init),
		TEST(test_base_transitions),
		TEST(test_base_bits),
		TEST(test_to_x2apic),
		TEST(test_x2apic_ldr),
		TEST(test_disabled),
		TEST(test_software_disabled),
		TEST(test_lint0_unmasked),
		TEST(test_writable_bits),
		TEST(test_illegal_register),
		TEST(test_x2apic_access),
		TEST(test_x2apic_reserved_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
