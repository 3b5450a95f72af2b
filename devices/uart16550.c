/* The 16550A UART. */
#include <linux/serial_reg.h>

#include "devices/isa.h"
#include "devices/uart16550.h"
#include "lib/string.h"

#define UART_CLOCK_HZ 1843200 /* 16 cycles a bit at divisor 1 */

#define IIR_FIFOS_ENABLED 0xc0

#define MCR_BITS (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)
#define IER_BITS (UART_IER_MSI | UART_IER_RLSI | UART_IER_THRI | UART_IER_RDI)

static bool uart_has_fifo(const struct uart *uart)
{
	return uart->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned uart_capacity(const struct uart *uart)
{
	return uart_has_fifo(uart) ? UART_FIFO_SIZE : 1;
}

static unsigned uart_trigger(const struct uart *uart)
{
	static const uint8_t levels[] = {1, 4, 8, 14};

	return uart_has_fifo(uart) ? levels[UART_FCR_R_TRIG_BITS(uart->fcr)] : 1;
}

/* The highest-priority interrupt, as IIR's low bits name it ('Interrupt Control Functions'). */
static uint8_t uart_interrupt(const struct uart *uart)
{
	if ((uart->ier & UART_IER_RLSI) && uart->lsr_errors)
		return UART_IIR_RLSI;
	if ((uart->ier & UART_IER_RDI) && uart->rx_count >= uart_trigger(uart))
		return UART_IIR_RDI;
	if ((uart->ier & UART_IER_RDI) && uart->is_timeout_pending)
		return UART_IIR_RX_TIMEOUT;
	if ((uart->ier & UART_IER_THRI) && uart->is_thre_pending)
		return UART_IIR_THRI;
	if ((uart->ier & UART_IER_MSI) && (uart->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void uart_update(struct uart *uart)
{
	bool level = uart_interrupt(uart) != UART_IIR_NO_INT;

	if (level == uart->irq_level)
		return;
	uart->irq_level = level;
	irq_line_set(&uart->irq, level);
}

/* Four character times, in TSC ticks. */
static uint64_t uart_timeout_ticks(const struct uart *uart)
{
	uint32_t divisor = (uint32_t)uart->dlm << 8 | uart->dll;
	uint32_t bits = 1 + 5 + (uart->lcr & UART_LCR_WLEN8) + !!(uart->lcr & UART_LCR_PARITY) + 1 +
			!!(uart->lcr & UART_LCR_STOP);

	return mul_div_u64(4ull * bits * 16 * MAX(divisor, 1u), uart->platform->tsc.hz,
			   UART_CLOCK_HZ);
}

/* 'When the RCVR FIFO and receiver interrupts are enabled, RCVR FIFO timeout interrupts will
 * occur': four character times after the last byte came or was read, with at least one left. */
static void uart_timeout_restart(struct uart *uart)
{
	if (uart_has_fifo(uart) && (uart->ier & UART_IER_RDI) && uart->rx_count &&
	    !uart->is_timeout_pending)
		platform_timer_arm(uart->platform, &uart->timeout,
				   platform_now(uart->platform) + uart_timeout_ticks(uart));
	else if (uart->timeout.is_armed)
		platform_timer_cancel(uart->platform, &uart->timeout);
}

static void uart_timeout_expire(void *owner, uint64_t now)
{
	struct uart *uart = owner;

	(void)now;
	uart->is_timeout_pending = true;
	uart_update(uart);
}

/* A character's errors show in LSR when it 'is at the top of the FIFO'. */
static void uart_reveal_top(struct uart *uart)
{
	if (!uart->rx_count)
		return;
	uart->lsr_errors |= uart->rx[uart->rx_head].errors;
	uart->rx[uart->rx_head].errors = 0;
}

static void uart_push(struct uart *uart, uint8_t byte, uint8_t errors)
{
	unsigned tail = (uart->rx_head + uart->rx_count) % UART_FIFO_SIZE;

	if (uart->rx_count == uart_capacity(uart)) {
		/* With FIFOs the new character is lost, without it overwrites the old one. */
		uart->lsr_errors |= UART_LSR_OE;
		if (uart_has_fifo(uart)) {
			uart_update(uart);
			return;
		}
		tail = uart->rx_head;
		uart->rx_count--;
	}
	uart->rx[tail].byte = byte;
	uart->rx[tail].errors = errors;
	uart->rx_count++;
	if (uart->rx_count == 1)
		uart_reveal_top(uart);
	uart_timeout_restart(uart);
	uart_update(uart);
}

static void uart_made_room(struct uart *uart)
{
	(void)uart->platform->ops->console_room(uart->platform->ctx);
}

static uint8_t uart_pop(struct uart *uart)
{
	if (uart->rx_count) {
		uart->rbr = uart->rx[uart->rx_head].byte;
		uart->rx_head = (uint8_t)((uart->rx_head + 1) % UART_FIFO_SIZE);
		uart->rx_count--;
		uart_reveal_top(uart);
		uart->is_timeout_pending = false;
		uart_timeout_restart(uart);
		uart_update(uart);
		uart_made_room(uart);
	}
	return uart->rbr;
}

static void uart_rx_clear(struct uart *uart)
{
	uart->rx_count = 0;
	uart->is_timeout_pending = false;
	uart_timeout_restart(uart);
}

/* Writing THR clears the THR-empty interrupt, and the byte's departure raises it anew: an edge. */
static void uart_transmit(struct uart *uart, uint8_t byte)
{
	uart->is_thre_pending = false;
	uart_update(uart);
	if (uart->mcr & UART_MCR_LOOP)
		uart_push(uart, byte, 0);
	else
		(void)uart->send(uart->platform->ctx, byte);
	uart->is_thre_pending = true;
	uart_update(uart);
}

/* In loopback 'the four MODEM Control outputs are internally connected to the four MODEM Control
 * inputs'. TERI is the trailing edge of RI only. */
static void uart_modem_update(struct uart *uart)
{
	uint8_t lines = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	uint8_t delta;

	if (uart->mcr & UART_MCR_LOOP)
		lines = (uint8_t)((uart->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
				  (uart->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
				  (uart->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
				  (uart->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
	delta = (uint8_t)((lines ^ uart->msr) >> 4);
	if (lines & UART_MSR_RI)
		delta &= (uint8_t)~UART_MSR_TERI;
	uart->msr = (uint8_t)(lines | delta | (uart->msr & UART_MSR_ANY_DELTA));
	uart_update(uart);
}

static uint8_t uart_read_iir(struct uart *uart)
{
	uint8_t id = uart_interrupt(uart);

	/* 'Reading the IIR (if source of interrupt)' resets the THR-empty interrupt. */
	if (id == UART_IIR_THRI) {
		uart->is_thre_pending = false;
		uart_update(uart);
	}
	return uart_has_fifo(uart) ? id | IIR_FIFOS_ENABLED : id;
}

static uint8_t uart_read_lsr(struct uart *uart)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT | uart->lsr_errors;
	bool has_error = uart->lsr_errors & (UART_LSR_PE | UART_LSR_FE | UART_LSR_BI);

	if (likely(!uart->rx_count &&
		   !uart->lsr_errors)) /* guests poll it for every byte they send */
		return lsr;
	if (uart->rx_count)
		lsr |= UART_LSR_DR;
	for (unsigned i = 0; i < uart->rx_count; i++)
		has_error |= uart->rx[(uart->rx_head + i) % UART_FIFO_SIZE].errors;
	if (has_error && uart_has_fifo(uart))
		lsr |= UART_LSR_FIFOE;
	if (uart->lsr_errors) {
		uart->lsr_errors = 0;
		uart_update(uart);
	}
	return lsr;
}

static uint8_t uart_read_msr(struct uart *uart)
{
	uint8_t msr = uart->msr;

	uart->msr &= (uint8_t)~UART_MSR_ANY_DELTA;
	uart_update(uart);
	return msr;
}

uint8_t uart_read(struct uart *uart, uint16_t reg)
{
	bool has_dlab = uart->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return has_dlab ? uart->dll : uart_pop(uart);
	case UART_IER:
		return has_dlab ? uart->dlm : uart->ier;
	case UART_IIR:
		return uart_read_iir(uart);
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_LSR:
		return uart_read_lsr(uart);
	case UART_MSR:
		return uart_read_msr(uart);
	default: /* UART_SCR */
		return uart->scr;
	}
}

static void uart_write_ier(struct uart *uart, uint8_t value)
{
	uint8_t added = (uint8_t)(value & ~uart->ier);

	uart->ier = value & IER_BITS;
	/* Enabling it while the holding register is empty raises it at once, though IIR was read.
	 */
	if (added & UART_IER_THRI)
		uart->is_thre_pending = true;
	if (added & UART_IER_RDI)
		uart_timeout_restart(uart);
	uart_update(uart);
}

static void uart_write_fcr(struct uart *uart, uint8_t value)
{
	/* 'This bit must be a 1 when other FCR bits are written to or they will not be programmed';
	 * 'resetting FCR0 will clear all bytes in both FIFOs', and so does setting it. */
	bool is_switched = (value ^ uart->fcr) & UART_FCR_ENABLE_FIFO;

	uart->fcr = value & UART_FCR_ENABLE_FIFO
			    ? value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
			    : 0;
	/* The transmitter's FIFO is empty anyway, and DMA mode only changes pins. */
	if (is_switched || (uart_has_fifo(uart) && (value & UART_FCR_CLEAR_RCVR)))
		uart_rx_clear(uart);
	uart_update(uart);
	uart_made_room(uart);
}

static void uart_write_lcr(struct uart *uart, uint8_t value)
{
	bool is_break = value & ~uart->lcr & UART_LCR_SBC;

	uart->lcr = value;
	if (is_break && (uart->mcr & UART_MCR_LOOP))
		uart_push(uart, 0, UART_LSR_BI | UART_LSR_FE);
}

void uart_write(struct uart *uart, uint16_t reg, uint8_t value)
{
	bool has_dlab = uart->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (has_dlab)
			uart->dll = value;
		else
			uart_transmit(uart, value);
		break;
	case UART_IER:
		if (has_dlab)
			uart->dlm = value;
		else
			uart_write_ier(uart, value);
		break;
	case UART_FCR:
		uart_write_fcr(uart, value);
		break;
	case UART_LCR:
		uart_write_lcr(uart, value);
		break;
	case UART_MCR:
		uart->mcr = value & MCR_BITS;
		uart_modem_update(uart);
		uart_made_room(uart); /* loopback may have ended */
		break;
	case UART_SCR:
		uart->scr = value;
		break;
	default: /* LSR 'is intended for read operations only', MSR is inputs */
		break;
	}
}

unsigned uart_room(const struct uart *uart)
{
	return uart->mcr & UART_MCR_LOOP ? 0 : uart_capacity(uart) - uart->rx_count;
}

bool uart_receive(struct uart *uart, uint8_t byte)
{
	if (!uart_room(uart))
		return false;
	uart_push(uart, byte, 0);
	return true;
}

bool uart_receive_break(struct uart *uart)
{
	if (!uart_room(uart))
		return false;
	uart_push(uart, 0, UART_LSR_BI | UART_LSR_FE);
	return true;
}

void uart_init(struct uart *uart, struct platform *platform, struct irq_line irq)
{
	memset(uart, 0, sizeof(*uart));
	uart->platform = platform;
	uart->irq = irq;
	uart->send = platform->ops->console;
	uart->msr = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	uart->dll = 1; /* undefined after reset: the fastest */
	platform_timer_init(&uart->timeout, TIMER_VM_WIDE, uart, uart_timeout_expire);
}

ISA_BYTE_PORTS(uart, uart, 0)

int uart_attach(struct uart *uart, struct bus *ports, uint16_t base)
{
	const struct bus_region region = ISA_REGION(uart, base, 8, "16550");

	return bus_add_all(ports, uart, &region, 1);
}
