/* Writes the frames of a dump (monitor/dump_format.h). Pure. */
#ifndef MONITOR_FRAME_H
#define MONITOR_FRAME_H

#include "monitor/dump_format.h"

/* Where a dump goes. */
struct dump_sink {
	/* Takes all of it; waits where it must, with a bound. */
	void (*write)(struct dump_sink *sink, const void *bytes, size_t len);
	/* The dump is complete: what is still under way is to be sent. NULL: nothing ever is. */
	void (*flush)(struct dump_sink *sink);
};

/* One dump on its way. */
struct frame_writer {
	struct dump_sink *sink;
	uint32_t frames; /* so far */
};

/* One frame: `head`, and behind it `tail`, which may be empty, are the payload. */
void frame_write(struct frame_writer *writer, enum dump_type type, const void *head,
		 size_t head_len, const void *tail, size_t tail_len);

#endif
