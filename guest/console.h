/* A guest's console lines: bytes become lines with the VM's name in front, so that several guests
 * can speak at once. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include "lib/types.h"

#define GUEST_LINE_MAX 256

struct guest_console {
	const char *tag; /* (i) behind the VM's name, for a second one; NULL: none */
	uint32_t len;
	bool is_cut; /* a full line has gone out, and its '\n' has not come yet */
	char line[GUEST_LINE_MAX];
};

/* A byte from the guest. Control characters but tab and escape sequences' ESC are dropped; a full
 * line or one that is ended by '\n' goes out as 'NAME| line'. VM's lock held. */
void guest_console_put(struct guest_console *console, const char *name, uint8_t byte);

/* What is left of a line that was never ended. */
void guest_console_flush(struct guest_console *console, const char *name);

#endif
