/* The host's serial ports (host_: devices/ has the guest's): 16550s at 115200 8N1. Bytes to be sent
 * go into a port's transmit ring; received bytes go to its one consumer. Once a port's interrupt is
 * enabled, it drains the ring and brings what is received. Until then, and for ever where no
 * interrupt can be routed, somebody must call host_uart_poll or wait with host_uart_flush.
 *
 * COM1 and COM3 share an interrupt, COM2 and COM4 another: all come at VECTOR_UART, and its handler
 * serves every port until none has anything pending. */
#ifndef DRIVERS_UART16550_H
#define DRIVERS_UART16550_H

#include "lib/spinlock.h"
#include "lib/types.h"

#define HOST_UART_RX_SIZE 256u /* a power of two */

/* Where a UART's eight registers are, a byte each: in memory, which must be mapped, or at ports. */
struct uart_place {
	uint64_t memory; /* 0: at `port` */
	uint16_t port;   /* 0: none */
};

struct host_uart {
	struct spinlock lock; /* irq: all that is not (i) */
	struct uart_place at; /* (i) after host_uart_open */
	uint8_t *tx;          /* (i) the transmit ring */
	uint32_t tx_size;     /* (i) a power of two */
	bool is_interrupt_driven;
	bool is_polled; /* somebody calls host_uart_poll from here on */
	uint8_t ier;
	uint32_t tx_head, tx_tail; /* bytes ever put in and taken out */
	uint32_t rx_head, rx_tail;
	bool is_stuck;  /* it was not ready for so long that nobody waits for it any more */
	uint64_t lost;  /* bytes that it did not take */
	uint64_t looks; /* debug builds: fault=log:N */
	void (*consume)(struct host_uart *uart, uint8_t byte);
	struct host_uart *next; /* (i) the ports whose interrupts are enabled */
	uint8_t rx[HOST_UART_RX_SIZE];
};

/* A port that is not open yet; `ring` is an array of bytes, a power of two long. */
#define HOST_UART_INIT(ring)                                                                       \
	{                                                                                          \
		.lock = SPINLOCK_INIT(LOCK_CONSOLE), .tx = (ring), .tx_size = sizeof(ring)         \
	}

/* Programs the UART there. 0, or -ENODEV when nothing answers, or there is none. On the boot CPU,
 * until it has worked once. */
int __must_check host_uart_open(struct host_uart *uart, const struct uart_place *place);

static inline bool host_uart_is_open(const struct host_uart *uart)
{
	return uart->at.memory || uart->at.port;
}

/* The ISA interrupt that a PC's UART at this port has, or -ENODEV for another port. */
int __must_check host_uart_isa_irq(uint16_t port);

/* From here on the interrupt, which the caller has routed to VECTOR_UART of one pCPU, serves the
 * port. On the boot CPU, once; interrupts any. */
void host_uart_enable_interrupts(struct host_uart *uart);

/* `consume` gets each received byte, those that came before included. It runs in the interrupt
 * handler or in host_uart_poll, with interrupts off and no lock held. Once; interrupts any. */
void host_uart_set_consumer(struct host_uart *uart,
			    void (*consume)(struct host_uart *uart, uint8_t byte));

/* Puts into the ring as much as there is room for, and gives how much that was. Does not wait. Any
 * pCPU, interrupts any, no lock of LOCK_CONSOLE or above held. */
uint32_t host_uart_write(struct host_uart *uart, const void *bytes, uint32_t len);

/* How many bytes host_uart_write would take now. */
uint32_t host_uart_room(struct host_uart *uart);

/* Serves a port without an interrupt, as its handler would: call it every millisecond or so; after
 * the first call nobody else sends, but host_uart_flush and who finds the ring full. Does not wait.
 * From one pCPU, no lock held. */
void host_uart_poll(struct host_uart *uart);

/* Returns when the last byte has left the UART. Any pCPU, any context. */
void host_uart_flush(struct host_uart *uart);

/* For the serial console (drivers/serial.c), which waits rather than lose a line; with the lock
 * held, or in a panic: puts one byte, and waits for the UART when the ring is full; then sees to it
 * that what is in the ring is sent, at once when there is no interrupt. */
void host_uart_put_waiting(struct host_uart *uart, uint8_t byte);
void host_uart_send_waiting(struct host_uart *uart);

#endif
