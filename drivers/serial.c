/* The serial console. */
#include "drivers/serial.h"

#include "cpu/irq.h"
#include "cpu/panic.h"

#define TX_SIZE 32768u

static uint8_t ring[TX_SIZE];
struct host_uart serial_console = HOST_UART_INIT(ring);

/* Under serial_console.lock. */
static struct {
	bool is_after_cr;
	enum serial_mode mode;
	uint32_t withheld; /* lines, since the mode was set */
} state;

static void put(char c)
{
	host_uart_put_waiting(&serial_console, (uint8_t)c);
}

static void put_text(const char *text, size_t len)
{
	bool is_line_start = true; /* a sink is given whole lines */

	for (size_t i = 0; i < len; i++) {
		if (is_line_start && state.mode == SERIAL_MARKED)
			put(SERIAL_STX);
		is_line_start = text[i] == '\n';
		if (text[i] == '\n' && !state.is_after_cr)
			put('\r');
		put(text[i]);
		state.is_after_cr = text[i] == '\r';
	}
	host_uart_send_waiting(&serial_console);
}

static void sink_write(struct log_sink *sink __unused, const char *text, size_t len)
{
	uint64_t flags;

	if (panic_is_active()) {
		/* Another pCPU may have been stopped with the lock held. */
		put_text(text, len);
		return;
	}
	flags = spin_lock_irq(&serial_console.lock);
	if (state.mode == SERIAL_STREAM)
		state.withheld++;
	else
		put_text(text, len);
	spin_unlock_irq(&serial_console.lock, flags);
}

static void sink_stream(struct log_sink *sink __unused, const char *bytes, size_t len)
{
	uint64_t flags;

	if (panic_is_active())
		return;
	flags = spin_lock_irq(&serial_console.lock);
	for (size_t i = 0; i < len; i++) {
		bool is_mark = bytes[i] == SERIAL_STX || bytes[i] == SERIAL_DLE;

		if (is_mark && state.mode == SERIAL_MARKED) {
			put(SERIAL_DLE);
			put((char)(bytes[i] ^ 0x40));
		} else {
			put(bytes[i]);
		}
		state.is_after_cr = false;
	}
	host_uart_send_waiting(&serial_console);
	spin_unlock_irq(&serial_console.lock, flags);
}

uint32_t serial_set_mode(enum serial_mode mode)
{
	uint64_t flags = spin_lock_irq(&serial_console.lock);
	uint32_t withheld = state.withheld;

	state.mode = mode;
	state.withheld = 0;
	spin_unlock_irq(&serial_console.lock, flags);
	return withheld;
}

static struct log_sink sink = {.write = sink_write, .stream = sink_stream};

struct log_sink *serial_sink(void)
{
	return &sink;
}
