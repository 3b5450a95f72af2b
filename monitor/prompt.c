/* The prompt: line editing, completion, and what of it is on the screen. */
#include "monitor/prompt.h"

#include "drivers/serial.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "monitor/commands.h"
#include "monitor/edit.h"
#include "monitor/focus.h"

#define PROMPT      "(carousel) "
#define COLUMNS     80u
#define MATCHES_MAX 64u

/* Under monitor_lock. */
static struct {
	bool is_open;
	bool is_away; /* a command is being served */
	struct edit edit;
} prompt;

bool prompt_is_open(void)
{
	return prompt.is_open;
}

void prompt_open(struct out *out)
{
	focus_suspend_raw();
	prompt.is_open = true;
	prompt.is_away = false;
	out_printf(out, "monitor: help lists the commands; exit, Esc or Ctrl-D leaves\n");
}

void prompt_close(void)
{
	if (!prompt.is_open)
		return;
	prompt.is_open = false;
	prompt.edit.is_sequence = false;
	serial_set_prompt("", 0);
	focus_tell();
	focus_resume_raw();
}

void prompt_end(void)
{
	prompt.is_open = false;
	serial_set_prompt("", 0);
}

void prompt_show(void)
{
	char text[SERIAL_PROMPT_MAX];
	size_t len;

	if (!prompt.is_open || prompt.is_away)
		return;
	len = edit_render(&prompt.edit, PROMPT, COLUMNS, text, sizeof(text));
	serial_set_prompt(text, len);
}

/* Completes the word before the cursor: the first is a command's, the others VMs'. What all that
 * fit have in common is inserted; when that is nothing, they are listed. */
static void complete(struct out *out)
{
	struct edit *edit = &prompt.edit;
	uint32_t start = edit->at;
	const char *first, *match;
	size_t typed, common;
	bool is_vm;

	while (start && edit->line[start - 1] != ' ')
		start--;
	is_vm = start != 0;
	typed = edit->at - start;
	first = command_complete(edit->line + start, typed, is_vm, 0);
	if (!first)
		return;
	common = strlen(first);
	for (uint32_t n = 1; (match = command_complete(edit->line + start, typed, is_vm, n)); n++) {
		size_t same = typed;

		while (same < common && match[same] == first[same])
			same++;
		common = same;
	}
	edit_insert(edit, first + typed, common - typed);
	if (!command_complete(edit->line + start, typed, is_vm, 1)) {
		edit_insert(edit, " ", 1);
	} else if (common == typed) {
		char list[OUT_LINE_MAX];
		int len = 0;

		for (uint32_t n = 0;
		     n < MATCHES_MAX && len < OUT_LINE_MAX - VM_NAME_MAX - 2 &&
		     (match = command_complete(edit->line + start, typed, is_vm, n));
		     n++)
			len += fmt_snprintf(list + len, sizeof(list) - (size_t)len, "%s  ", match);
		out_printf(out, "%s\n", list);
	}
}

bool prompt_type(struct out *out, uint8_t byte)
{
	switch (edit_feed(&prompt.edit, byte)) {
	case EDIT_TAB:
		complete(out);
		return false;
	case EDIT_LEAVE:
		prompt_close();
		return false;
	case EDIT_LINE:
		prompt.is_away = true;
		serial_set_prompt("", 0);
		out_printf(out, PROMPT "%s\n", prompt.edit.line);
		return true;
	default:
		return false;
	}
}

const char *prompt_line(void)
{
	return prompt.edit.line;
}

void prompt_next(void)
{
	edit_next(&prompt.edit);
	prompt.is_away = false;
}

bool prompt_is_escape_pending(void)
{
	return prompt.is_open && edit_is_escape_pending(&prompt.edit);
}
