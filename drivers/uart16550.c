/* The 16550 of the host's console. */
#include <linux/serial_reg.h>

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/irq.h"
#include "cpu/panic.h"
#include "cpu/trap.h"
#include "drivers/uart16550.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

#define TX_SIZE     32768u /* powers of two */
#define RX_SIZE     256u
#define FIFO_BYTES  16u
/* A byte takes 87 microseconds, and each look is an I/O access of half a microsecond or more; a
 * UART that is not ready after so many is stuck, and losing text is better than hanging. */
#define READY_LOOKS 1000000u
/* More than a UART can have pending: one that never stops is broken, and must not hang the host. */
#define IRQ_ROUNDS  256u

static struct {
	struct spinlock lock; /* irq: tx, rx, is_interrupt_driven and the registers */
	struct uart_place at; /* (i) after host_uart_init */
	bool is_interrupt_driven;
	bool is_after_cr;
	uint8_t ier;
	uint32_t tx_head, tx_tail; /* bytes ever put in and taken out */
	uint32_t rx_head, rx_tail;
	void (*consume)(uint8_t byte);
	uint8_t tx[TX_SIZE];
	uint8_t rx[RX_SIZE];
} uart = {.lock = SPINLOCK_INIT(LOCK_CONSOLE)};

static uint8_t reg_read(unsigned reg)
{
	if (uart.at.memory)
		return *(volatile uint8_t *)hpa_to_ptr(HPA(uart.at.memory + reg));
	return inb((uint16_t)(uart.at.port + reg));
}

static void reg_write(unsigned reg, uint8_t value)
{
	if (uart.at.memory)
		*(volatile uint8_t *)hpa_to_ptr(HPA(uart.at.memory + reg)) = value;
	else
		outb((uint16_t)(uart.at.port + reg), value);
}

static void wait_for(uint8_t status)
{
	for (uint32_t i = 0; i < READY_LOOKS && (reg_read(UART_LSR) & status) != status; i++)
		cpu_relax();
}

static void fill_fifo(void)
{
	for (unsigned i = 0; i < FIFO_BYTES && uart.tx_tail != uart.tx_head; i++)
		reg_write(UART_TX, uart.tx[uart.tx_tail++ % TX_SIZE]);
}

/* Writes a FIFO's worth from the ring, waiting for the UART: all of the FIFO is empty when THRE is.
 */
static void drain_some(void)
{
	wait_for(UART_LSR_THRE);
	fill_fifo();
}

static void drain_all(void)
{
	while (uart.tx_tail != uart.tx_head)
		drain_some();
}

/* 'Transmitter holding register empty' interrupts exactly while there is something to send.
 * Switching them on with the register empty raises one at once. */
static void update_ier(void)
{
	uint8_t ier = UART_IER_RDI;

	if (uart.tx_head != uart.tx_tail)
		ier |= UART_IER_THRI;
	if (ier != uart.ier)
		reg_write(UART_IER, ier);
	uart.ier = ier;
}

static void put(char c)
{
	if (uart.tx_head - uart.tx_tail == TX_SIZE)
		drain_some();
	uart.tx[uart.tx_head++ % TX_SIZE] = (uint8_t)c;
}

static void put_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' && !uart.is_after_cr)
			put('\r');
		put(text[i]);
		uart.is_after_cr = text[i] == '\r';
	}
}

static void sink_write(struct log_sink *sink __unused, const char *text, size_t len)
{
	uint64_t flags;

	if (panic_is_active()) {
		/* Another pCPU may have been stopped with the lock held. */
		put_text(text, len);
		drain_all();
		return;
	}
	flags = spin_lock_irq(&uart.lock);
	put_text(text, len);
	if (uart.is_interrupt_driven)
		update_ier();
	else
		drain_all();
	spin_unlock_irq(&uart.lock, flags);
}

static struct log_sink sink = {.write = sink_write};

struct log_sink *host_uart_sink(void)
{
	return &sink;
}

/* In loopback mode the modem outputs come back as inputs: OUT2 as DCD, RTS as CTS. */
static bool is_present(void)
{
	uint8_t msr;

	reg_write(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	msr = reg_read(UART_MSR) & (UART_MSR_DCD | UART_MSR_RI | UART_MSR_DSR | UART_MSR_CTS);
	return msr == (UART_MSR_DCD | UART_MSR_CTS);
}

static bool is_somewhere(const struct uart_place *place)
{
	return place->memory || place->port;
}

int host_uart_init(const struct uart_place *place)
{
	if (!is_somewhere(place))
		return -ENODEV;
	uart.at = *place;
	if (!is_present()) {
		uart.at = (struct uart_place){0};
		return -ENODEV;
	}
	reg_write(UART_IER, 0);
	reg_write(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	reg_write(UART_DLL, 1); /* 115200 */
	reg_write(UART_DLM, 0);
	reg_write(UART_LCR, UART_LCR_WLEN8);
	reg_write(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	/* OUT2 lets the interrupt out on a PC. */
	reg_write(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
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

static void receive(void)
{
	while (reg_read(UART_LSR) & UART_LSR_DR) {
		uint8_t byte = reg_read(UART_RX);

		if (uart.rx_head - uart.rx_tail < RX_SIZE)
			uart.rx[uart.rx_head++ % RX_SIZE] = byte;
	}
}

static void transmit(void)
{
	if (!(reg_read(UART_LSR) & UART_LSR_THRE))
		return;
	fill_fifo();
	update_ier();
}

/* Hands received bytes on, the lock released around each call, so that the consumer may take its
 * own. */
static void deliver(void)
{
	while (uart.consume && uart.rx_tail != uart.rx_head) {
		uint8_t byte = uart.rx[uart.rx_tail++ % RX_SIZE];

		spin_unlock(&uart.lock);
		uart.consume(byte);
		spin_lock(&uart.lock);
	}
}

static void handle_irq(void)
{
	spin_lock(&uart.lock);
	/* Until nothing is pending: the line is edge-triggered and must have gone down once. */
	for (unsigned i = 0; i < IRQ_ROUNDS && !(reg_read(UART_IIR) & UART_IIR_NO_INT); i++) {
		receive();
		transmit();
		(void)reg_read(UART_MSR);
	}
	deliver();
	spin_unlock(&uart.lock);
}

void host_uart_enable_interrupts(void)
{
	uint64_t flags;

	trap_set_irq_handler(VECTOR_UART, handle_irq);
	flags = spin_lock_irq(&uart.lock);
	uart.is_interrupt_driven = true;
	update_ier();
	spin_unlock_irq(&uart.lock, flags);
}

void host_uart_set_consumer(void (*consume)(uint8_t byte))
{
	uint64_t flags = spin_lock_irq(&uart.lock);

	uart.consume = consume;
	deliver();
	spin_unlock_irq(&uart.lock, flags);
}

void host_uart_flush(void)
{
	bool is_locking = !panic_is_active();
	uint64_t flags = 0;

	if (!is_somewhere(&uart.at))
		return;
	if (is_locking)
		flags = spin_lock_irq(&uart.lock);
	drain_all();
	wait_for(UART_LSR_TEMT);
	if (is_locking)
		spin_unlock_irq(&uart.lock, flags);
}
