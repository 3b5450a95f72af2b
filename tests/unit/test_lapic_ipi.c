/* Interrupt messages: the ICR, destinations, shorthands, lowest priority, MSIs. Rules from the SDM,
 * 'Issuing Interprocessor Interrupts', 'Determining IPI Destination', 'Extended XAPIC (x2APIC)',
 * 'Message Signalled Interrupts'. */
#include "lapic_rig.h"

#define VECTOR  0x71
#define ALL     (BIT(RIG_CPUS) - 1)
#define LOGICAL BIT(11)
#define ASSERT  BIT(14)
#define LEVEL   BIT(15)
#define MODE(m) ((uint32_t)(m) << 8)
#define TO(s)   ((uint32_t)(s) << 18)

static struct lapic *const cpu = &rig.lapic[1];

static void send_xapic(uint32_t dest, uint32_t low)
{
	lapic_mmio_write(cpu, LAPIC_ICR_HIGH, dest << 24);
	lapic_mmio_write(cpu, LAPIC_ICR_LOW, low);
}

static void send_x2apic(uint32_t dest, uint32_t low)
{
	wrmsr(cpu, LAPIC_ICR_LOW, (uint64_t)dest << 32 | low);
}

static void all_to_x2apic(void)
{
	for (unsigned i = 0; i < RIG_CPUS; i++)
		to_x2apic(&rig.lapic[i]);
}

/* --- destinations
 * --------------------------------------------------------------------------------- */

static void test_physical_xapic(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++) {
		rig.fake.signal_count = 0;
		send_xapic(i, ASSERT | VECTOR);
		assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(i));
		assert_int_equal(who_got(VECTOR), BIT(i));
	}
	send_xapic(0x40, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_xapic(0xff, ASSERT | VECTOR); /* 'FFH: broadcast' */
	assert_int_equal(who_got(VECTOR), ALL);
	/* The ID that software wrote counts, on the local APIC where it did. */
	lapic_mmio_write(&rig.lapic[3], LAPIC_ID, 0x40000000);
	send_xapic(0x40, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(3));
	send_xapic(3, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	/* The ICR reads back, 'delivery status' idle. */
	send_xapic(0x40, ASSERT | BIT(12) | VECTOR);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ICR_LOW), ASSERT | VECTOR);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_ICR_HIGH), 0x40000000);
}

