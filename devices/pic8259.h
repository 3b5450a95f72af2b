/* The PC's two 8259A interrupt controllers, cascaded at IRQ 2, and the edge/level control registers
 * that chipsets added ('8259A Programmable Interrupt Controller' and the PIIX4 data sheet).
 *
 * One departure: an edge request stays latched when its line falls before the acknowledge. The chip
 * drops it (and gives the spurious IRQ 7), but there INTA follows in a microsecond; here the vCPU
 * may not even be running. */
#ifndef DEVICES_PIC8259_H
#define DEVICES_PIC8259_H

#include "devices/bus.h"
#include "devices/irq.h"

struct pic_chip {
	uint8_t lines; /* the inputs' levels */
	uint8_t irr, isr, imr;
	uint8_t elcr;   /* level-triggered inputs */
	uint8_t base;   /* vector of input 0 */
	uint8_t top;    /* the input of highest priority: 0 until rotated */
	uint8_t step;   /* enum pic_step: which ICW comes next */
	bool is_single; /* ICW1.SNGL: no ICW3 */
	bool has_icw4;
	bool is_aeoi, is_rotating_aeoi;
	bool is_special_mask, is_special_nested;
	bool is_reading_isr; /* OCW3.RIS */
	bool is_polled;      /* OCW3.P: the next read is an acknowledge */
};

struct pic {
	struct pic_chip chip[2]; /* master, slave */
	struct irq_line output;  /* (i) the master's INT pin */
	bool output_level;
};

/* As firmware leaves it: vectors 0x08 and 0x70, everything masked. `output` is told of INT's
 * changes. */
void pic_init(struct pic *pic, struct irq_line output);

/* Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1. As bus_add. */
int __must_check pic_attach(struct pic *pic, struct bus *ports);

uint8_t pic_read(struct pic *pic, uint16_t port);
void pic_write(struct pic *pic, uint16_t port, uint8_t value);

/* The level of input 0-15; 2 is the cascade and has no line. */
void pic_set_irq(struct pic *pic, uint32_t irq, bool level);

/* Does an edge at this input wait for its acknowledge, unmasked? */
bool pic_is_edge_waiting(const struct pic *pic, uint32_t irq);

/* INT: is there something to acknowledge? */
static inline bool pic_is_pending(const struct pic *pic)
{
	return pic->output_level;
}

/* The INTA sequence: the request moves into service. Its vector; the one of IRQ 7 when the request
 * has gone meanwhile (nothing is in service then). */
uint8_t pic_acknowledge(struct pic *pic);

#endif
