/* Commands from a program. */
#include "monitor/port.h"

#include "lib/printf.h"
#include "lib/string.h"
#include "monitor/commands.h"

#define RING_SIZE 1024u /* power of two */

static void write_port(struct out *out, const char *text, size_t len);
static uint32_t port_room(struct session *s);
static void command_ended(struct session *s, const char *error);

static struct {
	struct host_uart *uart; /* (i) after the start */
	uint8_t ring[RING_SIZE];
	uint32_t head, tail; /* (a) written by the interrupt handler; by serve() */
	bool is_lost;        /* (a) the ring was full */

	/* under monitor_lock */
	struct session session;
	bool is_serving;
	char line[SESSION_LINE_MAX];
	uint32_t len;
} port = {
	.session = {.out = {.write = write_port}, .room = port_room, .ended = command_ended},
};

static void received(struct host_uart *uart __unused, uint8_t byte)
{
	uint32_t head = port.head;

	if (head - __atomic_load_n(&port.tail, __ATOMIC_ACQUIRE) < RING_SIZE) {
		port.ring[head % RING_SIZE] = byte;
		__atomic_store_n(&port.head, head + 1, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&port.is_lost, true, __ATOMIC_RELAXED);
	}
	sched_defer();
}

static void write_port(struct out *out __unused, const char *text, size_t len)
{
	/* There is room: see session_start. */
	(void)host_uart_write(port.uart, text, (uint32_t)len);
}

static uint32_t port_room(struct session *s __unused)
{
	return host_uart_room(port.uart);
}

static void command_ended(struct session *s, const char *error)
{
	if (*error)
		out_printf(&s->out, "error: %s\n", error);
	else
		out_printf(&s->out, "ok\n");
	if (!port.is_serving)
		sched_defer();
}

static void end_line(void)
{
	struct session *s = &port.session;

	port.line[MIN(port.len, SESSION_LINE_MAX - 1)] = '\0';
	if (__atomic_exchange_n(&port.is_lost, false, __ATOMIC_RELAXED))
		out_printf(&s->out, "error: input was lost: wait for an answer before the next "
				    "command\n");
	else if (port.len >= SESSION_LINE_MAX)
		out_printf(&s->out, "error: the line is too long\n");
	else if (port.len && port.line[0] != '#')
		session_start(s, port.line);
	port.len = 0;
}

static void serve_byte(uint8_t byte)
{
	if (byte == '\n' || byte == '\r') {
		end_line();
		return;
	}
	if (port.len < SESSION_LINE_MAX - 1)
		port.line[port.len] = (char)byte;
	port.len += port.len < SESSION_LINE_MAX;
}

static void serve(void)
{
	uint32_t tail = port.tail;
	bool is_busy = false;

	while (!is_busy && tail != __atomic_load_n(&port.head, __ATOMIC_ACQUIRE)) {
		spin_lock(&monitor_lock);
		port.is_serving = true;
		is_busy = session_is_busy(&port.session);
		if (!is_busy) {
			serve_byte(port.ring[tail++ % RING_SIZE]);
			__atomic_store_n(&port.tail, tail, __ATOMIC_RELEASE);
		}
		port.is_serving = false;
		spin_unlock(&monitor_lock);
	}
}

void monitor_port_start(struct host_uart *uart)
{
	port.uart = uart;
	session_init(&port.session);
	sched_add_deferred(serve);
	host_uart_set_consumer(uart, received);
	out_printf(&port.session.out, "monitor: ready\n");
}
