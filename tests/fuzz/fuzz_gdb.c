/* gdb's packets: bytes as they are, packets whose frame and checksum are right, and stops, in any
 * order, to a stub whose target is a small memory and three threads. It writes nothing beyond its
 * buffers, sends whole packets only, and still answers at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "fuzz.h"

#include "gdb_rig.h"

static void feed_frame(const char *data, size_t len)
{
	static char frame[GDB_FRAME_MAX];
	struct gdb_text text = {0};

	gdb_put_bytes(&text, data, len);
	rig_feed(frame, gdb_frame(&text, frame));
}

/* 'Packets': $data#checksum, in which no # stands; else + and - only. */
static void check_sent(void)
{
	const char *at = rig.sent, *end = rig.sent + rig.sent_len;

	while (at < end) {
		uint8_t sum = 0;
		char text[3];

		if (*at == '+' || *at == '-') {
			at++;
			continue;
		}
		REQUIRE(*at++ == '$');
		while (at < end && *at != '#')
			sum = (uint8_t)(sum + (uint8_t)*at++);
		REQUIRE(end - at >= 3);
		snprintf(text, sizeof(text), "%02x", sum);
		REQUIRE(!memcmp(at + 1, text, 2));
		at += 3;
	}
}

static void one_step(struct input *in)
{
	uint8_t what = take8(in);
	size_t len = MIN((size_t)take8(in), in->left);

	rig.is_refusing = what & 0x40;
	rig.point_error = what & 0x80 ? -ENOSPC : 0;
	switch (what & 7) {
	case 0:
		rig_feed((const char *)in->at, len);
		break;
	case 1:
		rig_stop();
		len = 0;
		break;
	case 2:
		gdb_ended(&rig.stub, (int)len);
		rig_begin();
		len = 0;
		break;
	default:
		feed_frame((const char *)in->at, len);
		break;
	}
	in->at += len;
	in->left -= len;
	REQUIRE(rig.sent_len < sizeof(rig.sent) - 1);
	check_sent();
	rig_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	rig.target.threads = 0;
	rig_begin();
	for (unsigned i = 0; i < 64 && in.left; i++)
		one_step(&in);
	rig_begin();
	rig_stop();
	rig_feed("$?#3f", 5);
	REQUIRE(!strcmp(rig.sent, "+$T05thread:2;#d8"));
	return 0;
}
