/* COM1, whose transmitter is always ready, and port 0xf4. */
#include "tests/bench/kvm/ports.h"

#include <linux/serial_reg.h>
#include <stdio.h>
#include <string.h>

#define COM1       0x3f8
#define COM1_PORTS 8
#define DEBUG_EXIT 0xf4

static const char *prefix;
static char text[1 << 16];
static size_t text_len;
static uint8_t registers[COM1_PORTS];

void ports_init(const char *name)
{
	prefix = name;
}

void ports_flush(void)
{
	char *rest = text, *line;

	text[text_len] = '\0';
	while ((line = strsep(&rest, "\n")) && (rest || *line))
		printf("%s| %s\n", prefix, line);
	fflush(stdout);
	text_len = 0;
}

bool ports_write(uint16_t port, uint32_t data, uint32_t *value)
{
	uint16_t index = (uint16_t)(port - COM1);

	if (port == DEBUG_EXIT) {
		*value = data;
		return true;
	}
	if (index >= COM1_PORTS)
		return false;
	if (index != UART_TX || registers[UART_LCR] & UART_LCR_DLAB)
		registers[index] = (uint8_t)data;
	else if (text_len < sizeof(text) - 1)
		text[text_len++] = (char)data;
	return false;
}

uint32_t ports_read(uint16_t port)
{
	uint16_t index = (uint16_t)(port - COM1);

	if (index >= COM1_PORTS)
		return UINT32_MAX;
	return index == UART_LSR ? UART_LSR_THRE | UART_LSR_TEMT : registers[index];
}
