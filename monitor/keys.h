/* What is typed at the hypervisor's console, taken apart: Ctrl-A is the escape. Pure. */
#ifndef MONITOR_KEYS_H
#define MONITOR_KEYS_H

#include "lib/types.h"

#define KEYS_ESCAPE   0x01 /* Ctrl-A */
#define KEYS_LINE_MAX 256u

enum keys_event {
	KEYS_NONE,
	KEYS_TEXT,    /* `byte` is for a guest */
	KEYS_KEY,     /* Ctrl-A and then `byte` */
	KEYS_COMMAND, /* Ctrl-A ':', then `line` and Enter */
};

struct keys {
	bool is_escaped, is_command;
	uint8_t byte;
	uint32_t len;
	char line[KEYS_LINE_MAX];
};

/* One byte more. Ctrl-A twice, or Ctrl-A a, is the text Ctrl-A; inside a command Ctrl-A gives the
 * command up and is the escape again. A command that is too long is cut. */
enum keys_event keys_feed(struct keys *keys, uint8_t byte);

#endif
