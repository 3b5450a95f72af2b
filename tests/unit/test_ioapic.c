/* The I/O APIC. Rules from the data sheet '82093AA I/O Advanced Programmable Interrupt Controller
 * (IOAPIC)', the EOI register from its successors', the extended destination from KVM's CPUID
 * feature MSI_EXT_DEST_ID. */
#include "devices/ioapic.h"
#include "lapic_rig.h"

#define PIN     9u
#define VECTOR  0x91
#define LOGICAL BIT(11)
#define LEVEL   BIT(15)
#define MODE(m) ((uint32_t)(m) << 8)

static struct ioapic ioapic;

static void on_eoi(void *ctx, uint8_t vector)
{
	ioapic_eoi(ctx, vector);
}

static int setup(void **state)
{
	rig_setup(state);
	ioapic_init(&ioapic, &rig.bus);
	rig.bus.eoi = on_eoi;
	rig.bus.eoi_ctx = &ioapic;
	rig.fake.signal_count = 0;
	return 0;
}

static uint32_t reg_read(uint32_t index)
{
	ioapic_write(&ioapic, 0x00, 4, index);
	return (uint32_t)ioapic_read(&ioapic, 0x10, 4);
}

static void reg_write(uint32_t index, uint32_t value)
{
	ioapic_write(&ioapic, 0x00, 4, index);
	ioapic_write(&ioapic, 0x10, 4, value);
}

static uint32_t entry_low(uint32_t pin)
{
	return reg_read(0x10 + 2 * pin);
}

static void set_entry(uint32_t pin, uint32_t dest, uint32_t low)
{
	reg_write(0x11 + 2 * pin, dest << 24);
	reg_write(0x10 + 2 * pin, low);
}

static void pulse(uint32_t pin)
{
	ioapic_set_pin(&ioapic, pin, true);
	ioapic_set_pin(&ioapic, pin, false);
}

static void eoi(struct lapic *lapic)
{
	lapic_mmio_write(lapic, LAPIC_EOI, 0);
}

/* --- registers
 * ------------------------------------------------------------------------------------ */

static void test_identification(void **state)
{
	(void)state;
	assert_int_equal(reg_read(0x00), 0);
	assert_int_equal(reg_read(0x01), 0x00170020); /* 23 is the highest entry */
	assert_int_equal(reg_read(0x02), 0);
	reg_write(0x00, 0xffffffff);
	assert_int_equal(reg_read(0x00), 0x0f000000);
	assert_int_equal(reg_read(0x02), 0x0f000000); /* arbitration ID: loaded with the ID */
	reg_write(0x01, 0);
	reg_write(0x02, 0);
	assert_int_equal(reg_read(0x01), 0x00170020);
	assert_int_equal(reg_read(0x02), 0x0f000000);
	/* Beyond the table and between there is nothing. */
	reg_write(0x40, 0xffffffff);
	assert_int_equal(reg_read(0x40), 0);
	assert_int_equal(reg_read(0x0f), 0);
	assert_int_equal(reg_read(0xff), 0);
}

/* 'Redirection table: default value xxx1xxxxxxxxxxxxh': masked. Delivery status and remote IRR are
 * read-only. */
static void test_entries(void **state)
{
	(void)state;
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(entry_low(pin), MASKED);
		reg_write(0x10 + 2 * pin, 0xffffffff);
		reg_write(0x11 + 2 * pin, 0xffffffff);
		assert_int_equal(entry_low(pin), 0x1afff);
		/* Destination, and bits 55-49 of the entry: the extended destination. */
		assert_int_equal(reg_read(0x11 + 2 * pin), 0xfffe0000);
		reg_write(0x11 + 2 * pin, 0);
		assert_int_equal(entry_low(pin), 0x1afff);
		reg_write(0x10 + 2 * pin, MASKED | pin);
		assert_int_equal(reg_read(0x11 + 2 * pin), 0);
	}
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(entry_low(pin), MASKED | pin);
}

