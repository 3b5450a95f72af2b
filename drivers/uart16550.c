/* The host's 16550s. */
#include "drivers/uart16550.h"

#include <linux/serial_reg.h>

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/irq.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "lib/errno.h"
#include "lib/fault.h"
#include "mm/hostmap.h"

#define FIFO_BYTES    16u
/* A byte takes 87 microseconds, and each look is an I/O access of half a microsecond or more; a
 * UART that is not ready after so many is stuck, and losing text is better than hanging. */
#define READY_LOOKS   1000000u
/* So many are far from what a watchdog takes for ever. */
#define WATCHED_LOOKS 4096u
/* More than a UART can have pending: one that never stops is broken, and must not hang the host. */
#define IRQ_ROUNDS    256u

/* The ports whose interrupts are enabled. Grows at boot only, its head last. */
static struct host_uart *ports; /* (a) */

static uint8_t reg_read(const struct host_uart *uart, unsigned reg)
{
	if (uart->at.memory)
		return *(volatile uint8_t *)hpa_to_ptr(HPA(uart->at.memory + reg));
	return inb((uint16_t)(uart->at.port + reg));
}

static void reg_write(const struct host_uart *uart, unsigned reg, uint8_t value)
{
	if (uart->at.memory)
		*(volatile uint8_t *)hpa_to_ptr(HPA(uart->at.memory + reg)) = value;
	else
		outb((uint16_t)(uart->at.port + reg), value);
}

/* --- sending, with the lock held ---------------------------------------------------------------
 */

static bool is_ready(struct host_uart *uart, uint8_t status)
{
	if (unlikely(uart->looks < fault_n(FAULT_LOG))) {
		uart->looks++;
		return false;
	}
	return (reg_read(uart, UART_LSR) & status) == status;
}

/* False when it does not become ready. One that did not is looked at once each time, until it is
 * again: whoever writes must not wait for a port that is stuck. */
static bool wait_for(struct host_uart *uart, uint8_t status)
{
	uint32_t looks = uart->is_stuck ? 1 : READY_LOOKS;

	for (uint32_t i = 0; i < looks; i++) {
		if (is_ready(uart, status)) {
			uart->is_stuck = false;
			return true;
		}
		/* A stuck UART is no stuck pCPU. */
		if (i % WATCHED_LOOKS == WATCHED_LOOKS - 1)
			percpu_note_progress();
		cpu_relax();
	}
	uart->is_stuck = true;
	return false;
}

static void fill_fifo(struct host_uart *uart)
{
	for (unsigned i = 0; i < FIFO_BYTES && uart->tx_tail != uart->tx_head; i++)
		reg_write(uart, UART_TX, uart->tx[uart->tx_tail++ % uart->tx_size]);
}

/* A FIFO's worth that nobody will see. */
static void lose_some(struct host_uart *uart)
{
	uint32_t bytes = MIN(uart->tx_head - uart->tx_tail, FIFO_BYTES);

	uart->tx_tail += bytes;
	uart->lost += bytes;
}

/* Writes a FIFO's worth from the ring, waiting for the UART: all of the FIFO is empty when THRE is.
 */
static void drain_some(struct host_uart *uart)
{
	if (wait_for(uart, UART_LSR_THRE))
		fill_fifo(uart);
	else
		lose_some(uart);
	percpu_note_progress();
}

static void drain_all(struct host_uart *uart)
{
	while (uart->tx_tail != uart->tx_head)
		drain_some(uart);
}

/* 'Transmitter holding register empty' interrupts exactly while there is something to send.
 * Switching them on with the register empty raises one at once. */
static void update_ier(struct host_uart *uart)
{
	uint8_t ier = UART_IER_RDI;

	if (uart->tx_head != uart->tx_tail)
		ier |= UART_IER_THRI;
	if (ier != uart->ier)
		reg_write(uart, UART_IER, ier);
	uart->ier = ier;
}

static uint32_t room(const struct host_uart *uart)
{
	return uart->tx_size - (uart->tx_head - uart->tx_tail);
}

void host_uart_put_waiting(struct host_uart *uart, uint8_t byte)
{
	if (!room(uart))
		drain_some(uart);
	uart->tx[uart->tx_head++ % uart->tx_size] = byte;
}

void host_uart_send_waiting(struct host_uart *uart)
{
	if (panic_is_active() || !(uart->is_interrupt_driven || uart->is_polled))
		drain_all(uart);
	else if (uart->is_interrupt_driven)
		update_ier(uart);
}

uint32_t host_uart_write(struct host_uart *uart, const void *bytes, uint32_t len)
{
	const uint8_t *from = bytes;
	uint64_t flags = spin_lock_irq(&uart->lock);

	len = MIN(len, room(uart));
	for (uint32_t i = 0; i < len; i++)
		uart->tx[uart->tx_head++ % uart->tx_size] = from[i];
	if (uart->is_interrupt_driven)
		update_ier(uart);
	spin_unlock_irq(&uart->lock, flags);
	return len;
}

uint32_t host_uart_room(struct host_uart *uart)
{
	uint64_t flags = spin_lock_irq(&uart->lock);
	uint32_t bytes = room(uart);

	spin_unlock_irq(&uart->lock, flags);
	return bytes;
}

