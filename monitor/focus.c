/* Who is typed to, and how the console shows whom. */
#include "monitor/focus.h"

#include "drivers/serial.h"
#include "guest/platform.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "monitor/commands.h"

/* Under monitor_lock. */
static struct {
	uint32_t id;          /* of the VM that is typed to */
	struct vm *raw;       /* whose console is raw; NULL: none */
	struct vm *suspended; /* whose it was before the prompt; NULL: none */
	bool is_marked;       /* then: a program is at the other end */
	bool is_full;         /* the last byte typed found no room, and this was said */
} focus;

static bool has_ended(const struct vm *vm)
{
	return __atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE);
}

/* A line on the console that stands for itself: no prefix. */
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

/* --- lines and raw -----------------------------------------------------------------------------
 */

static void set_vm_raw(struct vm *vm, bool is_raw)
{
	spin_lock(&vm->lock);
	guest_console_set_raw(&vm->console, vm->name, is_raw);
	spin_unlock(&vm->lock);
}

/* The announcement is the last line that is marked. */
void focus_lines(void)
{
	uint32_t withheld;

	focus.suspended = NULL;
	if (!focus.raw)
		return;
	set_vm_raw(focus.raw, false);
	focus.raw = NULL;
	say("lines:\n");
	withheld = serial_set_mode(SERIAL_LINES);
	if (withheld > 1) /* one is the announcement */
		log_info("%u lines were withheld while the console was raw", withheld - 1);
}

/* Nothing of the VM's goes out raw before it is announced, and no line unmarked after it. */
static void enter_raw(struct vm *vm, bool is_marked)
{
	focus_lines();
	focus.raw = vm;
	focus.is_marked = is_marked;
	if (is_marked)
		(void)serial_set_mode(SERIAL_MARKED);
	say("raw: %s\n", vm->name);
	if (!is_marked)
		(void)serial_set_mode(SERIAL_STREAM);
	set_vm_raw(vm, true);
}

void focus_toggle_raw(void)
{
	struct vm *vm = focus_vm();

	if (focus.raw)
		focus_lines();
	else if (vm)
		enter_raw(vm, false);
}

void focus_suspend_raw(void)
{
	struct vm *vm = focus.raw;

	focus_lines();
	focus.suspended = vm;
}

void focus_resume_raw(void)
{
	struct vm *vm = focus.suspended;

	focus.suspended = NULL;
	if (vm && !has_ended(vm))
		enter_raw(vm, focus.is_marked);
}

void focus_vm_ended(const struct vm *vm)
{
	if (focus.raw == vm)
		focus_lines();
	if (focus.suspended == vm)
		focus.suspended = NULL;
}

/* --- who is typed to ---------------------------------------------------------------------------
 */

struct vm *focus_vm(void)
{
	struct vm *vm = focus.id < vm_count() ? vm_get(focus.id) : NULL;

	return vm && !has_ended(vm) ? vm : NULL;
}

void focus_tell(void)
{
	struct vm *vm = focus_vm();

	say("input: %s (Ctrl-A h: the keys)\n", vm ? vm->name : "-");
}

void focus_first(void)
{
	while (focus.id + 1 < vm_count() && has_ended(vm_get(focus.id)))
		focus.id++;
	focus_tell();
}

bool focus_set(struct vm *vm)
{
	if (!vm || has_ended(vm))
		return false;
	focus.id = vm->id;
	focus.is_full = false;
	if (focus.raw)
		enter_raw(vm, focus.is_marked);
	focus_tell();
	return true;
}

void focus_move(uint32_t step)
{
	uint32_t count = vm_count(), id = focus.id;

	do
		id = (id + step) % count;
	while (id != focus.id && has_ended(vm_get(id)));
	if (!focus_set(vm_get(id)))
		log_warn("console: every VM has ended");
}

void focus_type(uint8_t byte)
{
	struct vm *vm = focus_vm();

	if (!vm)
		return;
	if (platform_console_input(vm, byte)) {
		focus.is_full = false;
	} else if (!focus.is_full) {
		focus.is_full = true;
		log_warn("VM '%s' does not read its input: what is typed is dropped", vm->name);
	}
}

/* --- commands ----------------------------------------------------------------------------------
 */

enum command_result command_focus(struct session *s)
{
	struct arg name = args_next(&s->args);

	if (!focus_set(vm_find(name.text, name.len)))
		session_fail(s, "no VM '%.*s', or it has ended", ARG(name));
	return COMMAND_DONE;
}

enum command_result command_raw(struct session *s)
{
	struct arg name = args_next(&s->args);
	struct vm *vm = name.len ? vm_find(name.text, name.len) : focus_vm();

	if (!vm || has_ended(vm)) {
		session_fail(s, "no VM '%.*s', or it has ended", ARG(name));
		return COMMAND_DONE;
	}
	focus.id = vm->id;
	enter_raw(vm, true);
	return COMMAND_DONE;
}

enum command_result command_lines(struct session *s __unused)
{
	focus_lines();
	return COMMAND_DONE;
}

enum command_result command_room(struct session *s)
{
	struct vm *vm = focus_vm();
	uint32_t room = GUEST_INPUT_MAX; /* what nobody takes is dropped */

	if (vm) {
		spin_lock(&vm->lock);
		room = guest_input_room(&vm->input);
		spin_unlock(&vm->lock);
	}
	out_printf(&s->out, "room: %u\n", room);
	return COMMAND_DONE;
}

enum command_result command_quit(struct session *s __unused)
{
	focus_lines();
	for (uint32_t i = 0; i < vm_count(); i++)
		vm_quit(vm_get(i), "quit from the console");
	return COMMAND_DONE;
}
