/* The frames of a dump. */
#include "monitor/frame.h"

#include "cpu/panic.h"
#include "lib/crc32.h"

void frame_write(struct frame_writer *writer, enum dump_type type, const void *head,
		 size_t head_len, const void *tail, size_t tail_len)
{
	struct dump_frame frame = {
		.magic = DUMP_MAGIC,
		.version = DUMP_VERSION,
		.type = (uint16_t)type,
		.length = (uint32_t)(head_len + tail_len),
	};

	ASSERT(head_len + tail_len <= DUMP_LENGTH_MAX);
	frame.crc = crc32(0, &frame, offsetof(struct dump_frame, crc));
	frame.crc = crc32(crc32(frame.crc, head, head_len), tail, tail_len);
	writer->sink->write(writer->sink, &frame, sizeof(frame));
	writer->sink->write(writer->sink, head, head_len);
	writer->sink->write(writer->sink, tail, tail_len);
	writer->frames++;
}
