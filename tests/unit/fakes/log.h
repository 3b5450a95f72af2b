/* The log as the unit tests see it: what was logged since the last look. */
#ifndef FAKES_LOG_H
#define FAKES_LOG_H

#include "lib/log.h"

#define FAKE_LOG_MAX 16384u

/* Starts (at the first call) and empties the record. What was logged before the first call is in it
 * only until this returns. */
void fake_log_clear(void);

/* The record, terminated; its end is lost when there is more than FAKE_LOG_MAX - 1. */
const char *fake_log_text(void);

/* The bytes of streams since then; terminated. */
const char *fake_log_stream(void);
size_t fake_log_stream_len(void);

/* How often `text` stands in the record. */
unsigned fake_log_count(const char *text);

#endif