/* 'Flat model: an unencoded bit map of 8 logical IDs. A broadcast to all is an MDA of all 1s.' */
static void test_logical_flat(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++)
		lapic_mmio_write(&rig.lapic[i], LAPIC_LDR, i == 7 ? 0 : BIT(24 + i));
	send_xapic(0x2d, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0x2d);
	send_xapic(0x80, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_xapic(0, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_xapic(0xff, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL); /* also the one without a logical ID */
	lapic_mmio_write(&rig.lapic[2], LAPIC_LDR, 0xc0000000);
	send_xapic(0x84, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(2));
}

/* 'Cluster model: bits 7-4 the cluster, bits 3-0 up to four local APICs in it.' */
static void test_logical_cluster(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++) {
		lapic_mmio_write(&rig.lapic[i], LAPIC_DFR, 0x0fffffff);
		lapic_mmio_write(&rig.lapic[i], LAPIC_LDR, (i / 4) << 28 | BIT(24 + i % 4));
	}
	send_xapic(0x05, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0x05);
	send_xapic(0x1f, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0xf0);
	send_xapic(0x21, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_xapic(0xff, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL);
	/* Only 1111b and 0000b are models. */
	lapic_mmio_write(&rig.lapic[0], LAPIC_DFR, 0x70000000);
	send_xapic(0x01, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
}

static void test_physical_x2apic(void **state)
{
	(void)state;
	lapic_init(&rig.lapic[7], &rig.bus, &rig.fake.platform, 7, 300);
	lapic_mmio_write(&rig.lapic[7], LAPIC_SVR, 0x1ff);
	to_x2apic(cpu);
	rig.fake.signal_count = 0;
	/* An ID that does not fit in xAPIC's 8 bits is reachable all the same, and 44 = 300 mod 256
	 * is what its xAPIC register shows. */
	send_x2apic(300, MODE(LAPIC_DM_INIT) | ASSERT);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_INIT), BIT(7));
	assert_int_equal(lapic_mmio_read(&rig.lapic[7], LAPIC_ID), 44u << 24);
	all_to_x2apic();
	send_x2apic(300, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(7));
	send_x2apic(44, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_x2apic(5, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(5));
	/* 'A destination ID value of FFFF_FFFFH is used for broadcast of interrupts in both logical
	 * destination and physical destination modes'; FFH is an ID like others. */
	send_x2apic(0xff, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_x2apic(0xffffffff, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL);
	send_x2apic(0xffffffff, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL);
}

/* An xAPIC sender's FFH is a broadcast to those in x2APIC mode as well. */
static void test_broadcast_mixed(void **state)
{
	(void)state;
	to_x2apic(&rig.lapic[4]);
	to_x2apic(&rig.lapic[5]);
	send_xapic(0xff, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL);
	send_xapic(4, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(4));
}

static void test_logical_x2apic(void **state)
{
	static const uint32_t id[RIG_CPUS] = {0, 1, 15, 16, 17, 31, 32, 300};

	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++) {
		lapic_init(&rig.lapic[i], &rig.bus, &rig.fake.platform, i, id[i]);
		lapic_mmio_write(&rig.lapic[i], LAPIC_SVR, 0x1ff);
	}
	all_to_x2apic();
	send_x2apic(0x00008002, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(1) | BIT(2));
	send_x2apic(0x0001ffff, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(3) | BIT(4) | BIT(5));
	send_x2apic(0x00020001, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(6));
	send_x2apic(0x00121000, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(7));
	send_x2apic(0x00030001, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_x2apic(0x00010000, LOGICAL | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
}

/* --- shorthands and delivery modes
 * ---------------------------------------------------------------- */

static void test_shorthands(void **state)
{
	static const struct {
		uint8_t shorthand;
		uint32_t set;
	} cases[] = {
		{APIC_TO_SELF, BIT(1)},
		{APIC_TO_ALL, ALL},
		{APIC_TO_OTHERS, ALL & ~BIT(1)},
	};

	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		if (mode == 1)
			all_to_x2apic();
		for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
			uint32_t low = TO(cases[i].shorthand) | ASSERT;

			rig.fake.signal_count = 0;
			(mode ? send_x2apic : send_xapic)(3, low | VECTOR); /* 3 is ignored */
			assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), cases[i].set);
			assert_int_equal(who_got(VECTOR), cases[i].set);
			rig.fake.signal_count = 0;
			(mode ? send_x2apic : send_xapic)(3, low | MODE(LAPIC_DM_NMI));
			assert_int_equal(who_was_signalled(VCPU_SIGNAL_NMI), cases[i].set);
			assert_int_equal(who_got(VECTOR), 0);
		}
	}
	wrmsr(cpu, LAPIC_SELF_IPI, VECTOR);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	assert_int_equal(who_got(VECTOR), BIT(1));
}

/* 'Lowest priority: the same as fixed mode, except that the interrupt is delivered to the processor
 * executing at the lowest priority among the set': exactly one, and here each in its turn. */