static void test_access_sizes(void **state)
{
	(void)state;
	ioapic_write(&ioapic, 0x00, 1, 0x01);
	assert_int_equal(ioapic_read(&ioapic, 0x00, 1), 1);
	assert_int_equal(ioapic_read(&ioapic, 0x00, 4), 1);
	assert_int_equal(ioapic_read(&ioapic, 0x10, 8), 0x00170020);
	/* 'IOWIN must be accessed as 32 bits.' */
	assert_int_equal(ioapic_read(&ioapic, 0x10, 1), 0);
	ioapic_write(&ioapic, 0x00, 4, 0xffffff10);
	assert_int_equal(ioapic_read(&ioapic, 0x00, 4), 0x10);
	ioapic_write(&ioapic, 0x10, 1, 0x55);
	assert_int_equal(entry_low(0), MASKED);
	/* Other places. */
	ioapic_write(&ioapic, 0x14, 4, 0x55);
	ioapic_write(&ioapic, 0x20, 4, 0x55);
	assert_int_equal(ioapic_read(&ioapic, 0x14, 4), 0);
	assert_int_equal(ioapic_read(&ioapic, 0x40, 4), 0);
	assert_int_equal(ioapic_read(&ioapic, 0xffc, 4), 0);
	assert_int_equal(entry_low(0), MASKED);
}

/* --- edge
 * ----------------------------------------------------------------------------------------- */

static void test_edge(void **state)
{
	(void)state;
	set_entry(PIN, 3, VECTOR);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(3));
	assert_int_equal(who_got(VECTOR), BIT(3));
	ioapic_set_pin(&ioapic, PIN, true); /* no edge */
	assert_int_equal(who_got(VECTOR), 0);
	ioapic_set_pin(&ioapic, PIN, false);
	assert_int_equal(who_got(VECTOR), 0);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_got(VECTOR), BIT(3));
	assert_int_equal(entry_low(PIN), VECTOR); /* no remote IRR */
	ioapic_set_pin(&ioapic, IOAPIC_PINS, true);
	ioapic_set_pin(&ioapic, UINT32_MAX, true);
	assert_int_equal(who_got(VECTOR), 0);
}

/* 'Edge-sensitive interrupts signaled on a masked interrupt pin are ignored (i.e., not delivered or
 * held pending).' */
static void test_edge_masked(void **state)
{
	(void)state;
	set_entry(PIN, 3, MASKED | VECTOR);
	pulse(PIN);
	ioapic_set_pin(&ioapic, PIN, true);
	set_entry(PIN, 3, VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_got(VECTOR), 0);
	ioapic_set_pin(&ioapic, PIN, false);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_got(VECTOR), BIT(3));
}

/* --- level
 * ---------------------------------------------------------------------------------------- */

/* 'Remote IRR: set to 1 when local APIC(s) accept the level interrupt sent by the IOAPIC. Set to 0
 * when an EOI message with a matching interrupt vector is received from a local APIC.' */
static void test_level(void **state)
{
	struct lapic *cpu = &rig.lapic[3];

	(void)state;
	set_entry(PIN, 3, LEVEL | VECTOR);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(entry_low(PIN), LEVEL | BIT(14) | VECTOR);
	assert_int_equal(take_pending(cpu), VECTOR);
	/* Once in hand, nothing more is sent, whatever the line does. */
	rig.fake.signal_count = 0;
	pulse(PIN);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(rig.fake.signal_count, 0);
	/* Still asserted at the EOI: again. */
	eoi(cpu);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(3));
	assert_int_equal(entry_low(PIN), LEVEL | BIT(14) | VECTOR);
	assert_int_equal(take_pending(cpu), VECTOR);
	ioapic_set_pin(&ioapic, PIN, false);
	eoi(cpu);
	assert_int_equal(entry_low(PIN), LEVEL | VECTOR);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	/* Asserted and gone before the CPU looks: the message was sent. */
	pulse(PIN);
	assert_int_equal(take_pending(cpu), VECTOR);
	eoi(cpu);
	assert_int_equal(lapic_pending_vector(cpu), -1);
}

static void test_level_masked(void **state)
{
	struct lapic *cpu = &rig.lapic[3];

	(void)state;
	set_entry(PIN, 3, MASKED | LEVEL | VECTOR);
	pulse(PIN); /* 'ignored and has no side effects' */
	set_entry(PIN, 3, LEVEL | VECTOR);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	set_entry(PIN, 3, MASKED | LEVEL | VECTOR);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	set_entry(PIN, 3, LEVEL | VECTOR); /* unmasked, and the line is still asserted */
	assert_int_equal(take_pending(cpu), VECTOR);
	/* Masking after acceptance changes nothing about that interrupt. */
	set_entry(PIN, 3, MASKED | LEVEL | VECTOR);
	assert_int_equal(entry_low(PIN), MASKED | LEVEL | BIT(14) | VECTOR);
	eoi(cpu);
	assert_int_equal(entry_low(PIN), MASKED | LEVEL | VECTOR);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	set_entry(PIN, 3, LEVEL | VECTOR);
	assert_int_equal(lapic_pending_vector(cpu), VECTOR);
}

