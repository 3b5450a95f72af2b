/* The log: formatted lines, with a prefix that the house registers, into a ring and to every sink.
 * A sink that is added late gets the ring replayed. Not for interrupt handlers (the panic path has
 * log_panic_mode). Messages that a guest can cause go through log_limited. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdarg.h>

#include "lib/list.h"
#include "lib/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_sink {
	struct list node;
	/* Takes `len` bytes: one or more whole lines, '\n'-terminated. Called with the log's lock
	 * held, and without it in panic mode. */
	void (*write)(struct log_sink *sink, const char *text, size_t len);
	/* The same for a stream of bytes; NULL: it has no place for one. */
	void (*stream)(struct log_sink *sink, const char *bytes, size_t len);
};

/* Formats one line (a missing '\n' is added), with the prefix, if `level` is enabled. What is not
 * printable ASCII becomes '?' (lib/visible.h). */
void log_printf(enum log_level level, const char *fmt, ...) __printf_like(2, 3);
void log_vprintf(enum log_level level, const char *fmt, va_list args) __printf_like(2, 0);

#define log_error(...) log_printf(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_printf(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_printf(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_printf(LOG_DEBUG, __VA_ARGS__)

/* Writes text as it is, without a prefix: a guest's console line, a table. */
void log_raw(const char *text, size_t len);

/* Bytes that are no lines, a full-screen program's: for sinks that take a stream, not for the ring.
 */
void log_stream(const char *bytes, size_t len);

/* At most `burst` messages a place, then one 'further messages of this kind are counted only'. */
struct log_limit {
	uint32_t count; /* (a) */
};
bool log_limit_is_passed(struct log_limit *limit, uint32_t burst);
#define log_limited(limit, ...)                                                                    \
	do {                                                                                       \
		if (!log_limit_is_passed((limit), 8))                                              \
			log_printf(LOG_WARN, __VA_ARGS__);                                         \
	} while (0)

void log_add_sink(struct log_sink *sink);

/* How many bytes the slowest sink was ever given, and has got rid of; both wrap around. Equal while
 * no sink has been registered: nobody needs to wait. Any context, no lock. */
struct log_pace {
	uint32_t given, sent;
};
struct log_pace log_pace(void);

/* Where that sink counts. Once. */
void log_set_pace(const uint32_t *given, const uint32_t *sent);

void log_set_level(enum log_level level);
enum log_level log_level(void);

/* `prefix` writes at most `size` bytes and returns how many; NULL for none. */
void log_set_prefix(size_t (*prefix)(char *buf, size_t size));

/* From here on no lock is taken: one pCPU is left and speaks, in lines without prefixes and levels.
 */
void log_panic_mode(void);

#endif