static void test_lowest_priority(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (uint32_t i = 0; i < RIG_CPUS; i++)
		lapic_mmio_write(&rig.lapic[i], LAPIC_LDR, BIT(24 + i));
	for (unsigned n = 0; n < 4; n++) {
		uint32_t got;

		send_xapic(0x5a, LOGICAL | MODE(LAPIC_DM_LOWEST) | ASSERT | VECTOR);
		got = who_got(VECTOR);
		assert_int_equal(__builtin_popcount(got), 1);
		seen |= got;
	}
	assert_int_equal(seen, 0x5a);
	/* Only those that software has enabled take part. */
	lapic_mmio_write(&rig.lapic[3], LAPIC_SVR, 0xff);
	for (unsigned n = 0; n < 4; n++) {
		send_xapic(0x0c, LOGICAL | MODE(LAPIC_DM_LOWEST) | ASSERT | VECTOR);
		assert_int_equal(who_got(VECTOR), BIT(2));
	}
	send_xapic(0x08, LOGICAL | MODE(LAPIC_DM_LOWEST) | ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
	send_xapic(0, TO(APIC_TO_OTHERS) | MODE(LAPIC_DM_LOWEST) | ASSERT | VECTOR);
	assert_int_equal(__builtin_popcount(who_got(VECTOR)), 1);
}

static void test_init_and_startup(void **state)
{
	(void)state;
	rig.fake.signal_count = 0;
	send_xapic(2, MODE(LAPIC_DM_INIT) | LEVEL | ASSERT);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_INIT), BIT(2));
	/* 'INIT Level De-assert: not supported' by newer CPUs: ignored. */
	send_xapic(2, MODE(LAPIC_DM_INIT) | LEVEL);
	assert_int_equal(rig.fake.signal_count, 0);
	send_xapic(2, MODE(LAPIC_DM_INIT) | ASSERT);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_INIT), BIT(2));
	/* The vector of a STARTUP is a page number: low ones are legal. */
	send_xapic(2, MODE(LAPIC_DM_STARTUP) | ASSERT | 0x08);
	assert_int_equal(rig.fake.signal_count, 1);
	assert_int_equal(rig.fake.signal[0].vcpu, 2);
	assert_int_equal(rig.fake.signal[0].what, VCPU_SIGNAL_STARTUP);
	assert_int_equal(rig.fake.signal[0].value, 0x08);
	assert_int_equal(read_esr(cpu), 0);
	assert_int_equal(who_got(VECTOR), 0);
}

/* A software-disabled local APIC answers NMI, INIT and SIPI and no interrupt; a disabled one
 * nothing. */
static void test_disabled_targets(void **state)
{
	static const struct {
		uint8_t mode, what;
	} cases[] = {{LAPIC_DM_NMI, VCPU_SIGNAL_NMI},
		     {LAPIC_DM_INIT, VCPU_SIGNAL_INIT},
		     {LAPIC_DM_STARTUP, VCPU_SIGNAL_STARTUP}};

	(void)state;
	lapic_mmio_write(&rig.lapic[2], LAPIC_SVR, 0xff);
	assert_int_equal(lapic_base_write(&rig.lapic[3], LAPIC_DEFAULT_BASE, 39), 0);
	rig.fake.signal_count = 0;
	send_xapic(2, ASSERT | VECTOR);
	send_xapic(3, ASSERT | VECTOR);
	assert_int_equal(rig.fake.signal_count, 0);
	send_xapic(0xff, ASSERT | VECTOR);
	assert_int_equal(who_got(VECTOR), ALL & ~(BIT(2) | BIT(3)));
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		rig.fake.signal_count = 0;
		send_xapic(2, MODE(cases[i].mode) | ASSERT);
		assert_int_equal(who_was_signalled((enum vcpu_signal)cases[i].what), BIT(2));
		send_xapic(3, MODE(cases[i].mode) | ASSERT);
		assert_int_equal(rig.fake.signal_count, 0);
		send_xapic(0, TO(APIC_TO_ALL) | MODE(cases[i].mode) | ASSERT);
		assert_int_equal(who_was_signalled((enum vcpu_signal)cases[i].what), ALL & ~BIT(3));
	}
	/* A self-IPI of one that is software-disabled. */
	lapic_mmio_write(cpu, LAPIC_SVR, 0xff);
	send_xapic(0, TO(APIC_TO_SELF) | ASSERT | VECTOR);
	to_x2apic(cpu);
	wrmsr(cpu, LAPIC_SELF_IPI, VECTOR);
	assert_int_equal(who_got(VECTOR), 0);
}

static void test_dropped_modes(void **state)
{
	static const uint8_t modes[] = {LAPIC_DM_SMI, LAPIC_DM_RESERVED, LAPIC_DM_EXTINT};

	(void)state;
	rig.fake.signal_count = 0;
	for (uint32_t i = 0; i < ARRAY_SIZE(modes); i++) {
		send_xapic(2, MODE(modes[i]) | ASSERT);
		assert_int_equal(rig.fake.notes, i + 1);
	}
	assert_int_equal(rig.fake.signal_count, 0);
}

/* 'Trigger mode is ignored for all other delivery modes' than INIT level de-assert: no EOI goes to
 * the I/O APICs, and the level bit does not matter. */
