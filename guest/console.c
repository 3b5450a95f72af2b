/* Guest console lines. */
#include "guest/console.h"

#include "lib/log.h"
#include "lib/printf.h"

void guest_console_flush(struct guest_console *console, const char *name)
{
	char text[GUEST_LINE_MAX + 64];
	int len;

	if (!console->len)
		return;
	len = fmt_snprintf(text, sizeof(text), "%s| %s%.*s\n", name,
			   console->tag ? console->tag : "", (int)console->len, console->line);
	console->len = 0;
	log_raw(text, (size_t)len);
}

void guest_console_put(struct guest_console *console, const char *name, uint8_t byte)
{
	if (byte == '\n') {
		/* An empty line is a line, but not the end of one that was full. */
		if (!console->len && !console->is_cut)
			console->line[console->len++] = ' ';
		guest_console_flush(console, name);
		console->is_cut = false;
		return;
	}
	if ((byte < ' ' && byte != '\t' && byte != 0x1b) || byte == 0x7f)
		return;
	console->line[console->len++] = (char)byte;
	console->is_cut = console->len == GUEST_LINE_MAX;
	if (console->is_cut)
		guest_console_flush(console, name);
}
