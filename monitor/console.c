/* Console input: a ring that the UART's interrupt fills, served where locks may be taken; who is
 * typed to, and whose console is raw. */
#include "monitor/console.h"

#include "cpu/panic.h"
#include "drivers/serial.h"
#include "guest/platform.h"
#include "guest/vm.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "monitor/keys.h"
#include "monitor/summary.h"
#include "sched/timer.h"

#define RING_SIZE 1024u /* power of two */

static struct {
	struct spinlock lock; /* all but the ring */
	uint8_t ring[RING_SIZE];
	uint32_t head, tail; /* (a) written by the interrupt handler; by serve() */
	struct keys keys;
	uint32_t focus; /* id of the VM that is typed to */
	struct vm *raw; /* whose console is raw; NULL: none */
	bool is_marked; /* then: a program is at the other end */
	bool is_full;   /* the last byte typed found no room, and this was said */
} console = {.lock = SPINLOCK_INIT(LOCK_MONITOR)};

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

/* The next word of *text, which moves behind it. */
static size_t take_word(const char **text, const char **word)
{
	size_t len = 0;

	while (**text == ' ')
		++*text;
	*word = *text;
	while ((*text)[len] && (*text)[len] != ' ')
		len++;
	*text += len;
	return len;
}

static bool is_word(const char *word, size_t len, const char *is)
{
	return strlen(is) == len && !memcmp(word, is, len);
}

static void give_verdict(const char *args)
{
	const char *name, *verdict;
	size_t name_len = take_word(&args, &name), verdict_len = take_word(&args, &verdict);
	struct vm *vm = vm_find(name, name_len);

	while (*args == ' ')
		args++;
	if (!vm)
		log_warn("console command: no VM '%.*s'", (int)name_len, name);
	else if (is_word(verdict, verdict_len, "ok") || is_word(verdict, verdict_len, "failed"))
		vm_end(vm, is_word(verdict, verdict_len, "ok"), "%s", *args ? args : "by command");
	else
		log_warn("console command: the verdict is 'ok' or 'failed', not '%.*s'",
			 (int)verdict_len, verdict);
}

/* --- lines and raw ------------------------------------------------------------------------------
 */

static void say(const char *fmt, ...) __printf_like(1, 2);
static void say(const char *fmt, ...)
{
	char line[VM_NAME_MAX + 48];
	va_list args;

	va_start(args, fmt);
	(void)fmt_vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_raw(line, strlen(line));
}

static void set_vm_raw(struct vm *vm, bool is_raw)
{
	spin_lock(&vm->lock);
	guest_console_set_raw(&vm->console, vm->name, is_raw);
	spin_unlock(&vm->lock);
}

/* Back to lines. The announcement is the last line that is marked. */
static void leave_raw(void)
{
	uint32_t withheld;

	if (!console.raw)
		return;
	set_vm_raw(console.raw, false);
	console.raw = NULL;
	say("lines:\n");
	withheld = serial_set_mode(SERIAL_LINES);
	if (withheld > 1) /* one is the announcement */
		log_info("%u lines were withheld while the console was raw", withheld - 1);
}

/* Nothing of the VM's goes out raw before it is announced, and no line unmarked after it. */
static void enter_raw(struct vm *vm, bool is_marked)
{
	leave_raw();
	console.raw = vm;
	console.is_marked = is_marked;
	if (is_marked)
		(void)serial_set_mode(SERIAL_MARKED);
	say("raw: %s\n", vm->name);
	if (!is_marked)
		(void)serial_set_mode(SERIAL_STREAM);
	set_vm_raw(vm, true);
}

static bool has_ended(const struct vm *vm)
{
	return __atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE);
}

static struct vm *focused(void)
{
	struct vm *vm = console.focus < vm_count() ? vm_get(console.focus) : NULL;

	return vm && !has_ended(vm) ? vm : NULL;
}

static void tell_focus(void)
{
	struct vm *vm = focused();

	say("input: %s (Ctrl-A h: the keys)\n", vm ? vm->name : "-");
}

static void set_focus(struct vm *vm)
{
	if (!vm || has_ended(vm)) {
		log_warn("console: no such VM, or it has ended");
		return;
	}
	console.focus = vm->id;
	console.is_full = false;
	if (console.raw)
		enter_raw(vm, console.is_marked);
	tell_focus();
}

/* The next VM that runs, in this direction, in a circle. */
static void move_focus(uint32_t step)
{
	uint32_t count = vm_count(), id = console.focus;

	do
		id = (id + step) % count;
	while (id != console.focus && has_ended(vm_get(id)));
	set_focus(vm_get(id));
}

/* --- commands -----------------------------------------------------------------------------------
 */

