/* The serial console. */
#include "drivers/serial.h"

#include "cpu/irq.h"
#include "cpu/panic.h"
#include "lib/string.h"

/* What all guests together may have waiting (guest/output.h), and as much for the hypervisor. */
#define TX_SIZE 65536u

static uint8_t ring[TX_SIZE];
struct host_uart serial_console = HOST_UART_INIT(ring);

/* Under serial_console.lock. */
static struct {
	bool is_after_cr;
	enum serial_mode mode;
	uint32_t withheld; /* lines, since the mode was set */
	char prompt[SERIAL_PROMPT_MAX];
	size_t prompt_len;
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
}

static void put_bytes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(text[i]);
}

static void hide_prompt(void)
{
	if (state.prompt_len)
		put_bytes("\r\x1b[K", 4);
}

void serial_set_prompt(const char *text, size_t len)
{
	uint64_t flags = spin_lock_irq(&serial_console.lock);
	size_t same = 0;

	len = MIN(len, sizeof(state.prompt));
	/* Typing adds to it, mostly. */
	if (len >= state.prompt_len && !memcmp(state.prompt, text, state.prompt_len))
		same = state.prompt_len;
	else
		hide_prompt();
	memcpy(state.prompt, text, len);
	state.prompt_len = len;
	put_bytes(text + same, len - same);
	host_uart_send_waiting(&serial_console);
	spin_unlock_irq(&serial_console.lock, flags);
}

static void sink_write(struct log_sink *sink __unused, const char *text, size_t len)
{
	uint64_t flags;

	if (panic_is_active()) {
		/* Another pCPU may have been stopped with the lock held. */
		hide_prompt();
		state.prompt_len = 0;
		put_text(text, len);
		host_uart_send_waiting(&serial_console);
		return;
	}
	flags = spin_lock_irq(&serial_console.lock);
	if (state.mode == SERIAL_STREAM) {
		state.withheld++;
	} else {
		hide_prompt();
		put_text(text, len);
		put_bytes(state.prompt, state.prompt_len);
	}
	host_uart_send_waiting(&serial_console);
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
	log_set_pace(&serial_console.tx_head, &serial_console.tx_tail);
	return &sink;
}
