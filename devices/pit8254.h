/* The 8254 programmable interval timer and the system control port 0x61 beside it ('8254
 * Programmable Interval Timer' data sheet; PIIX4 for the port). Nothing ticks: counts and outputs
 * are computed from the platform's time, and one timer serves the edges of channel 0. Edges are
 * computed from the start of the count, so periodic modes do not drift; edges that were missed are
 * owed (devices/tick.h), those that come closer together than PIT_EDGE_GAP are delivered as one. */
#ifndef DEVICES_PIT8254_H
#define DEVICES_PIT8254_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"
#include "devices/tick.h"

#define PIT_HZ       1193182
#define PIT_EDGE_GAP 119 /* PIT ticks: 100 microseconds */
#define PIT_CHANNELS 3

/* Times are PIT ticks since VM TSC 0. */
struct pit_channel {
	uint8_t control; /* the control word's bits 5-0: RW, mode, BCD */
	bool gate;
	bool has_count;     /* a count was written since the control word */
	bool is_loaded;     /* ... and the counting element took it */
	bool is_pending;    /* a newer count waits for a trigger or the end of the (half) cycle */
	uint32_t count;     /* the count register: 1-65536, in BCD 1-10000 */
	uint32_t loaded;    /* what the counting element began with */
	int64_t start;      /* when it held that; may lie before 0 */
	int64_t reload_at;  /* modes 2 and 3: when the pending count is taken; PIT_NEVER */
	int64_t next_start; /* `start` from then on */
	int64_t paused;     /* ticks since start, while the gate is low and stops the count */

	uint8_t write_low;                /* the first of two bytes */
	bool is_write_high, is_read_high; /* the second of two bytes is next */
	uint16_t latch;
	uint8_t latched; /* bytes of `latch` still to be read */
	uint8_t status;
	bool is_status_latched;
};

#define PIT_NEVER INT64_MAX

struct pit {
	struct platform *platform; /* (i) */
	struct irq_line irq;       /* (i) OUT of channel 0: IRQ 0 */
	bool irq_level;
	struct pit_channel channel[PIT_CHANNELS];
	uint8_t port61;        /* bits 3-0 as written */
	int64_t edge_at;       /* channel 0's next rising edge; PIT_NEVER */
	struct tick_debt debt; /* edges of a periodic mode that the guest has not had */
	struct platform_timer timer;
};

/* No channel counts until it is programmed; the gates of channels 0 and 1 are high, 2's is low. */
void pit_init(struct pit *pit, struct platform *platform, struct irq_line irq);

/* Ports 0x40-0x43 and 0x61. As bus_add. */
int __must_check pit_attach(struct pit *pit, struct bus *ports);

/* An owed edge, if there is one, comes now. */
void pit_hurry(struct pit *pit);

uint8_t pit_read(struct pit *pit, uint16_t port);
void pit_write(struct pit *pit, uint16_t port, uint8_t value);

#endif
