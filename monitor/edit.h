/* Line editing and history, as a terminal's user knows them from a shell. Pure. */
#ifndef MONITOR_EDIT_H
#define MONITOR_EDIT_H

#include "lib/types.h"

#define EDIT_LINE_MAX     256u
#define EDIT_HISTORY_MAX  16u /* a power of two */
#define EDIT_SEQUENCE_MAX 8u

enum edit_event {
	EDIT_NONE,
	EDIT_CHANGED, /* the line or the cursor: to be shown again */
	EDIT_LINE,    /* Enter: `line` is complete; edit_next begins another */
	EDIT_TAB,     /* to be completed: edit_insert */
	EDIT_LEAVE,   /* Ctrl-C; Ctrl-D on an empty line; Esc Esc */
};

struct edit {
	char line[EDIT_LINE_MAX]; /* terminated */
	uint32_t len, at;         /* `at`: the cursor */

	/* Keys that are several bytes; what stands behind ESC so far. */
	bool is_sequence;
	uint32_t sequence_len;
	char sequence[EDIT_SEQUENCE_MAX];

	uint32_t entered; /* lines that ever went into the history */
	uint32_t back;    /* how far back the shown line is; 0: the new one */
	char history[EDIT_HISTORY_MAX][EDIT_LINE_MAX];
	char draft[EDIT_LINE_MAX]; /* the new one, while another is shown */
};

/* One byte of what is typed. Arrows, Home, End, Delete and their control characters (Ctrl-B, F, P,
 * N, E, D), Backspace, Ctrl-U (all), Ctrl-W (the word before), Ctrl-K (what is behind). */
enum edit_event edit_feed(struct edit *edit, uint8_t byte);

/* Nothing has come behind an ESC for a while: it was the key itself. */
static inline bool edit_is_escape_pending(const struct edit *edit)
{
	return edit->is_sequence && !edit->sequence_len;
}

/* Inserts at the cursor as much as there is room for. */
void edit_insert(struct edit *edit, const char *text, size_t len);

/* An empty line, after one that goes into the history unless it is empty or the same as the last.
 */
void edit_next(struct edit *edit);

/* `prompt`, the part of the line around the cursor that fits into a row of `columns`, and the
 * cursor put back where it is (CSI D). Its length, less than `size`. */
size_t edit_render(const struct edit *edit, const char *prompt, uint32_t columns, char *buf,
		   size_t size);

#endif
