/* One counter of the 8254: its six modes, computed. Inside the PIT model only; see pit8254.h. `t`
 * is the time in PIT ticks. */
#ifndef DEVICES_PIT_CHANNEL_H
#define DEVICES_PIT_CHANNEL_H

#include "devices/pit8254.h"

void pit_channel_init(struct pit_channel *ch, bool gate);

/* Control word bits 5-0 with RW not 0. */
void pit_channel_control(struct pit_channel *ch, uint8_t control);

/* The channel's port. */
uint8_t pit_channel_read(struct pit_channel *ch, int64_t t);
void pit_channel_write(struct pit_channel *ch, uint8_t value, int64_t t);

/* The latch commands; latching again before the read has no effect. */
void pit_channel_latch_count(struct pit_channel *ch, int64_t t);
void pit_channel_latch_status(struct pit_channel *ch, int64_t t);

void pit_channel_set_gate(struct pit_channel *ch, bool gate, int64_t t);

/* Takes over a pending count whose time has come. The others call it. */
void pit_channel_sync(struct pit_channel *ch, int64_t t);

/* The level of OUT. */
bool pit_channel_out(struct pit_channel *ch, int64_t t);

/* When OUT rises next, after t, as the count stands; PIT_NEVER. With the gate high. */
int64_t pit_channel_next_edge(struct pit_channel *ch, int64_t t);

/* Modes 2 and 3: how far apart those edges are while nothing changes; 0 otherwise, and when they
 * are nearer than PIT_EDGE_GAP. */
uint32_t pit_channel_period(struct pit_channel *ch, int64_t t);

/* Mode 0-5 (6 and 7 are 2 and 3). */
unsigned pit_channel_mode(const struct pit_channel *ch);

#endif