/* Two pins with one vector: one EOI is for both; other vectors' pins do not hear it. */
static void test_shared_vector(void **state)
{
	struct lapic *cpu = &rig.lapic[3];

	(void)state;
	set_entry(4, 3, LEVEL | VECTOR);
	set_entry(5, 3, LEVEL | VECTOR);
	set_entry(6, 3, LEVEL | (VECTOR + 1));
	ioapic_set_pin(&ioapic, 4, true);
	ioapic_set_pin(&ioapic, 5, true);
	ioapic_set_pin(&ioapic, 6, true);
	assert_int_equal(take_pending(cpu), VECTOR + 1);
	eoi(cpu);
	assert_int_equal(entry_low(4) & BIT(14), BIT(14));
	ioapic_set_pin(&ioapic, 6, false);
	assert_int_equal(take_pending(cpu), VECTOR + 1);
	eoi(cpu);
	assert_int_equal(take_pending(cpu), VECTOR);
	ioapic_set_pin(&ioapic, 4, false);
	eoi(cpu);
	assert_int_equal(entry_low(4) & BIT(14), 0);
	assert_int_equal(entry_low(5) & BIT(14), BIT(14));
	assert_int_equal(lapic_pending_vector(cpu), VECTOR);
}

static void test_eoi_register(void **state)
{
	(void)state;
	set_entry(PIN, 3, LEVEL | VECTOR);
	pulse(PIN);
	ioapic_write(&ioapic, 0x40, 4, VECTOR + 1);
	assert_int_equal(entry_low(PIN) & BIT(14), BIT(14));
	ioapic_write(&ioapic, 0x40, 4, VECTOR);
	assert_int_equal(entry_low(PIN) & BIT(14), 0);
}

/* The way without an EOI register: made edge-triggered for a moment, an entry forgets remote IRR.
 */
static void test_edge_clears_remote_irr(void **state)
{
	(void)state;
	set_entry(PIN, 3, LEVEL | VECTOR);
	pulse(PIN);
	assert_int_equal(entry_low(PIN), LEVEL | BIT(14) | VECTOR);
	set_entry(PIN, 3, MASKED | VECTOR);
	set_entry(PIN, 3, LEVEL | VECTOR);
	assert_int_equal(entry_low(PIN), LEVEL | VECTOR);
}

/* 'Delivery status: 1 = send pending': no local APIC takes it yet. */
static void test_nobody_takes_it(void **state)
{
	(void)state;
	lapic_mmio_write(&rig.lapic[3], LAPIC_SVR, 0xff);
	set_entry(PIN, 3, LEVEL | VECTOR);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(entry_low(PIN), LEVEL | BIT(12) | VECTOR);
	lapic_mmio_write(&rig.lapic[3], LAPIC_SVR, 0x1ff);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(entry_low(PIN), LEVEL | BIT(14) | VECTOR);
	assert_int_equal(lapic_pending_vector(&rig.lapic[3]), VECTOR);
	/* Withdrawn before anybody took it. */
	set_entry(PIN, 0x66, LEVEL | (VECTOR + 1));
	ioapic_eoi(&ioapic, VECTOR + 1);
	assert_int_equal(entry_low(PIN), LEVEL | BIT(12) | (VECTOR + 1));
	ioapic_set_pin(&ioapic, PIN, false);
	assert_int_equal(entry_low(PIN), LEVEL | (VECTOR + 1));
}

/* --- destinations and delivery modes
 * -------------------------------------------------------------- */

