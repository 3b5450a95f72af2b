/* A log sink that remembers. */
#include <string.h>

#include "fakes/log.h"

static char record[FAKE_LOG_MAX];
static size_t length;
static char stream[FAKE_LOG_MAX];
static size_t stream_length;

static void record_write(struct log_sink *sink, const char *text, size_t len)
{
	(void)sink;
	len = MIN(len, sizeof(record) - 1 - length);
	memcpy(record + length, text, len);
	length += len;
	record[length] = '\0';
}

static void record_stream(struct log_sink *sink, const char *bytes, size_t len)
{
	(void)sink;
	len = MIN(len, sizeof(stream) - 1 - stream_length);
	memcpy(stream + stream_length, bytes, len);
	stream_length += len;
	stream[stream_length] = '\0';
}

void fake_log_clear(void)
{
	static struct log_sink sink = {.write = record_write, .stream = record_stream};

	if (!sink.node.next)
		log_add_sink(&sink);
	length = 0;
	record[0] = '\0';
	stream_length = 0;
	stream[0] = '\0';
}

const char *fake_log_stream(void)
{
	return stream;
}

size_t fake_log_stream_len(void)
{
	return stream_length;
}

const char *fake_log_text(void)
{
	return record;
}

unsigned fake_log_count(const char *text)
{
	unsigned n = 0;

	for (const char *at = record; (at = strstr(at, text)); at++)
		n++;
	return n;
}