static void test_icr_is_edge(void **state)
{
	(void)state;
	send_xapic(2, LEVEL | VECTOR);
	assert_int_equal(who_got(VECTOR), BIT(2));
	assert_int_equal(rig.eois, 0);
}

/* A message to oneself meets the priorities as any other. */
static void test_self_ipi_priority(void **state)
{
	(void)state;
	lapic_set_tpr(cpu, 0x70);
	send_xapic(1, ASSERT | VECTOR);
	send_xapic(0, TO(APIC_TO_SELF) | ASSERT | 0x85);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_IRR + 0x30), BIT(VECTOR - 0x60));
	assert_int_equal(take_pending(cpu), 0x85);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	lapic_set_tpr(cpu, 0);
	assert_int_equal(take_pending(cpu), VECTOR);
}

static void test_count_of_takers(void **state)
{
	struct apic_message msg = {.vector = VECTOR, .dest = APIC_BROADCAST};

	(void)state;
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), RIG_CPUS);
	lapic_mmio_write(&rig.lapic[4], LAPIC_SVR, 0xff);
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), RIG_CPUS - 1);
	msg.mode = LAPIC_DM_LOWEST;
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 1);
	msg.dest = 4;
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 0);
	msg.mode = LAPIC_DM_NMI;
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 1);
	msg.dest = 99;
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 0);
	msg.shorthand = APIC_TO_SELF; /* a device is no local APIC */
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 0);
}

/* --- MSI
 * ------------------------------------------------------------------------------------------ */

/* KVM's PV IPI: the IDs first + n of the set bits, whatever the message's destination; no wrap. */
static void test_set_of_ids(void **state)
{
	const struct apic_message msg = {.vector = 0x71, .dest = 0xff, .is_assert = true};
	const uint64_t all[2] = {UINT64_MAX, UINT64_MAX}, one[2] = {1, 0}, high[2] = {0, 2};

	(void)state;
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 2, one, cpu), 1);
	assert_int_equal(who_got(0x71), BIT(2));
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 1, all, cpu), rig.bus.count - 1);
	assert_int_equal(who_got(0x71), (BIT(rig.bus.count) - 1) & ~BIT(0));
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 0, high, cpu), 0);
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, UINT64_MAX - 1, all, cpu), 0);
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, BIT_ULL(32), all, cpu), 0);
	assert_int_equal(apic_bus_find(&rig.bus, 2), 2);
	assert_int_equal(apic_bus_find(&rig.bus, 200), -1);
	assert_int_equal(apic_bus_find(&rig.bus, BIT_ULL(32)), -1);
}

/* An ID that nobody has is nobody's, also the first one behind the last. */
static void test_find(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < RIG_CPUS; id++)
		assert_int_equal(apic_bus_find(&rig.bus, id), id);
	assert_int_equal(apic_bus_find(&rig.bus, RIG_CPUS), -1);
	assert_int_equal(apic_bus_find(&rig.bus, RIG_CPUS + 1), -1);
	assert_int_equal(apic_bus_find(&rig.bus, UINT32_MAX), -1);
	assert_int_equal(apic_bus_find(&rig.bus, UINT64_MAX), -1);
	/* IDs with gaps: software has given new ones. */
	lapic_mmio_write(&rig.lapic[3], LAPIC_ID, 0x55u << 24);
	lapic_mmio_write(&rig.lapic[5], LAPIC_ID, 3u << 24);
	assert_int_equal(apic_bus_find(&rig.bus, 3), 5);
	assert_int_equal(apic_bus_find(&rig.bus, 0x55), 3);
	assert_int_equal(apic_bus_find(&rig.bus, 5), -1);
}

/* The last ID of the 128 from the first on, and the first of each word. */
static void test_set_of_ids_by_bit(void **state)
{
	const struct apic_message msg = {.vector = 0x72, .is_assert = true};

	(void)state;
	lapic_mmio_write(&rig.lapic[3], LAPIC_ID, 0x55u << 24);
	for (uint32_t bit = 0; bit <= 0x55; bit++) {
		uint64_t ids[2] = {0, 0};

		ids[bit / 64] = BIT_ULL(bit % 64);
		assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 0x55 - bit, ids, cpu), 1);
		assert_int_equal(who_got(0x72), BIT(3));
	}
	lapic_mmio_write(&rig.lapic[3], LAPIC_ID, 130u << 24);
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 3, (uint64_t[]){0, BIT_ULL(63)}, cpu),
			 1);
	assert_int_equal(who_got(0x72), BIT(3));
	assert_int_equal(apic_bus_deliver_set(&rig.bus, &msg, 2, (uint64_t[]){1, UINT64_MAX}, cpu),
			 1);
	assert_int_equal(who_got(0x72), BIT(2));
}

