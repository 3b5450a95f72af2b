/* A parallel port, written by its strobe line. */
#include "drivers/parport.h"

#include "cpu/insn.h"
#include "cpu/percpu.h"
#include "lib/errno.h"

enum parport_register { PARPORT_DATA, PARPORT_STATUS, PARPORT_CONTROL };

#define STATUS_NOT_BUSY  BIT(7)
#define CONTROL_STROBE   BIT(0)
#define CONTROL_NO_RESET BIT(2)
#define CONTROL_SELECT   BIT(3)
#define CONTROL_QUIET    (CONTROL_NO_RESET | CONTROL_SELECT) /* no interrupt, output */

/* A read of the ISA bus takes about a microsecond. */
#define BUSY_READS_MAX 100000u

int parport_open(struct parport *port, uint16_t base)
{
	static const uint8_t tries[] = {0x55, 0xaa};

	*port = (struct parport){.base = base};
	outb(base + PARPORT_CONTROL, CONTROL_QUIET);
	/* The data register reads back; where there is none the bus gives ones. */
	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		outb(base + PARPORT_DATA, tries[i]);
		if (inb(base + PARPORT_DATA) != tries[i])
			return -ENODEV;
	}
	return 0;
}

static bool is_ready_in_time(const struct parport *port)
{
	for (unsigned i = 0; i < BUSY_READS_MAX; i++)
		if (inb(port->base + PARPORT_STATUS) & STATUS_NOT_BUSY)
			return true;
	return false;
}

bool parport_write(struct parport *port, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len && !port->is_dead; i++) {
		port->is_dead = !is_ready_in_time(port);
		if (port->is_dead)
			break;
		/* Half a microsecond each for data, strobe and hold: a port write takes longer. */
		outb(port->base + PARPORT_DATA, p[i]);
		outb(port->base + PARPORT_CONTROL, CONTROL_QUIET | CONTROL_STROBE);
		outb(port->base + PARPORT_CONTROL, CONTROL_QUIET);
		percpu_note_progress();
	}
	return !port->is_dead;
}
