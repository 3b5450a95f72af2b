/* The high precision event timers ('IA-PC HPET Specification'): a 64-bit counter at 100 MHz and
 * three comparators, each one-shot or periodic, of 32 or 64 bits, edge- or level-triggered, with
 * legacy replacement. Interrupts by message ('FSB delivery') are not offered.
 *
 * Ticks of a periodic edge-triggered comparator are not lost: devices/tick.h. */
#ifndef DEVICES_HPET_H
#define DEVICES_HPET_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"
#include "devices/tick.h"

#define HPET_BASE      0xfed00000u
#define HPET_MMIO_SIZE 0x400u
#define HPET_TIMERS    3u
#define HPET_HZ        100000000u
#define HPET_PERIOD_FS 10000000u /* 10 ns */

/* GCAP_ID's low half: Intel, legacy replacement, 64 bits, the last timer's number, revision 1; the
 * ACPI table repeats it. */
#define HPET_CAPABILITIES (0x8086u << 16 | BIT(15) | BIT(13) | (HPET_TIMERS - 1) << 8 | 1u)

/* The shortest period that a guest should use: 50 microseconds. */
#define HPET_MIN_TICKS 5000u

/* The IOAPIC's pins that a comparator may be routed to: those that no other device has. */
#define HPET_ROUTES 0x00f00000u

struct hpet_timer {
	uint64_t config;     /* what software may write of Tn_CONF_CAP */
	uint64_t comparator; /* as it reads */
	uint64_t period;     /* the value last written: periodic mode adds it */
	uint64_t due;        /* the counter at which it matches next, in 64 bits, while enabled */
	struct tick_debt debt;
	struct platform_timer timer;
};

struct hpet {
	struct platform *platform; /* (i) */
	/* (i) Lines of the IOAPIC, `pin` set for each call; IRQ 0 and IRQ 8 of legacy replacement;
	 * and one that is told when that is switched on and off. */
	struct irq_line route, legacy[2], legacy_select;
	uint64_t config; /* GEN_CONF */
	uint32_t status; /* GINTR_STA */
	uint32_t routes; /* the lines of level-triggered comparators that are asserted */
	uint8_t legacy_levels;
	uint64_t counter; /* while halted */
	uint64_t origin;  /* counter = ticks since VM TSC 0 + this, while running */
	struct hpet_timer timer[HPET_TIMERS];
};

/* Halted, counter 0, all comparators off. */
void hpet_init(struct hpet *hpet, struct platform *platform);

/* HPET_MMIO_SIZE bytes at HPET_BASE. As bus_add. */
int __must_check hpet_attach(struct hpet *hpet, struct bus *mmio);

/* Owed ticks, one of each comparator, come now. */
void hpet_hurry(struct hpet *hpet);
bool hpet_is_tick_owed(const struct hpet *hpet); /* a hint, without the lock */

/* Accesses of any width; 4 and 8 bytes at their alignment as the specification has them, narrower
 * ones of a register's part. */
uint64_t hpet_read(struct hpet *hpet, uint64_t offset, unsigned size);
void hpet_write(struct hpet *hpet, uint64_t offset, unsigned size, uint64_t value);

#endif
