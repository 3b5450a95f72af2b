/* The host's serial console (host_: devices/ has the guest's): a 16550 at 115200 8N1. Lines of the
 * log go into a transmit ring, which the interrupt drains; before interrupts are routed, when the
 * ring is full, and in a panic, bytes are written at once. Received bytes go to one consumer. */
#ifndef DRIVERS_UART16550_H
#define DRIVERS_UART16550_H

#include "lib/log.h"
#include "lib/types.h"

/* Where a UART's eight registers are, a byte each: in memory, which must be mapped, or at ports. */
struct uart_place {
	uint64_t memory; /* 0: at `port` */
	uint16_t port;   /* 0: none */
};

/* Programs the UART there. 0, or -ENODEV when nothing answers, or there is none. On the boot CPU,
 * until it has worked once. */
int __must_check host_uart_init(const struct uart_place *place);

/* The sink for log_add_sink; after a host_uart_init that worked. */
struct log_sink *host_uart_sink(void);

/* The ISA interrupt that a PC's UART at this port has, or -ENODEV for another port. */
int __must_check host_uart_isa_irq(uint16_t port);

/* From here on the interrupt, which the caller has routed to VECTOR_UART, drains the ring.
 * Interrupts any. */
void host_uart_enable_interrupts(void);

/* `consume` gets each received byte, those that came before included. It runs in the interrupt
 * handler, with interrupts off and no lock held. Once, after host_uart_enable_interrupts;
 * interrupts any. */
void host_uart_set_consumer(void (*consume)(uint8_t byte));

/* Returns when the last byte has left the UART. Any pCPU, any context. */
void host_uart_flush(void);

#endif
