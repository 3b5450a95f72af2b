/* The prompt on the console (Ctrl-A m): a line that is edited below all others. All under
 * monitor_lock. */
#ifndef MONITOR_PROMPT_H
#define MONITOR_PROMPT_H

#include "lib/types.h"
#include "monitor/session.h"

bool prompt_is_open(void);

/* Says how to go on; a raw console is in lines until prompt_close. */
void prompt_open(struct out *out);
void prompt_close(void);

/* Takes it off the screen, and no more: the machine ends. */
void prompt_end(void);

/* A byte that is typed. True when a line is complete: it has been shown as entered, and the prompt
 * is away until prompt_next. Completion's candidates go to `out`. */
bool prompt_type(struct out *out, uint8_t byte);

/* That line. */
const char *prompt_line(void);

/* The line's command is over: a new one. */
void prompt_next(void);

/* Shows the line as it is now, if the prompt is open and not away. */
void prompt_show(void);

/* Has an ESC been typed, and nothing since? Then, after a while, it was meant. */
bool prompt_is_escape_pending(void);

#endif
