/* Line editing and history. */
#include "monitor/edit.h"

#include "lib/printf.h"
#include "lib/string.h"

#define CTRL(c)   ((c)&0x1f)
#define ESC       0x1b
#define BACKSPACE 0x08
#define DELETE    0x7f

/* --- the line ----------------------------------------------------------------------------------
 */

void edit_insert(struct edit *edit, const char *text, size_t len)
{
	len = MIN(len, (size_t)(EDIT_LINE_MAX - 1 - edit->len));
	memmove(edit->line + edit->at + len, edit->line + edit->at, edit->len - edit->at + 1);
	memcpy(edit->line + edit->at, text, len);
	edit->len += (uint32_t)len;
	edit->at += (uint32_t)len;
}

/* Takes out what stands from `from` to `to`; the cursor is there then. */
static void take_out(struct edit *edit, uint32_t from, uint32_t to)
{
	memmove(edit->line + from, edit->line + to, edit->len - to + 1);
	edit->len -= to - from;
	edit->at = from;
}

static void set_line(struct edit *edit, const char *text)
{
	(void)str_copy(edit->line, text, sizeof(edit->line));
	edit->len = edit->at = (uint32_t)strlen(edit->line);
}

static uint32_t word_before(const struct edit *edit)
{
	uint32_t at = edit->at;

	while (at && edit->line[at - 1] == ' ')
		at--;
	while (at && edit->line[at - 1] != ' ')
		at--;
	return at;
}

/* --- history -----------------------------------------------------------------------------------
 */

/* The line that was entered `back` lines ago: 1 is the last. */
static char *past_line(struct edit *edit, uint32_t back)
{
	return edit->history[(edit->entered - back) % EDIT_HISTORY_MAX];
}

static void show_past(struct edit *edit, uint32_t back)
{
	if (back > MIN(edit->entered, EDIT_HISTORY_MAX))
		return;
	if (!edit->back)
		(void)str_copy(edit->draft, edit->line, sizeof(edit->draft));
	edit->back = back;
	set_line(edit, back ? past_line(edit, back) : edit->draft);
}

void edit_next(struct edit *edit)
{
	bool is_new = edit->len && (!edit->entered || strcmp(past_line(edit, 1), edit->line) != 0);

	if (is_new)
		(void)str_copy(edit->history[edit->entered++ % EDIT_HISTORY_MAX], edit->line,
			       EDIT_LINE_MAX);
	edit->back = 0;
	set_line(edit, "");
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void move(struct edit *edit, uint32_t to)
{
	edit->at = MIN(to, edit->len);
}

/* A key by the control character that means the same. */
static enum edit_event press(struct edit *edit, uint8_t key)
{
	switch (key) {
	case CTRL('A'):
		move(edit, 0);
		break;
	case CTRL('E'):
		move(edit, edit->len);
		break;
	case CTRL('B'):
		move(edit, edit->at - (edit->at > 0));
		break;
	case CTRL('F'):
		move(edit, edit->at + 1);
		break;
	case CTRL('P'):
		show_past(edit, edit->back + 1);
		break;
	case CTRL('N'):
		if (edit->back)
			show_past(edit, edit->back - 1);
		break;
	case CTRL('U'):
		take_out(edit, 0, edit->len);
		break;
	case CTRL('K'):
		take_out(edit, edit->at, edit->len);
		break;
	case CTRL('W'):
		take_out(edit, word_before(edit), edit->at);
		break;
	case BACKSPACE:
	case DELETE:
		take_out(edit, edit->at - (edit->at > 0), edit->at);
		break;
	case CTRL('D'):
		take_out(edit, edit->at, MIN(edit->at + 1, edit->len));
		break;
	default:
		return EDIT_NONE;
	}
	return EDIT_CHANGED;
}

/* What stands behind ESC, complete, and the control character that means the same. */
static const struct {
	const char *sequence;
	uint8_t key;
} sequences[] = {
	{"[A", CTRL('P')},  {"[B", CTRL('N')},  {"[C", CTRL('F')},  {"[D", CTRL('B')},
	{"[H", CTRL('A')},  {"[F", CTRL('E')},  {"OA", CTRL('P')},  {"OB", CTRL('N')},
	{"OC", CTRL('F')},  {"OD", CTRL('B')},  {"OH", CTRL('A')},  {"OF", CTRL('E')},
	{"[1~", CTRL('A')}, {"[7~", CTRL('A')}, {"[4~", CTRL('E')}, {"[8~", CTRL('E')},
	{"[3~", CTRL('D')},
};

/* CSI and SS3 sequences end with a byte from @ up; what is not known is left out. */
static enum edit_event feed_sequence(struct edit *edit, uint8_t byte)
{
	bool is_first = !edit->sequence_len, is_end;

	if (is_first && byte != '[' && byte != 'O') {
		edit->is_sequence = false;
		return byte == ESC ? EDIT_LEAVE : EDIT_NONE;
	}
	if (edit->sequence_len < EDIT_SEQUENCE_MAX - 1)
		edit->sequence[edit->sequence_len++] = (char)byte;
	is_end = !is_first && byte >= '@';
	if (!is_end)
		return EDIT_NONE;
	edit->sequence[edit->sequence_len] = '\0';
	edit->is_sequence = false;
	for (uint32_t i = 0; i < ARRAY_SIZE(sequences); i++)
		if (!strcmp(edit->sequence, sequences[i].sequence))
			return press(edit, sequences[i].key);
	return EDIT_NONE;
}

enum edit_event edit_feed(struct edit *edit, uint8_t byte)
{
	char c = (char)byte;

	if (edit->is_sequence)
		return feed_sequence(edit, byte);
	if (byte >= ' ' && byte != DELETE) {
		edit_insert(edit, &c, 1);
		return EDIT_CHANGED;
	}
	switch (byte) {
	case ESC:
		edit->is_sequence = true;
		edit->sequence_len = 0;
		return EDIT_NONE;
	case '\r':
	case '\n':
		return EDIT_LINE;
	case '\t':
		return EDIT_TAB;
	case CTRL('C'):
		return EDIT_LEAVE;
	case CTRL('D'):
		return edit->len ? press(edit, byte) : EDIT_LEAVE;
	default:
		return press(edit, byte);
	}
}

/* --- showing -----------------------------------------------------------------------------------
 */

size_t edit_render(const struct edit *edit, const char *prompt, uint32_t columns, char *buf,
		   size_t size)
{
	uint32_t prompt_len = (uint32_t)strlen(prompt);
	uint32_t width = columns > prompt_len + 2 ? columns - prompt_len - 1 : 1;
	uint32_t from = edit->at > width ? edit->at - width : 0;
	uint32_t shown = MIN(edit->len - from, width), behind = from + shown - edit->at;
	int len = fmt_snprintf(buf, size, "%s%.*s", prompt, (int)shown, edit->line + from);

	if (behind && (size_t)len < size)
		len += fmt_snprintf(buf + len, size - (size_t)len, "\x1b[%uD", behind);
	return MIN((size_t)len, size - 1);
}
