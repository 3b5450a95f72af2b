/* Console input: a ring that the UART's interrupt fills, served where locks may be taken. */
#include "monitor/console.h"

#include "cpu/panic.h"
#include "drivers/uart16550.h"
#include "guest/platform.h"
#include "guest/vm.h"
#include "lib/log.h"
#include "lib/string.h"
#include "monitor/summary.h"
#include "sched/timer.h"

#define RING_SIZE    1024u /* power of two */
#define COMMAND_MAX  256u
#define COMMAND_BYTE 0x01

static struct {
	uint8_t ring[RING_SIZE];
	uint32_t head, tail; /* (a) written by the interrupt handler; by serve() */
	char command[COMMAND_MAX];
	uint32_t command_len;
	bool is_command;
	uint32_t focus; /* id of the VM that is typed to */
} console;

static void received(uint8_t byte)
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

static void run_command(const char *line)
{
	const char *word;
	size_t len = take_word(&line, &word);

	if (is_word(word, len, "verdict")) {
		give_verdict(line);
	} else if (is_word(word, len, "focus")) {
		struct vm *vm;

		len = take_word(&line, &word);
		vm = vm_find(word, len);
		if (vm)
			console.focus = vm->id;
		else
			log_warn("console command: no VM '%.*s'", (int)len, word);
	} else if (is_word(word, len, "stats")) {
		summary_print_table();
	} else if (is_word(word, len, "quit")) {
		for (uint32_t i = 0; i < vm_count(); i++)
			vm_end(vm_get(i), false, "quit from the console");
	} else if (is_word(word, len, "panic")) {
		panic("asked for on the console");
	} else {
		log_warn("console command '%.*s' is unknown: verdict, focus, stats, quit, panic",
			 (int)len, word);
	}
}

static void serve_byte(uint8_t byte)
{
	if (byte == COMMAND_BYTE) {
		console.is_command = true;
		console.command_len = 0;
	} else if (!console.is_command) {
		struct vm *vm = console.focus < vm_count() ? vm_get(console.focus) : NULL;

		if (vm && !vm->has_ended)
			(void)platform_console_input(vm, byte);
	} else if (byte == '\n' || byte == '\r') {
		console.command[console.command_len] = '\0';
		console.is_command = false;
		run_command(console.command);
	} else if (console.command_len < COMMAND_MAX - 1) {
		console.command[console.command_len++] = (char)byte;
	}
}

static void serve(void)
{
	uint32_t tail = console.tail;

	while (tail != __atomic_load_n(&console.head, __ATOMIC_ACQUIRE)) {
		serve_byte(console.ring[tail++ % RING_SIZE]);
		__atomic_store_n(&console.tail, tail, __ATOMIC_RELEASE);
	}
}

void console_start(void)
{
	sched_set_deferred(serve);
	host_uart_set_consumer(received);
}