void host_uart_flush(struct host_uart *uart)
{
	/* In a panic another pCPU may have been stopped with the lock held. */
	bool is_locking = !panic_is_active();
	uint64_t flags = 0;

	if (!host_uart_is_open(uart))
		return;
	if (is_locking)
		flags = spin_lock_irq(&uart->lock);
	drain_all(uart);
	(void)wait_for(uart, UART_LSR_TEMT);
	if (is_locking)
		spin_unlock_irq(&uart->lock, flags);
}

/* --- starting ----------------------------------------------------------------------------------
 */

/* In loopback mode the modem outputs come back as inputs: OUT2 as DCD, RTS as CTS. */
static bool is_present(const struct host_uart *uart)
{
	uint8_t msr;

	reg_write(uart, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	msr = reg_read(uart, UART_MSR) & (UART_MSR_DCD | UART_MSR_RI | UART_MSR_DSR | UART_MSR_CTS);
	return msr == (UART_MSR_DCD | UART_MSR_CTS);
}

int host_uart_open(struct host_uart *uart, const struct uart_place *place)
{
	uart->at = *place;
	if (!host_uart_is_open(uart))
		return -ENODEV;
	if (!is_present(uart)) {
		uart->at = (struct uart_place){0};
		return -ENODEV;
	}
	reg_write(uart, UART_IER, 0);
	reg_write(uart, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	reg_write(uart, UART_DLL, 1); /* 115200 */
	reg_write(uart, UART_DLM, 0);
	reg_write(uart, UART_LCR, UART_LCR_WLEN8);
	reg_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	/* OUT2 lets the interrupt out on a PC. */
	reg_write(uart, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	return 0;
}

int host_uart_isa_irq(uint16_t port)
{
	switch (port) {
	case 0x3f8: /* COM1 */
	case 0x3e8: /* COM3 */
		return 4;
	case 0x2f8: /* COM2 */
	case 0x2e8: /* COM4 */
		return 3;
	default:
		return -ENODEV;
	}
}

/* --- serving -----------------------------------------------------------------------------------
 */

static void receive(struct host_uart *uart)
{
	while (reg_read(uart, UART_LSR) & UART_LSR_DR) {
		uint8_t byte = reg_read(uart, UART_RX);

		if (uart->rx_head - uart->rx_tail < HOST_UART_RX_SIZE)
			uart->rx[uart->rx_head++ % HOST_UART_RX_SIZE] = byte;
	}
}

static void transmit(struct host_uart *uart)
{
	if (reg_read(uart, UART_LSR) & UART_LSR_THRE)
		fill_fifo(uart);
}

/* Hands received bytes on, the lock released around each call, so that the consumer may take its
 * own. */
static void deliver(struct host_uart *uart)
{
	while (uart->consume && uart->rx_tail != uart->rx_head) {
		uint8_t byte = uart->rx[uart->rx_tail++ % HOST_UART_RX_SIZE];

		spin_unlock(&uart->lock);
		uart->consume(uart, byte);
		spin_lock(&uart->lock);
	}
}

/* Serves the port if its interrupt is pending; says whether it was. Interrupts off. */
static bool serve_pending(struct host_uart *uart)
{
	bool is_pending;

	spin_lock(&uart->lock);
	is_pending = !(reg_read(uart, UART_IIR) & UART_IIR_NO_INT);
	if (is_pending) {
		receive(uart);
		transmit(uart);
		update_ier(uart);
		(void)reg_read(uart, UART_MSR);
		deliver(uart);
	}
	spin_unlock(&uart->lock);
	return is_pending;
}

/* Until nothing is pending at any port: the lines are edge-triggered, and one that two ports share
 * goes down only when neither drives it. */
static void handle_irq(void)
{
	bool is_again = true;

	for (unsigned i = 0; i < IRQ_ROUNDS && is_again; i++) {
		is_again = false;
		for (struct host_uart *uart = __atomic_load_n(&ports, __ATOMIC_ACQUIRE); uart;
		     uart = uart->next)
			is_again |= serve_pending(uart);
	}
}

void host_uart_enable_interrupts(struct host_uart *uart)
{
	uint64_t flags;

	if (!ports)
		trap_set_irq_handler(VECTOR_UART, handle_irq);
	flags = spin_lock_irq(&uart->lock);
	uart->next = ports;
	uart->is_interrupt_driven = true;
	__atomic_store_n(&ports, uart, __ATOMIC_RELEASE);
	update_ier(uart);
	spin_unlock_irq(&uart->lock, flags);
}

void host_uart_set_consumer(struct host_uart *uart,
			    void (*consume)(struct host_uart *uart, uint8_t byte))
{
	uint64_t flags = spin_lock_irq(&uart->lock);

	uart->consume = consume;
	deliver(uart);
	spin_unlock_irq(&uart->lock, flags);
}

void host_uart_poll(struct host_uart *uart)
{
	uint64_t flags = spin_lock_irq(&uart->lock);

	uart->is_polled = true;
	receive(uart);
	transmit(uart);
	deliver(uart);
	spin_unlock_irq(&uart->lock, flags);
}
