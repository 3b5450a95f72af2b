/* Whatever comes over the line, the stub writes nothing beyond its buffers, asks the target nothing
 * while it runs, and goes on: random bytes, random packets with right checksums, and real ones with
 * bytes changed. Meant for the sanitizers. FUZZ=seconds SEED=n go on elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "fakes/guest_ram.h"
#include "gdb_rig.h"

#define ROUNDS 20000u

static const char *const real[] = {
	"qSupported:multiprocess+;swbreak+",
	"QStartNoAckMode",
	"?",
	"g",
	"p10",
	"P10=0011223344556677",
	"G00112233445566778899aabbccddeeff",
	"m100000,40",
	"M10,4:00112233",
	"X10,4:abcd",
	"Hg1",
	"Hc-1",
	"T2",
	"vCont?",
	"vCont;c",
	"vCont;s:1;c",
	"vCont;r100,200:2;c",
	"s",
	"c100",
	"Z0,1000,1",
	"z2,2000,8",
	"qfThreadInfo",
	"qThreadExtraInfo,2",
	"qXfer:features:read:target.xml:0,ffb",
	"qC",
	"D",
	"k",
	"vKill;1",
	"m0,ffffffff",
	"M0,ffffffffffffffff:",
	"Z2,ffffffffffffffff,ffffffffffffffff",
};

static void feed_frame(const char *data, size_t len)
{
	static char frame[GDB_FRAME_MAX];
	struct gdb_text text = {0};

	gdb_put_bytes(&text, data, len);
	rig_feed(frame, gdb_frame(&text, frame));
}

static void feed_changed(uint64_t *seed)
{
	char data[64];
	const char *from = real[fake_random(seed) % ARRAY_SIZE(real)];
	size_t len = MIN(strlen(from), sizeof(data));

	memcpy(data, from, len);
	for (uint64_t n = fake_random(seed) % 3; n; n--)
		data[fake_random(seed) % len] = (char)fake_random(seed);
	feed_frame(data, len - fake_random(seed) % (len + 1) * (fake_random(seed) % 4 == 0));
}

static void feed_random(uint64_t *seed, bool is_framed)
{
	static char data[3 * GDB_PACKET_MAX];
	size_t len = fake_random(seed) % (fake_random(seed) % 64 ? 40 : sizeof(data));

	for (size_t i = 0; i < len; i++)
		data[i] = (char)fake_random(seed);
	if (is_framed)
		feed_frame(data, len);
	else
		rig_feed(data, len);
}

static void round_of(uint64_t *seed)
{
	rig.is_refusing = fake_random(seed) % 8 == 0;
	rig.point_error = fake_random(seed) % 4 ? 0 : -ENOSPC;
	rig_clear();
	switch (fake_random(seed) % 4) {
	case 0:
		feed_random(seed, false);
		break;
	case 1:
		feed_random(seed, true);
		break;
	default:
		feed_changed(seed);
		break;
	}
	if (fake_random(seed) % 2)
		rig_stop();
	if (fake_random(seed) % 1000 == 0) {
		gdb_ended(&rig.stub, 0);
		rig_begin();
	}
}

static void test_fuzz(void **state)
{
	const char *seconds = getenv("FUZZ"), *from = getenv("SEED");
	uint64_t seed = from ? strtoull(from, NULL, 0) : 1;
	time_t end = time(NULL) + (seconds ? strtol(seconds, NULL, 10) : 0);

	(void)state;
	rig_begin();
	do {
		for (unsigned i = 0; i < ROUNDS; i++)
			round_of(&seed);
	} while (time(NULL) < end);
	/* It still serves. */
	rig_begin();
	rig_stop();
	rig_feed("$?#3f", 5);
	assert_string_equal(rig.sent, "+$T05thread:2;#d8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fuzz)};

	return cmocka_run_group_tests_name("gdb_fuzz", tests, NULL, NULL);
}
