/* The frame of gdb's remote protocol: $DATA#CHECKSUM, acknowledgements, and Ctrl-C (gdb's manual,
 * 'Overview' of the remote protocol). Pure. */
#ifndef MONITOR_GDB_PACKET_H
#define MONITOR_GDB_PACKET_H

#include "lib/types.h"

/* The longest data of a packet, either way: what qSupported tells gdb. */
#define GDB_PACKET_MAX 4096u
/* The frame around it; data that must be escaped counts twice. */
#define GDB_FRAME_MAX  (2 * GDB_PACKET_MAX + 4)

enum gdb_event {
	GDB_NOTHING,
	GDB_PACKET,    /* `data`, `len`, terminated besides; escapes are resolved */
	GDB_BROKEN,    /* one with a wrong checksum, or too long: it is to be sent again */
	GDB_INTERRUPT, /* Ctrl-C between packets */
	GDB_ACK,
	GDB_NACK,
};

struct gdb_receiver {
	uint8_t state, sum, given_sum;
	bool is_escaped, is_too_long;
	uint32_t len;
	char data[GDB_PACKET_MAX + 1];
};

/* One byte more. A '$' inside a packet begins another; bytes between packets are ignored. */
enum gdb_event gdb_receive(struct gdb_receiver *in, uint8_t byte);

/* Data of a packet to be sent. What does not fit is left out, and is_cut says so. */
struct gdb_text {
	uint32_t len;
	bool is_cut;
	char data[GDB_PACKET_MAX];
};

void gdb_put(struct gdb_text *text, const char *string);
void gdb_put_bytes(struct gdb_text *text, const char *bytes, size_t len);
/* A number in hexadecimal, without leading zeros. */
void gdb_put_number(struct gdb_text *text, uint64_t value);
/* Bytes, each as two digits. */
void gdb_put_hex(struct gdb_text *text, const void *bytes, size_t len);

/* Puts the frame around it, '#', '$', '}' and '*' escaped. Its length. */
size_t gdb_frame(const struct gdb_text *text, char frame[GDB_FRAME_MAX]);

/* A packet's data on the way through it. What is missing or malformed makes is_bad true, once and
 * for all, and gives 0. */
struct gdb_cursor {
	const char *at, *end;
	bool is_bad;
};

static inline struct gdb_cursor gdb_cursor(const char *data, size_t len)
{
	return (struct gdb_cursor){.at = data, .end = data + len};
}

static inline bool gdb_is_at_end(const struct gdb_cursor *c)
{
	return c->at == c->end;
}

/* True, and past it, when this comes next. */
bool gdb_take(struct gdb_cursor *c, const char *string);
/* Like it, but it must come. */
void gdb_expect(struct gdb_cursor *c, const char *string);
/* A hexadecimal number of one digit or more, that fits in 64 bits. */
uint64_t gdb_number(struct gdb_cursor *c);
/* A thread: its number; -1 for all; 0 for any. */
int32_t gdb_thread(struct gdb_cursor *c);
/* `len` bytes of two digits each. */
void gdb_bytes(struct gdb_cursor *c, uint8_t *to, size_t len);

#endif