/* KVM_FEATURE_MSI_EXT_DEST_ID: 'address bits 11-5 are destination bits 14-8'; each of them, and
 * each of the eight below, is one bit. */
static void test_msi_destination_bits(void **state)
{
	struct apic_message msg;

	(void)state;
	for (unsigned bit = 0; bit < 15; bit++) {
		uint64_t at = bit < 8 ? 12 + bit : 5 + bit - 8;

		assert_int_equal(apic_msi_message(0xfee00000 | BIT_ULL(at), 0x41, &msg), 0);
		assert_int_equal(msg.dest, BIT(bit));
		assert_false(msg.is_logical);
		assert_int_equal(msg.mode, LAPIC_DM_FIXED);
	}
	assert_int_equal(apic_msi_message(0xfee00000 | 0xff << 12 | 0x7f << 5, 0x41, &msg), 0);
	assert_int_equal(msg.dest, 0x7fff);
	/* Above and below: another address, or nothing. */
	for (unsigned bit = 20; bit < 64; bit++)
		assert_int_equal(apic_msi_message(0xfee00000 ^ BIT_ULL(bit), 0x41, &msg), -EINVAL);
	for (unsigned bit = 0; bit < 2; bit++) {
		assert_int_equal(apic_msi_message(0xfee00000 | BIT(bit), 0x41, &msg), 0);
		assert_int_equal(msg.dest, 0);
		assert_false(msg.is_logical);
		assert_int_equal(msg.mode, LAPIC_DM_FIXED);
	}
	/* 'Message Data Register Format': vector, delivery mode, level, trigger mode, bit by bit.
	 */
	for (unsigned bit = 0; bit < 16; bit++) {
		assert_int_equal(apic_msi_message(0xfee00000, BIT(bit), &msg), 0);
		assert_int_equal(msg.vector, bit < 8 ? BIT(bit) : 0);
		assert_int_equal(msg.mode, bit >= 8 && bit < 11 ? BIT(bit - 8) : 0);
		assert_int_equal(msg.is_assert, bit == 14);
		assert_int_equal(msg.is_level, bit == 15);
	}
}

/* A level-triggered interrupt's EOI is broadcast to the IOAPICs, whatever the vector. */
static void test_level_of_each_vector(void **state)
{
	(void)state;
	for (unsigned vector = 16; vector < 256; vector++) {
		for (unsigned is_level = 0; is_level < 2; is_level++) {
			uint32_t eois = rig.eois;

			lapic_post(cpu, (uint8_t)vector, is_level);
			assert_int_equal(take_pending(cpu), vector);
			assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMR + vector / 32 * 16) >>
							 vector % 32 &
						 1,
					 is_level);
			lapic_mmio_write(cpu, LAPIC_EOI, 0);
			assert_int_equal(rig.eois, eois + is_level);
			if (is_level)
				assert_int_equal(rig.eoi_vector, vector);
		}
	}
}

/* 'no EOI is needed' may be said only of the one interrupt in service, edge-triggered, with nothing
 * behind it. */
static void test_silent_eoi(void **state)
{
	(void)state;
	assert_false(lapic_is_eoi_silent(cpu));
	lapic_post(cpu, 0x50, false);
	assert_int_equal(take_pending(cpu), 0x50);
	assert_true(lapic_is_eoi_silent(cpu));
	lapic_post(cpu, 0x60, false);
	assert_int_equal(lapic_pending_vector(cpu), 0x60);
	assert_false(lapic_is_eoi_silent(cpu)); /* one is requested */
	assert_int_equal(take_pending(cpu), 0x60);
	assert_false(lapic_is_eoi_silent(cpu)); /* two are in service */
	lapic_eoi(cpu);
	assert_true(lapic_is_eoi_silent(cpu));
	lapic_eoi(cpu);
	lapic_post(cpu, 0x51, true);
	assert_int_equal(take_pending(cpu), 0x51);
	assert_false(lapic_is_eoi_silent(cpu)); /* the IOAPIC waits for it */
}

