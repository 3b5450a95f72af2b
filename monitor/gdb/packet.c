/* Frames of gdb's remote protocol, and the words inside them. */
#include "monitor/gdb/packet.h"

#include "lib/string.h"

#define INTERRUPT  0x03
#define ESCAPE     '}'
#define ESCAPE_XOR 0x20
#define NO_DIGIT   0xff

enum { BETWEEN, IN_DATA, FIRST_DIGIT, SECOND_DIGIT };

static uint8_t digit(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (uint8_t)(c - 'A' + 10);
	return NO_DIGIT;
}

/* --- in -----------------------------------------------------------------------------------------
 */

static void begin(struct gdb_receiver *in)
{
	in->state = IN_DATA;
	in->sum = 0;
	in->len = 0;
	in->is_escaped = false;
	in->is_too_long = false;
}

static enum gdb_event receive_between(struct gdb_receiver *in, uint8_t byte)
{
	switch (byte) {
	case '$':
		begin(in);
		return GDB_NOTHING;
	case '+':
		return GDB_ACK;
	case '-':
		return GDB_NACK;
	case INTERRUPT:
		return GDB_INTERRUPT;
	default:
		return GDB_NOTHING;
	}
}

static void receive_data(struct gdb_receiver *in, uint8_t byte)
{
	if (byte == '$') {
		begin(in);
		return;
	}
	if (byte == '#') {
		in->state = FIRST_DIGIT;
		return;
	}
	in->sum = (uint8_t)(in->sum + byte);
	if (byte == ESCAPE && !in->is_escaped) {
		in->is_escaped = true;
		return;
	}
	if (in->is_escaped)
		byte ^= ESCAPE_XOR;
	in->is_escaped = false;
	if (in->len < GDB_PACKET_MAX)
		in->data[in->len++] = (char)byte;
	else
		in->is_too_long = true;
}

enum gdb_event gdb_receive(struct gdb_receiver *in, uint8_t byte)
{
	uint8_t value = digit((char)byte);

	switch (in->state) {
	case IN_DATA:
		receive_data(in, byte);
		return GDB_NOTHING;
	case FIRST_DIGIT:
		in->state = value == NO_DIGIT ? BETWEEN : SECOND_DIGIT;
		in->given_sum = (uint8_t)(value << 4);
		return value == NO_DIGIT ? GDB_BROKEN : GDB_NOTHING;
	case SECOND_DIGIT:
		in->state = BETWEEN;
		in->data[in->len] = '\0';
		if (value == NO_DIGIT || (in->given_sum | value) != in->sum || in->is_too_long)
			return GDB_BROKEN;
		return GDB_PACKET;
	default:
		return receive_between(in, byte);
	}
}

/* --- out ----------------------------------------------------------------------------------------
 */

void gdb_put_bytes(struct gdb_text *text, const char *bytes, size_t len)
{
	size_t room = sizeof(text->data) - text->len;

	if (len > room) {
		text->is_cut = true;
		len = room;
	}
	memcpy(text->data + text->len, bytes, len);
	text->len += (uint32_t)len;
}

void gdb_put(struct gdb_text *text, const char *string)
{
	gdb_put_bytes(text, string, strlen(string));
}

void gdb_put_hex(struct gdb_text *text, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = ((const uint8_t *)bytes)[i];
		const char pair[2] = {digits[byte >> 4], digits[byte & 0xf]};

		gdb_put_bytes(text, pair, sizeof(pair));
	}
}

void gdb_put_number(struct gdb_text *text, uint64_t value)
{
	static const char digits[] = "0123456789abcdef";
	char number[16];
	unsigned at = sizeof(number);

	do
		number[--at] = digits[value & 0xf];
	while (value >>= 4);
	gdb_put_bytes(text, number + at, sizeof(number) - at);
}

size_t gdb_frame(const struct gdb_text *text, char frame[GDB_FRAME_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = 0;
	uint8_t sum = 0;

	frame[len++] = '$';
	for (uint32_t i = 0; i < text->len; i++) {
		char c = text->data[i];

		if (c == '#' || c == '$' || c == ESCAPE || c == '*') {
			frame[len++] = ESCAPE;
			sum = (uint8_t)(sum + ESCAPE);
			c ^= ESCAPE_XOR;
		}
		frame[len++] = c;
		sum = (uint8_t)(sum + (uint8_t)c);
	}
	frame[len++] = '#';
	frame[len++] = digits[sum >> 4];
	frame[len++] = digits[sum & 0xf];
	return len;
}

/* --- words --------------------------------------------------------------------------------------
 */

bool gdb_take(struct gdb_cursor *c, const char *string)
{
	size_t len = strlen(string);

	if (c->is_bad || (size_t)(c->end - c->at) < len || memcmp(c->at, string, len) != 0)
		return false;
	c->at += len;
	return true;
}

void gdb_expect(struct gdb_cursor *c, const char *string)
{
	if (!gdb_take(c, string))
		c->is_bad = true;
}

uint64_t gdb_number(struct gdb_cursor *c)
{
	const char *start = c->at;
	uint64_t value = 0;

	while (c->at < c->end && digit(*c->at) != NO_DIGIT) {
		if (value >> 60)
			c->is_bad = true;
		value = value << 4 | digit(*c->at++);
	}
	if (c->at == start)
		c->is_bad = true;
	return c->is_bad ? 0 : value;
}

int32_t gdb_thread(struct gdb_cursor *c)
{
	uint64_t number;

	if (gdb_take(c, "-1"))
		return -1;
	number = gdb_number(c);
	if (number > INT32_MAX)
		c->is_bad = true;
	return c->is_bad ? 0 : (int32_t)number;
}

void gdb_bytes(struct gdb_cursor *c, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len && !c->is_bad; i++) {
		uint8_t high = c->end - c->at >= 2 ? digit(c->at[0]) : NO_DIGIT;
		uint8_t low = c->end - c->at >= 2 ? digit(c->at[1]) : NO_DIGIT;

		if (high == NO_DIGIT || low == NO_DIGIT) {
			c->is_bad = true;
			return;
		}
		to[i] = (uint8_t)(high << 4 | low);
		c->at += 2;
	}
}
