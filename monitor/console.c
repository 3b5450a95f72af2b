/* Console input: a ring that the UART's interrupt fills, served where locks may be taken; keys, the
 * prompt and commands. */
#include "monitor/console.h"

#include "cpu/insn.h"
#include "drivers/serial.h"
#include "guest/vm.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "monitor/commands.h"
#include "monitor/focus.h"
#include "monitor/keys.h"
#include "monitor/prompt.h"

#define RING_SIZE 1024u /* power of two */
/* The bytes of a key that is a sequence come one behind the other. */
#define ESCAPE_NS 100000000

static void write_log(struct out *out, const char *text, size_t len);
static uint32_t log_room(struct session *s);
static void command_ended(struct session *s, const char *error);
static void escape_expired(struct sched_timer *timer, uint64_t now);

static struct {
	uint8_t ring[RING_SIZE];
	uint32_t head, tail; /* (a) written by the interrupt handler; by serve() */

	/* under monitor_lock */
	struct keys keys;
	struct session session;
	bool is_from_prompt; /* the command that is being served */
	bool is_serving;     /* serve() is at work, and goes on by itself */
	struct sched_timer escape;
} console = {
	.session = {.out = {.write = write_log}, .room = log_room, .ended = command_ended},
	.escape = {.expire = escape_expired},
};

static void received(struct host_uart *uart __unused, uint8_t byte)
{
	uint32_t head = console.head;

	/* A full ring drops the byte, as a full UART would. */
	if (head - __atomic_load_n(&console.tail, __ATOMIC_ACQUIRE) < RING_SIZE) {
		console.ring[head % RING_SIZE] = byte;
		__atomic_store_n(&console.head, head + 1, __ATOMIC_RELEASE);
	}
	sched_defer();
}

/* --- commands ----------------------------------------------------------------------------------
 */

static void write_log(struct out *out __unused, const char *text, size_t len)
{
	log_raw(text, len);
}

static uint32_t log_room(struct session *s __unused)
{
	return host_uart_is_open(&serial_console) ? host_uart_room(&serial_console) : UINT32_MAX;
}

static void command_ended(struct session *s, const char *error)
{
	if (*error && console.is_from_prompt)
		out_printf(&s->out, "error: %s\n", error);
	else if (*error)
		log_warn("console command: %s", error);
	if (console.is_from_prompt)
		prompt_next();
	if (!console.is_serving)
		sched_defer(); /* for what was typed meanwhile */
}

static void begin(const char *line, bool is_from_prompt)
{
	console.is_from_prompt = is_from_prompt;
	session_start(&console.session, line);
}

enum command_result command_exit(struct session *s)
{
	if (s == &console.session)
		prompt_close();
	return COMMAND_DONE;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void show_help(void)
{
	char vms[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < MIN(vm_count(), 10u) && len < sizeof(vms); i++)
		len += (size_t)fmt_snprintf(vms + len, sizeof(vms) - len, ", %u %s", (i + 1) % 10,
					    vm_get(i)->name);
	log_info("Ctrl-A and then: a digit%s; n, p the next VM, the one before; r raw or in lines; "
		 "s statistics; m the monitor's prompt; x quit; a Ctrl-A itself; : a command",
		 vms);
	focus_tell();
}

static void press(uint8_t key)
{
	switch (key) {
	case '0' ... '9': {
		uint32_t id = (key - '0' + 9u) % 10;

		if (!focus_set(id < vm_count() ? vm_get(id) : NULL))
			log_warn("console: no such VM, or it has ended");
		break;
	}
	case 'n':
		focus_move(1);
		break;
	case 'p':
		focus_move(vm_count() - 1);
		break;
	case 'r':
		prompt_close();
		focus_toggle_raw();
		break;
	case 's':
		begin("stats", false);
		break;
	case 'm':
		if (prompt_is_open())
			prompt_close();
		else
			prompt_open(&console.session.out);
		break;
	case 'x':
		begin("quit", false);
		break;
	default:
		show_help();
	}
}

/* --- input -------------------------------------------------------------------------------------
 */

static void serve_byte(uint8_t byte)
{
	switch (keys_feed(&console.keys, byte)) {
	case KEYS_NONE:
		break;
	case KEYS_TEXT:
		if (!prompt_is_open())
			focus_type(console.keys.byte);
		else if (prompt_type(&console.session.out, console.keys.byte))
			begin(prompt_line(), true);
		break;
	case KEYS_KEY:
		press(console.keys.byte);
		break;
	case KEYS_COMMAND:
		begin(console.keys.line, false);
		break;
	}
}

/* All that is there, up to a command that takes several pieces. */
static void serve(void)
{
	uint32_t tail = console.tail;
	bool is_busy = false;

	while (!is_busy && tail != __atomic_load_n(&console.head, __ATOMIC_ACQUIRE)) {
		spin_lock(&monitor_lock);
		console.is_serving = true;
		is_busy = session_is_busy(&console.session);
		if (!is_busy) {
			serve_byte(console.ring[tail++ % RING_SIZE]);
			__atomic_store_n(&console.tail, tail, __ATOMIC_RELEASE);
		}
		console.is_serving = false;
		spin_unlock(&monitor_lock);
	}
	spin_lock(&monitor_lock);
	prompt_show();
	if (prompt_is_escape_pending())
		sched_timer_arm(&console.escape, rdtsc() + ns_to_tsc(&vm_machine.tsc, ESCAPE_NS));
	spin_unlock(&monitor_lock);
}

static void escape_expired(struct sched_timer *timer __unused, uint64_t now __unused)
{
	spin_lock(&monitor_lock);
	if (prompt_is_escape_pending())
		prompt_close();
	spin_unlock(&monitor_lock);
}

void console_vm_ended(struct vm *vm)
{
	spin_lock(&monitor_lock);
	focus_vm_ended(vm);
	spin_unlock(&monitor_lock);
}

void console_end(void)
{
	spin_lock(&monitor_lock);
	prompt_end();
	focus_lines();
	spin_unlock(&monitor_lock);
}

void console_start(void)
{
	session_init(&console.session);
	sched_add_deferred(serve);
	host_uart_set_consumer(&serial_console, received);
	focus_first();
}
