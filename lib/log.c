/* The log: every text goes into a ring and to all sinks; a sink that comes late is given the ring.
 */
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "lib/visible.h"

#define LOG_RING_SIZE KIB(64)
#define LOG_LINE_MAX  512u

static struct {
	struct spinlock lock; /* ring, written, sinks; not taken in panic mode */
	char ring[LOG_RING_SIZE];
	uint64_t written; /* bytes that ever went into the ring */
	struct list sinks;
	uint32_t level;                           /* (a) enum log_level */
	bool is_panic;                            /* (a) */
	size_t (*prefix)(char *buf, size_t size); /* (a) */
	const uint32_t *given, *sent;             /* (a) the slowest sink's; NULL: there is none */
} the_log = {
	.lock = SPINLOCK_INIT(LOCK_LOG),
	.sinks = LIST_INIT(the_log.sinks),
	.level = LOG_INFO,
};

static const char *const level_words[] = {
	[LOG_ERROR] = "error: ",
	[LOG_WARN] = "warning: ",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "",
};

/* True when the lock was taken: the answer says whether to release it, since panic mode may begin
 * in between. */
static bool log_lock(void)
{
	if (__atomic_load_n(&the_log.is_panic, __ATOMIC_RELAXED))
		return false;
	spin_lock(&the_log.lock);
	return true;
}

static void log_unlock(bool was_locked)
{
	if (was_locked)
		spin_unlock(&the_log.lock);
}

static void ring_write(const char *text, size_t len)
{
	/* Of more than a ringful only the end would stay. */
	if (len > LOG_RING_SIZE) {
		the_log.written += len - LOG_RING_SIZE;
		text += len - LOG_RING_SIZE;
		len = LOG_RING_SIZE;
	}
	while (len) {
		uint64_t at = the_log.written % LOG_RING_SIZE;
		size_t part = MIN(len, LOG_RING_SIZE - at);

		memcpy(the_log.ring + at, text, part);
		the_log.written += part;
		text += part;
		len -= part;
	}
}

/* Gives the ring's whole lines to a sink. A line that wraps around the ring's end is put together
 * in a buffer; one that is longer than that goes out in pieces. */
static void ring_replay(struct log_sink *sink)
{
	uint64_t from = the_log.written > LOG_RING_SIZE ? the_log.written - LOG_RING_SIZE : 0;
	bool is_cut = from > 0; /* the first line has lost its beginning */
	char line[LOG_LINE_MAX];
	size_t len = 0;

	for (; from < the_log.written; from++) {
		char c = the_log.ring[from % LOG_RING_SIZE];

		if (!is_cut)
			line[len++] = c;
		if (c == '\n')
			is_cut = false;
		if (len == sizeof(line) || (len && c == '\n')) {
			sink->write(sink, line, len);
			len = 0;
		}
	}
	if (len)
		sink->write(sink, line, len);
}

void log_raw(const char *text, size_t len)
{
	struct log_sink *sink;
	bool was_locked;

	if (!len)
		return;
	was_locked = log_lock();
	ring_write(text, len);
	list_for_each_entry (sink, &the_log.sinks, node)
		sink->write(sink, text, len);
	log_unlock(was_locked);
}

void log_stream(const char *bytes, size_t len)
{
	struct log_sink *sink;
	bool was_locked = log_lock();

	list_for_each_entry (sink, &the_log.sinks, node)
		if (sink->stream)
			sink->stream(sink, bytes, len);
	log_unlock(was_locked);
}

void log_vprintf(enum log_level level, const char *fmt, va_list args)
{
	size_t (*prefix)(char *buf, size_t size) =
		__atomic_load_n(&the_log.prefix, __ATOMIC_RELAXED);
	bool is_panic = __atomic_load_n(&the_log.is_panic, __ATOMIC_RELAXED);
	const size_t max = LOG_LINE_MAX - 1;
	char line[LOG_LINE_MAX + 1];
	size_t len = 0, need;

	if (!is_panic && (uint32_t)level > __atomic_load_n(&the_log.level, __ATOMIC_RELAXED))
		return;
	if (prefix && !is_panic)
		len = MIN(prefix(line, max / 2), max / 2);
	if (!is_panic)
		len += (size_t)fmt_snprintf(line + len, max - len, "%s", level_words[level]);
	need = len + (size_t)fmt_vsnprintf(line + len, max - len + 1, fmt, args);
	len = MIN(need, max);
	if (need > max)
		memcpy(line + max - 3, "...", 3); /* the line was cut */
	/* Names and texts in it may be a guest's; a '\n' among them would begin a line. */
	if (len && line[len - 1] == '\n')
		len--;
	visible_plain(line, len);
	line[len++] = '\n';
	log_raw(line, len);
}

void log_printf(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vprintf(level, fmt, args);
	va_end(args);
}

bool log_limit_is_passed(struct log_limit *limit, uint32_t burst)
{
	uint32_t count = __atomic_load_n(&limit->count, __ATOMIC_RELAXED);

	/* Saturates, so that a patient guest does not get a second burst. */
	do {
		if (count == UINT32_MAX)
			return true;
	} while (!__atomic_compare_exchange_n(&limit->count, &count, count + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	if (count == burst)
		log_warn("further messages of this kind are counted only");
	return count >= burst;
}

void log_add_sink(struct log_sink *sink)
{
	bool was_locked = log_lock();

	ring_replay(sink);
	list_push_back(&the_log.sinks, &sink->node);
	log_unlock(was_locked);
}

void log_set_pace(const uint32_t *given, const uint32_t *sent)
{
	the_log.given = given;
	__atomic_store_n(&the_log.sent, sent, __ATOMIC_RELEASE);
}

struct log_pace log_pace(void)
{
	const uint32_t *sent = __atomic_load_n(&the_log.sent, __ATOMIC_ACQUIRE);
	struct log_pace pace = {0};

	if (sent) {
		/* In this order: what was sent was given before. */
		pace.sent = __atomic_load_n(sent, __ATOMIC_ACQUIRE);
		pace.given = __atomic_load_n(the_log.given, __ATOMIC_RELAXED);
	}
	return pace;
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&the_log.level, (uint32_t)level, __ATOMIC_RELAXED);
}

enum log_level log_level(void)
{
	return (enum log_level)__atomic_load_n(&the_log.level, __ATOMIC_RELAXED);
}

void log_set_prefix(size_t (*prefix)(char *buf, size_t size))
{
	__atomic_store_n(&the_log.prefix, prefix, __ATOMIC_RELAXED);
}

void log_panic_mode(void)
{
	__atomic_store_n(&the_log.is_panic, true, __ATOMIC_RELAXED);
}
