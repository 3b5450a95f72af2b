/* Guest console lines, and input. */
#include "guest/console.h"

#include "lib/log.h"
#include "lib/printf.h"
#include "lib/visible.h"

#define PREFIX_MAX 64u /* name and tag */

uint32_t guest_console_flush(struct guest_console *console, const char *name)
{
	char text[PREFIX_MAX + VISIBLE_GROWTH * GUEST_LINE_MAX + VISIBLE_RESET + 1];
	size_t len;

	if (!console->len)
		return 0;
	len = (size_t)fmt_snprintf(text, PREFIX_MAX, "%s| %s", name,
				   console->tag ? console->tag : "");
	len = MIN(len, (size_t)PREFIX_MAX - 1);
	len += visible_line(text + len, console->line, console->len);
	text[len++] = '\n';
	console->len = 0;
	log_raw(text, len);
	return (uint32_t)len;
}

uint32_t guest_console_put(struct guest_console *console, const char *name, uint8_t byte)
{
	if (console->is_raw) {
		log_stream((const char *)&byte, 1);
		return 1;
	}
	if (byte == '\n') {
		/* An empty line is a line, but not the end of one that was full. */
		if (!console->len && !console->is_cut)
			console->line[console->len++] = ' ';
		console->is_cut = false;
		return guest_console_flush(console, name);
	}
	if ((byte < ' ' && byte != '\t' && byte != 0x1b) || byte == 0x7f)
		return 0;
	console->line[console->len++] = (char)byte;
	console->is_cut = console->len == GUEST_LINE_MAX;
	return console->is_cut ? guest_console_flush(console, name) : 0;
}

void guest_console_set_raw(struct guest_console *console, const char *name, bool is_raw)
{
	if (is_raw && !console->is_raw) {
		log_stream(console->line, console->len);
		console->len = 0;
		console->is_cut = false;
	} else {
		guest_console_flush(console, name);
	}
	console->is_raw = is_raw;
}

bool guest_input_put(struct guest_input *input, uint8_t byte)
{
	if (!guest_input_room(input))
		return false;
	input->byte[input->head++ % GUEST_INPUT_MAX] = byte;
	return true;
}

int guest_input_peek(const struct guest_input *input)
{
	if (input->head == input->tail)
		return -1;
	return input->byte[input->tail % GUEST_INPUT_MAX];
}

int guest_input_take(struct guest_input *input)
{
	int byte = guest_input_peek(input);

	if (byte >= 0)
		input->tail++;
	return byte;
}

uint32_t guest_input_room(const struct guest_input *input)
{
	return GUEST_INPUT_MAX - (input->head - input->tail);
}
