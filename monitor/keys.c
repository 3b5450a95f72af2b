/* Ctrl-A, and what follows it. */
#include "monitor/keys.h"

#define BACKSPACE 0x08
#define DELETE    0x7f

static enum keys_event feed_command(struct keys *keys, uint8_t byte)
{
	if (byte == '\n' || byte == '\r') {
		keys->line[keys->len] = '\0';
		keys->is_command = false;
		return KEYS_COMMAND;
	}
	if (byte == BACKSPACE || byte == DELETE)
		keys->len -= keys->len > 0;
	else if (keys->len < KEYS_LINE_MAX - 1)
		keys->line[keys->len++] = (char)byte;
	return KEYS_NONE;
}

enum keys_event keys_feed(struct keys *keys, uint8_t byte)
{
	bool is_escaped = keys->is_escaped;

	keys->byte = byte;
	keys->is_escaped = byte == KEYS_ESCAPE && !is_escaped;
	if (keys->is_escaped) {
		keys->is_command = false;
		return KEYS_NONE;
	}
	if (!is_escaped)
		return keys->is_command ? feed_command(keys, byte) : KEYS_TEXT;
	if (byte == ':') {
		keys->is_command = true;
		keys->len = 0;
		return KEYS_NONE;
	}
	if (byte == KEYS_ESCAPE || byte == 'a') {
		keys->byte = KEYS_ESCAPE;
		return KEYS_TEXT;
	}
	return KEYS_KEY;
}