static void test_msi(void **state)
{
	struct apic_message msg;

	(void)state;
	assert_int_equal(apic_msi_message(0xfee05000, 0x0071, &msg), 0);
	assert_int_equal(msg.dest, 5);
	assert_int_equal(msg.vector, 0x71);
	assert_int_equal(msg.mode, LAPIC_DM_FIXED);
	assert_int_equal(msg.shorthand, APIC_TO_DEST);
	assert_false(msg.is_logical);
	assert_false(msg.is_level);
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 1);
	assert_int_equal(who_got(VECTOR), BIT(5));
	/* 'DM: destination mode', 'RH: redirection hint'. */
	assert_int_equal(apic_msi_message(0xfee05004, 0x0071, &msg), 0);
	assert_true(msg.is_logical);
	assert_int_equal(msg.mode, LAPIC_DM_FIXED);
	assert_int_equal(apic_msi_message(0xfee0500c, 0x0071, &msg), 0);
	assert_int_equal(msg.mode, LAPIC_DM_LOWEST);
	assert_int_equal(apic_msi_message(0xfee0500c, 0x0400, &msg), 0);
	assert_int_equal(msg.mode, LAPIC_DM_NMI);
	assert_int_equal(apic_msi_message(0xfee05000, 0x0171, &msg), 0);
	assert_int_equal(msg.mode, LAPIC_DM_LOWEST);
	/* KVM_FEATURE_MSI_EXT_DEST_ID: address bits 11-5 are destination bits 14-8. */
	assert_int_equal(apic_msi_message(0xfee2c020, 0x0071, &msg), 0);
	assert_int_equal(msg.dest, 300);
	assert_int_equal(apic_msi_message(0xfeefffe0, 0x0071, &msg), 0);
	assert_int_equal(msg.dest, 0x7fff);
	/* FFH is a broadcast, also to those in x2APIC mode. */
	all_to_x2apic();
	assert_int_equal(apic_msi_message(0xfeeff000, 0x0071, &msg), 0);
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), RIG_CPUS);
	assert_int_equal(who_got(VECTOR), ALL);
	/* Level-triggered: assert is delivered, de-assert is not. */
	assert_int_equal(apic_msi_message(0xfee05000, 0xc071, &msg), 0);
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 1);
	assert_int_equal(who_got(VECTOR), BIT(5));
	assert_int_equal(rig.eois, 1);
	assert_int_equal(apic_msi_message(0xfee05000, 0x8071, &msg), 0);
	assert_int_equal(apic_bus_deliver(&rig.bus, &msg, NULL), 0);
	/* An illegal vector is an error at the receiver. */
	assert_int_equal(apic_msi_message(0xfee05000, 0x0007, &msg), 0);
	apic_bus_deliver(&rig.bus, &msg, NULL);
	wrmsr(&rig.lapic[5], LAPIC_ESR, 0);
	assert_int_equal(rdmsr(&rig.lapic[5], LAPIC_ESR), BIT(6));
	/* Other addresses are no MSIs. */
	assert_int_equal(apic_msi_message(0xfed05000, 0x0071, &msg), -EINVAL);
	assert_int_equal(apic_msi_message(0x1fee05000, 0x0071, &msg), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup(name, rig_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_physical_xapic),
		TEST(test_logical_flat),
		TEST(test_logical_cluster),
		TEST(test_physical_x2apic),
		TEST(test_broadcast_mixed),
		TEST(test_logical_x2apic),
		TEST(test_shorthands),
		TEST(test_lowest_priority),
		TEST(test_init_and_startup),
		TEST(test_disabled_targets),
		TEST(test_dropped_modes),
		TEST(test_icr_is_edge),
		TEST(test_self_ipi_priority),
		TEST(test_count_of_takers),
		TEST(test_set_of_ids),
		TEST(test_find),
		TEST(test_set_of_ids_by_bit),
		TEST(test_msi_destination_bits),
		TEST(test_level_of_each_vector),
		TEST(test_silent_eoi),
		TEST(test_msi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
