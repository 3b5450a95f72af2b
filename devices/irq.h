/* An interrupt line: what a model drives, and an interrupt controller or the platform's wiring
 * takes. */
#ifndef DEVICES_IRQ_H
#define DEVICES_IRQ_H

#include "lib/types.h"

/* One wire. `set` is told the level each time the model drives it, changed or not: the taker sees
 * the edges. ioapic_set_pin() and pic_set_irq() behind a thin adapter; guest/platform.c fans an ISA
 * line out to both. */
struct irq_line {
	void (*set)(void *ctx, uint32_t pin, bool level); /* NULL: not connected */
	void *ctx;
	uint32_t pin;
	/* Has the CPU not taken the last edge yet, so that another would be lost in it? NULL:
	 * nobody knows. Of a line that nobody listens to, no. */
	bool (*is_pending)(void *ctx, uint32_t pin);
};

static inline void irq_line_set(const struct irq_line *line, bool level)
{
	if (line->set)
		line->set(line->ctx, line->pin, level);
}

static inline bool irq_line_is_pending(const struct irq_line *line)
{
	return line->is_pending && line->is_pending(line->ctx, line->pin);
}

#endif