static void set_raw(const char *args)
{
	const char *name;
	size_t len = take_word(&args, &name);
	struct vm *vm = len ? vm_find(name, len) : focused();

	if (!vm || has_ended(vm)) {
		log_warn("console command: no VM '%.*s', or it has ended", (int)len, name);
		return;
	}
	console.focus = vm->id;
	enter_raw(vm, true);
}

static void tell_room(void)
{
	struct vm *vm = focused();
	uint32_t room = GUEST_INPUT_MAX; /* what nobody takes is dropped */

	if (vm) {
		spin_lock(&vm->lock);
		room = guest_input_room(&vm->input);
		spin_unlock(&vm->lock);
	}
	say("room: %u\n", room);
}

static void quit(void)
{
	leave_raw();
	for (uint32_t i = 0; i < vm_count(); i++)
		vm_quit(vm_get(i), "quit from the console");
}

static void run_command(const char *line)
{
	const char *word;
	size_t len = take_word(&line, &word);

	if (is_word(word, len, "verdict")) {
		give_verdict(line);
	} else if (is_word(word, len, "focus")) {
		len = take_word(&line, &word);
		set_focus(vm_find(word, len));
	} else if (is_word(word, len, "raw")) {
		set_raw(line);
	} else if (is_word(word, len, "lines")) {
		leave_raw();
	} else if (is_word(word, len, "room")) {
		tell_room();
	} else if (is_word(word, len, "stats")) {
		summary_print_table();
	} else if (is_word(word, len, "quit")) {
		quit();
	} else if (is_word(word, len, "panic")) {
		panic("asked for on the console");
	} else {
		log_warn("console command '%.*s' is unknown: verdict, focus, raw, lines, room, "
			 "stats, quit, panic",
			 (int)len, word);
	}
}

static void show_help(void)
{
	char vms[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < MIN(vm_count(), 10u) && len < sizeof(vms); i++)
		len += (size_t)fmt_snprintf(vms + len, sizeof(vms) - len, ", %u %s", (i + 1) % 10,
					    vm_get(i)->name);
	log_info("Ctrl-A and then: a digit%s; n, p the next VM, the one before; r raw or in lines; "
		 "s statistics; x quit; a Ctrl-A itself; : a command",
		 vms);
	tell_focus();
}

static void press(uint8_t key)
{
	struct vm *vm = focused();

	switch (key) {
	case '0' ... '9': {
		uint32_t id = (key - '0' + 9u) % 10;

		set_focus(id < vm_count() ? vm_get(id) : NULL);
		break;
	}
	case 'n':
		move_focus(1);
		break;
	case 'p':
		move_focus(vm_count() - 1);
		break;
	case 'r':
		if (console.raw)
			leave_raw();
		else if (vm)
			enter_raw(vm, false);
		break;
	case 's':
		summary_print_table();
		break;
	case 'x':
		quit();
		break;
	default:
		show_help();
	}
}

/* --- input --------------------------------------------------------------------------------------
 */

static void type_byte(uint8_t byte)
{
	struct vm *vm = focused();

	if (!vm)
		return;
	if (platform_console_input(vm, byte)) {
		console.is_full = false;
	} else if (!console.is_full) {
		console.is_full = true;
		log_warn("VM '%s' does not read its input: what is typed is dropped", vm->name);
	}
}

static void serve_byte(uint8_t byte)
{
	spin_lock(&console.lock);
	switch (keys_feed(&console.keys, byte)) {
	case KEYS_NONE:
		break;
	case KEYS_TEXT:
		type_byte(console.keys.byte);
		break;
	case KEYS_KEY:
		press(console.keys.byte);
		break;
	case KEYS_COMMAND:
		run_command(console.keys.line);
		break;
	}
	spin_unlock(&console.lock);
}

static void serve(void)
{
	uint32_t tail = console.tail;

	while (tail != __atomic_load_n(&console.head, __ATOMIC_ACQUIRE)) {
		serve_byte(console.ring[tail++ % RING_SIZE]);
		__atomic_store_n(&console.tail, tail, __ATOMIC_RELEASE);
	}
}

void console_vm_ended(struct vm *vm)
{
	spin_lock(&console.lock);
	if (console.raw == vm)
		leave_raw();
	spin_unlock(&console.lock);
}

void console_end(void)
{
	spin_lock(&console.lock);
	leave_raw();
	spin_unlock(&console.lock);
}

void console_start(void)
{
	sched_add_deferred(serve);
	host_uart_set_consumer(&serial_console, received);
	while (console.focus + 1 < vm_count() && has_ended(vm_get(console.focus)))
		console.focus++;
	tell_focus();
}