static void test_destinations(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++)
		lapic_mmio_write(&rig.lapic[i], LAPIC_LDR, BIT(24 + i));
	set_entry(PIN, 0x06, LOGICAL | VECTOR);
	pulse(PIN);
	assert_int_equal(who_got(VECTOR), 0x06);
	set_entry(PIN, 0xff, VECTOR);
	pulse(PIN);
	assert_int_equal(who_got(VECTOR), 0xff);
	set_entry(PIN, 0x06, LOGICAL | MODE(LAPIC_DM_LOWEST) | VECTOR);
	pulse(PIN);
	assert_int_equal(__builtin_popcount(who_got(VECTOR)), 1);
	/* In x2APIC mode the 8 bits are those of cluster 0, and FFH is a broadcast yet. */
	for (uint32_t i = 0; i < RIG_CPUS; i++)
		to_x2apic(&rig.lapic[i]);
	set_entry(PIN, 0x0c, LOGICAL | VECTOR);
	pulse(PIN);
	assert_int_equal(who_got(VECTOR), 0x0c);
	set_entry(PIN, 0xff, VECTOR);
	pulse(PIN);
	assert_int_equal(who_got(VECTOR), 0xff);
}

/* 'IOAPIC entry bits 55-49 decoded as destination bits 14-8, for APIC IDs above 255.' */
static void test_extended_destination(void **state)
{
	(void)state;
	lapic_init(&rig.lapic[6], &rig.bus, &rig.fake.platform, 6, 0x312c);
	lapic_mmio_write(&rig.lapic[6], LAPIC_SVR, 0x1ff);
	to_x2apic(&rig.lapic[6]);
	reg_write(0x11 + 2 * PIN, 0x2c000000 | 0x31 << 17);
	reg_write(0x10 + 2 * PIN, VECTOR);
	pulse(PIN);
	assert_int_equal(who_got(VECTOR), BIT(6));
}

static void test_delivery_modes(void **state)
{
	(void)state;
	set_entry(PIN, 2, LEVEL | MODE(LAPIC_DM_NMI));
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_NMI), BIT(2));
	/* An NMI is edge-triggered even if the entry says level. */
	assert_int_equal(entry_low(PIN), LEVEL | MODE(LAPIC_DM_NMI));
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(rig.fake.signal_count, 0);
	ioapic_set_pin(&ioapic, PIN, false);
	set_entry(PIN, 2, MODE(LAPIC_DM_INIT));
	pulse(PIN);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_INIT), BIT(2));
	set_entry(PIN, 2, MODE(LAPIC_DM_SMI));
	pulse(PIN);
	set_entry(PIN, 2, MODE(LAPIC_DM_EXTINT));
	pulse(PIN);
	assert_int_equal(rig.fake.notes, 2);
	assert_int_equal(rig.fake.signal_count, 0);
}

/* Polarity names the voltages: what the device asserts is asserted under either. */
static void test_polarity(void **state)
{
	(void)state;
	set_entry(PIN, 3, BIT(13) | VECTOR);
	assert_int_equal(entry_low(PIN), BIT(13) | VECTOR);
	ioapic_set_pin(&ioapic, PIN, true);
	assert_int_equal(who_got(VECTOR), BIT(3));
	ioapic_set_pin(&ioapic, PIN, false);
	assert_int_equal(who_got(VECTOR), 0);
}

/* An edge waits in IRR until its CPU takes it: a second one would merge with it. */
static void test_edge_waiting(void **state)
{
	(void)state;
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN));
	set_entry(PIN, 3, VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN));
	pulse(PIN);
	assert_true(ioapic_is_edge_waiting(&ioapic, PIN)); /* posted */
	assert_int_equal(lapic_pending_vector(&rig.lapic[3]), VECTOR);
	assert_true(ioapic_is_edge_waiting(&ioapic, PIN)); /* in IRR */
	set_entry(PIN, 3, MASKED | VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN)); /* nobody listens */
	set_entry(PIN, 3, LEVEL | VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN));
	set_entry(PIN, 3, MODE(LAPIC_DM_NMI) | VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN));
	set_entry(PIN, 4, VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN));
	set_entry(PIN, 3, VECTOR);
	lapic_accept(&rig.lapic[3], VECTOR);
	assert_false(ioapic_is_edge_waiting(&ioapic, PIN)); /* in service: another can come */
	assert_false(ioapic_is_edge_waiting(&ioapic, IOAPIC_PINS));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identification),
		TEST(test_entries),
		TEST(test_access_sizes),
		TEST(test_edge),
		TEST(test_edge_masked),
		TEST(test_level),
		TEST(test_level_masked),
		TEST(test_shared_vector),
		TEST(test_eoi_register),
		TEST(test_edge_clears_remote_irr),
		TEST(test_nobody_takes_it),
		TEST(test_destinations),
		TEST(test_extended_destination),
		TEST(test_delivery_modes),
		TEST(test_polarity),
		TEST(test_edge_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
