/* A guest's console. Out: bytes become lines with the VM's name in front, so that several guests
 * can speak at once; or go out raw, when the hypervisor's console is this VM's alone. In: what was
 * typed waits here until the guest's UART has room. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include "lib/types.h"

#define GUEST_LINE_MAX  256
#define GUEST_INPUT_MAX 8192u /* a power of two */

struct guest_console {
	const char *tag; /* (i) behind the VM's name, for a second one; NULL: none */
	uint32_t len;
	bool is_cut; /* a full line has gone out, and its '\n' has not come yet */
	bool is_raw;
	char line[GUEST_LINE_MAX];
};

struct guest_input {
	uint32_t head, tail; /* bytes ever put in and taken out */
	uint8_t byte[GUEST_INPUT_MAX];
};

/* A byte from the guest; says how many bytes the log was given for it. Control characters but tab
 * and ESC are dropped; a full line or one that is ended by '\n' goes out as 'NAME| line', with what
 * lib/visible.h lets pass and shows of it. Raw: as it is, at once. VM's lock held. */
uint32_t guest_console_put(struct guest_console *console, const char *name, uint8_t byte);

/* What is left of a line that was never ended; says how many bytes the log was given. */
uint32_t guest_console_flush(struct guest_console *console, const char *name);

/* Raw or in lines from here on; what is there of a line goes out first. VM's lock held. */
void guest_console_set_raw(struct guest_console *console, const char *name, bool is_raw);

/* VM's lock held. False when it is full; -1 when there is nothing. */
bool __must_check guest_input_put(struct guest_input *input, uint8_t byte);
int guest_input_take(struct guest_input *input);
int guest_input_peek(const struct guest_input *input); /* it stays */
uint32_t guest_input_room(const struct guest_input *input);

#endif
