/* Some local APICs on a bus, for the tests of the APIC models: ready to use, and with short words
 * for what software does to them. */
#ifndef UNIT_LAPIC_RIG_H
#define UNIT_LAPIC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "devices/lapic.h"
#include "fakes/platform.h"
#include "lib/errno.h"
#include "lib/string.h"

#define RIG_CPUS 8
#define MASKED   BIT(16)

struct rig {
	struct fake_platform fake;
	struct apic_bus bus;
	struct lapic lapic[RIG_CPUS];
	uint32_t eois;      /* bus->eoi calls */
	uint8_t eoi_vector; /* of the last */
};

static struct rig rig;

static inline void rig_eoi(void *ctx, uint8_t vector)
{
	((struct rig *)ctx)->eois++;
	((struct rig *)ctx)->eoi_vector = vector;
}

/* Fresh ones with IDs 0..7, in xAPIC mode and enabled by software, LINT0 masked. */
static inline void rig_init(uint64_t hz)
{
	memset(&rig, 0, sizeof(rig));
	fake_platform_init(&rig.fake, hz);
	rig.bus = (struct apic_bus){
		.platform = &rig.fake.platform, .count = RIG_CPUS, .eoi = rig_eoi, .eoi_ctx = &rig};
	for (uint32_t i = 0; i < RIG_CPUS; i++) {
		lapic_init(&rig.lapic[i], &rig.bus, &rig.fake.platform, i, i);
		rig.bus.lapic[i] = &rig.lapic[i];
		lapic_mmio_write(&rig.lapic[i], LAPIC_SVR, 0x1ff);
		lapic_mmio_write(&rig.lapic[i], LAPIC_LVT_LINT0, MASKED);
	}
}

static inline int rig_setup(void **state)
{
	(void)state;
	rig_init(1000000000);
	return 0;
}

static inline void to_x2apic(struct lapic *lapic)
{
	assert_int_equal(lapic_base_write(lapic, lapic->base | LAPIC_BASE_EXTD, 39), 0);
}

static inline uint32_t msr_of(enum lapic_reg reg)
{
	return 0x800 + ((uint32_t)reg >> 4);
}

static inline uint64_t rdmsr(struct lapic *lapic, enum lapic_reg reg)
{
	uint64_t value = 0xdead;

	assert_int_equal(lapic_msr_read(lapic, msr_of(reg), &value), 0);
	return value;
}

static inline void wrmsr(struct lapic *lapic, enum lapic_reg reg, uint64_t value)
{
	assert_int_equal(lapic_msr_write(lapic, msr_of(reg), value), 0);
}

/* The ESR as software reads it: write, then read. */
static inline uint32_t read_esr(struct lapic *lapic)
{
	lapic_mmio_write(lapic, LAPIC_ESR, 0);
	return lapic_mmio_read(lapic, LAPIC_ESR);
}

/* Takes the vector that is pending into service, and returns it; -1 when there is none. */
static inline int take_pending(struct lapic *lapic)
{
	int vector = lapic_pending_vector(lapic);

	if (vector >= 0)
		lapic_accept(lapic, (uint8_t)vector);
	return vector;
}

/* The vCPUs, as a set, in which `vector` is in IRR; nothing else may be pending. Clears them all.
 */
static inline uint32_t who_got(uint8_t vector)
{
	uint32_t set = 0;

	for (uint32_t i = 0; i < RIG_CPUS; i++) {
		int got = take_pending(&rig.lapic[i]);

		if (got < 0)
			continue;
		assert_int_equal(got, vector);
		lapic_mmio_write(&rig.lapic[i], LAPIC_EOI, 0);
		if (lapic_is_x2apic(&rig.lapic[i]))
			wrmsr(&rig.lapic[i], LAPIC_EOI, 0);
		assert_int_equal(lapic_pending_vector(&rig.lapic[i]), -1);
		set |= BIT(i);
	}
	return set;
}

/* The vCPUs, as a set, that have been signalled `what`; forgets all signals. */
static inline uint32_t who_was_signalled(enum vcpu_signal what)
{
	uint32_t set = 0;

	for (uint32_t i = 0; i < RIG_CPUS; i++)
		if (fake_platform_signals(&rig.fake, i, what))
			set |= BIT(i);
	rig.fake.signal_count = 0;
	return set;
}

#endif
