/* COM1 for carousel.efi. */
#include <linux/serial_reg.h>

#include "boot/efi/serial.h"

#define COM1 0x3f8u

/* A UART that never gets empty is given up after so many looks, about a tenth of a second. */
#define LOOKS_MAX 100000u

static uint8_t in(uint16_t reg)
{
	uint8_t value;

	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(COM1 + reg));
	return value;
}

static void out(uint16_t reg, uint8_t value)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(COM1 + reg));
}

bool serial_init(void)
{
	out(UART_SCR, 0x5a);
	if (in(UART_SCR) != 0x5a)
		return false;
	out(UART_IER, 0);
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 1);
	out(UART_DLM, 0);
	out(UART_LCR, UART_LCR_WLEN8);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	return true;
}

void serial_put(uint8_t byte)
{
	for (unsigned i = 0; i < LOOKS_MAX && !(in(UART_LSR)&UART_LSR_THRE); i++)
		;
	out(UART_TX, byte);
}
