/* The 16550A UART, as the 'PC16550D Universal Asynchronous Receiver/Transmitter with FIFOs' data
 * sheet has it. The transmitter is infinitely fast: a byte leaves for the platform's console as it
 * is written, so the holding register is always empty. The interrupt output is the chip's INTR pin,
 * not gated by OUT2 (the gate belongs to the PC's adapter card; guests that never set OUT2 exist).
 */
#ifndef DEVICES_UART16550_H
#define DEVICES_UART16550_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"

#define UART_FIFO_SIZE 16

struct uart {
	struct platform *platform;             /* (i) */
	struct irq_line irq;                   /* (i) */
	bool (*send)(void *ctx, uint8_t byte); /* (i) the platform's console, unless changed */
	bool irq_level;                        /* what `irq` was last told */

	uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	uint8_t lsr_errors;      /* OE, PE, FE, BI: latched until LSR is read */
	bool is_thre_pending;    /* the THR-empty interrupt, until IIR is read or THR written */
	bool is_timeout_pending; /* the character time-out, until RBR is read */

	struct {
		uint8_t byte, errors;
	} rx[UART_FIFO_SIZE];
	uint8_t rx_head, rx_count;
	uint8_t rbr; /* the byte read last: what an empty receiver gives */
	struct platform_timer timeout;
};

/* The state after master reset, with CTS, DSR and DCD from a terminal that is there. */
void uart_init(struct uart *uart, struct platform *platform, struct irq_line irq);

/* Puts its eight ports at `base`. As bus_add. */
int __must_check uart_attach(struct uart *uart, struct bus *ports, uint16_t base);

/* A register access; `reg` 0-7. */
uint8_t uart_read(struct uart *uart, uint16_t reg);
void uart_write(struct uart *uart, uint16_t reg, uint8_t value);

/* A byte from outside. False when there is no room (or the guest has the chip in loopback): nothing
 * happened, and the caller may try again later. */
bool __must_check uart_receive(struct uart *uart, uint8_t byte);

/* A break from outside (the guest's SysRq key): the same. */
bool __must_check uart_receive_break(struct uart *uart);

/* How many bytes uart_receive would take now. */
unsigned uart_room(const struct uart *uart);

#endif
