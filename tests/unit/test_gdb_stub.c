/* gdb's remote protocol, as gdb's manual describes it ('Packets', 'Stop Reply Packets', 'General
 * Query Packets'). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "gdb_rig.h"

static int setup(void **state)
{
	(void)state;
	rig_begin();
	rig_stop();
	return 0;
}

/* Sends this packet, and what comes back must be these bytes. */
static void assert_exchange(const char *data, const char *want)
{
	struct gdb_text text = {0};
	char frame[GDB_FRAME_MAX];

	gdb_put(&text, data);
	rig_clear();
	rig_feed(frame, gdb_frame(&text, frame));
	assert_string_equal(rig.sent, want);
}

/* The same for a reply's data, acknowledged and framed. */
static void assert_reply(const char *data, const char *reply)
{
	struct gdb_text text = {0};
	char frame[GDB_FRAME_MAX + 2] = "+";

	gdb_put(&text, reply);
	frame[1 + gdb_frame(&text, frame + 1)] = '\0';
	assert_exchange(data, frame);
}

/* --- frames --- */

/* '$packet-data#checksum'; 'the checksum is the modulo 256 sum of all characters between the
 * leading $ and the trailing #'; 'the receiver responds with + or -'. */
static void test_frames(void **state)
{
	(void)state;
	rig_feed("$?#3f", 5);
	assert_string_equal(rig.sent, "+$T05thread:2;#d8");
	rig_clear();
	rig_feed("$?#3e", 5);
	assert_string_equal(rig.sent, "-");
	rig_clear();
	rig_feed("$?#x", 4);
	assert_string_equal(rig.sent, "-");
	rig_clear();
	rig_feed("noise$m0,$?#3F", 14); /* one that was cut off; a digit in capitals */
	assert_string_equal(rig.sent, "+$T05thread:2;#d8");
	/* 'The last packet is to be sent again.' */
	rig_clear();
	rig_feed("-", 1);
	assert_string_equal(rig.sent, "$T05thread:2;#d8");
}

/* 'An empty response indicates that the packet is not supported.' */
static void test_unknown(void **state)
{
	(void)state;
	assert_reply("", "");
	assert_reply("!", "");
	assert_reply("vMustReplyEmpty", "");
	assert_reply("qTStatus", "");
	assert_reply("QNonStop:1", "");
	assert_reply("Z5,0,1", "");
}

static void test_without_acks(void **state)
{
	(void)state;
	assert_exchange("QStartNoAckMode", "+$OK#9a");
	assert_exchange("qC", "$QC2#c6");
	rig_clear();
	rig_feed("$qC#00", 6);
	assert_string_equal(rig.sent, "");
	/* A gdb that has just come expects them again. */
	assert_reply("qSupported:x",
		     "PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
		     "vContSupported+");
}

/* --- registers --- */

static void test_registers(void **state)
{
	(void)state;
	rig.regs[1].gpr[GPR_RAX] = 0x1122334455667788;
	rig.regs[1].rip = 0x100000;
	rig.regs[1].selector[SEG_CS] = 0x10;
	rig.regs[1].rflags = 0x246;
	assert_reply("p0", "8877665544332211");
	assert_reply("p10", "0000100000000000");
	assert_reply("p11", "46020000");
	assert_reply("p12", "10000000");
	assert_reply("p7f", "E01");
	assert_reply("p", "E01");
	assert_reply("P1=0100000000000000", "OK");
	assert_int_equal(rig.regs[1].gpr[GPR_RBX], 1);
	assert_reply("P1=01", "E01");
	assert_reply("P1", "E01");
	assert_reply("P12=18000000", "E16"); /* CS cannot be written, ... */
	assert_reply("P12=10000000", "OK");  /* ... but be what it is */
	assert_int_equal(rig.regs[1].gpr[GPR_RBX], 1);
	rig.is_refusing = true;
	assert_reply("P1=0200000000000000", "E16");
	assert_int_equal(rig.regs[1].gpr[GPR_RBX], 1);
	rig.is_refusing = false;
	assert_reply("Hg1", "OK");
	assert_reply("p0", "0000000000000000");
	assert_reply("Hg4", "E01");
	assert_reply("Hx1", "E01");
	assert_reply("Hg-1", "OK");
}

/* g and back by G: nothing has changed. */
static void test_all_registers(void **state)
{
	char packet[GDB_PACKET_MAX];
	struct debug_regs before;

	(void)state;
	for (unsigned i = 0; i < sizeof(rig.regs[1]); i++)
		((uint8_t *)&rig.regs[1])[i] = (uint8_t)(i * 7);
	before = rig.regs[1];
	assert_exchange("QStartNoAckMode", "+$OK#9a");
	rig_clear();
	rig_feed("$g#67", 5);
	assert_in_range(rig.sent_len, 1000, 2000);
	memcpy(packet, rig.sent, rig.sent_len);
	packet[0] = 'G';
	packet[rig.sent_len - 3] = '\0';
	assert_exchange(packet, "$OK#9a");
	assert_memory_equal(&rig.regs[1], &before, sizeof(before));
	packet[9] = 'z';
	assert_exchange(packet, "$E01#a6");
	assert_memory_equal(&rig.regs[1], &before, sizeof(before));
}

/* 'x87 FPU Tag Word' has two bits for each register, FXSAVE one. */
static void test_tag(void **state)
{
	(void)state;
	rig.regs[1].fxsave[4] = 0x81;
	assert_reply("p22", "fc3f0000");
}

/* --- memory --- */

static void test_memory(void **state)
{
	(void)state;
	memcpy(rig.memory + 0x10, "\x01\x23\x45", 3);
	assert_reply("m10,3", "012345");
	assert_reply("mfff,4", "00"); /* 'fewer than requested' */
	assert_reply("m1000,1", "E0e");
	assert_reply("mffffffffffffffff,1", "E0e");
	assert_reply("m10", "E01");
	assert_reply("m10,3x", "E01");
	assert_reply("m11111111111111111,1", "E01"); /* 68 bits */
	assert_reply("M20,2:abcd", "OK");
	assert_memory_equal(rig.memory + 0x20, "\xab\xcd", 2);
	assert_reply("M20,2:abc", "E01");
	assert_reply("M20,2:abcdef", "E01");
	assert_reply("M1000,2:abcd", "E0e");
	assert_reply("X30,0:", "OK");     /* how gdb asks whether there is X */
	assert_reply("X30,4:a#$}", "OK"); /* escaped by the rig's frame */
	assert_memory_equal(rig.memory + 0x30, "a#$}", 4);
	assert_reply("X30,5:a#$}", "E01");
	assert_reply("Mffffffff,ffffffff:00", "E01");
}

/* More than a packet holds comes as far as it does. */
static void test_much_memory(void **state)
{
	(void)state;
	rig_clear();
	rig_feed("$m0,1000#8a", 11);
	assert_int_equal(rig.sent_len, 1 + 1 + GDB_PACKET_MAX + 3);
}

/* --- threads --- */

static void test_threads(void **state)
{
	(void)state;
	assert_reply("qfThreadInfo", "m1,2,3");
	assert_reply("qsThreadInfo", "l");
	assert_reply("qThreadExtraInfo,3", "764350552032"); /* vCPU 2 */
	assert_reply("qThreadExtraInfo,4", "E01");
	assert_reply("qThreadExtraInfo,", "E01");
	assert_reply("T1", "OK");
	assert_reply("T0", "E01");
	assert_reply("T4", "E01");
	assert_reply("qC", "QC2");
	assert_reply("qAttached", "1");
}

static void test_continue(void **state)
{
	(void)state;
	assert_reply("vCont?", "vCont;c;C;s;S;r");
	assert_exchange("vCont;c", "+");
	assert_string_equal(rig.log, "ccc ");
	/* All-stop: while they run nothing can be looked at. */
	assert_reply("g", "E01");
	rig_clear();
	rig_stop();
	assert_string_equal(rig.sent, "$T05thread:2;#d8");
	/* 'The leftmost action with a matching thread-id is applied'; without one it stays. */
	assert_exchange("vCont;s:2;c", "+");
	assert_string_equal(rig.log, "csc ");
	rig_stop();
	assert_exchange("vCont;s:1", "+");
	assert_string_equal(rig.log, "s.. ");
	rig_stop();
	assert_exchange("vCont;S05:3;C02:1", "+");
	assert_string_equal(rig.log, "c.s ");
	rig_stop();
	assert_reply("vCont;s:9", "E01");
	assert_reply("vCont;x", "E01");
	assert_reply("vContx", "E01");
	assert_reply("vCont", "E01");
	assert_string_equal(rig.log, "");
	/* Without vCont. */
	assert_exchange("s", "+");
	assert_string_equal(rig.log, ".s. ");
	rig_stop();
	assert_reply("Hc-1", "OK");
	assert_exchange("c100", "+");
	assert_string_equal(rig.log, "ccc ");
	assert_int_equal(rig.regs[1].rip, 0x100);
	rig_stop();
	assert_reply("Hc1", "OK");
	assert_exchange("c", "+");
	assert_string_equal(rig.log, "c.. ");
	rig_stop();
	assert_reply("cx", "E01");
}

/* 'rSTART,END: step once, and then keep stepping as long as the thread stops at addresses between
 * START (inclusive) and END (exclusive)'. */
static void test_range(void **state)
{
	const struct gdb_stop breakpoint = {.signal = GDB_SIGNAL_TRAP,
					    .thread = 2,
					    .reason = {.kind = DEBUG_STOP_MEMORY_POINT}};

	(void)state;
	assert_exchange("vCont;r100,110:2;c", "+");
	assert_string_equal(rig.log, "csc ");
	rig_clear();
	rig.regs[1].rip = 0x100;
	rig_stop();
	rig.regs[1].rip = 0x10f;
	rig_stop();
	assert_string_equal(rig.log, "csc csc ");
	assert_string_equal(rig.sent, "");
	rig.regs[1].rip = 0x110;
	rig_stop();
	assert_string_equal(rig.sent, "$T05thread:2;#d8");
	/* Whatever else stops it ends the range. */
	rig.regs[1].rip = 0x108;
	assert_exchange("vCont;r100,110:2", "+");
	gdb_stopped(&rig.stub, &breakpoint);
	assert_string_equal(rig.sent, "+$T05thread:2;swbreak:;#3c");
	assert_exchange("vCont;r100,110:2", "+");
	rig_feed("\x03", 1);
	rig_stop();
	assert_string_equal(rig.sent, "+$T05thread:2;#d8");
	/* The next step is no range. */
	assert_exchange("vCont;s:2", "+");
	rig_stop();
	assert_string_equal(rig.sent, "+$T05thread:2;#d8");
	assert_reply("vCont;r100:2", "E01");
}

/* Why they stopped, for gdb's messages. */
static void test_reasons(void **state)
{
	static const struct {
		struct debug_stop reason;
		const char *text;
	} rows[] = {
		{{DEBUG_STOP_MEMORY_POINT, DEBUG_BREAK, 0}, "$T05thread:1;swbreak:;#3b"},
		{{DEBUG_STOP_HARDWARE_POINT, DEBUG_BREAK, 0}, "$T05thread:1;swbreak:;#3b"},
		{{DEBUG_STOP_HARDWARE_POINT, DEBUG_HARDWARE_BREAK, 0}, "$T05thread:1;hwbreak:;#30"},
		{{DEBUG_STOP_HARDWARE_POINT, DEBUG_WATCH_WRITE, 0x2000},
		 "$T05thread:1;watch:2000;#25"},
		{{DEBUG_STOP_HARDWARE_POINT, DEBUG_WATCH_READ, 0x2000},
		 "$T05thread:1;rwatch:2000;#97"},
		{{DEBUG_STOP_HARDWARE_POINT, DEBUG_WATCH_ACCESS, 0x2000},
		 "$T05thread:1;awatch:2000;#86"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct gdb_stop stop = {
			.signal = GDB_SIGNAL_TRAP, .thread = 1, .reason = rows[i].reason};

		assert_exchange("vCont;c", "+");
		rig_clear();
		gdb_stopped(&rig.stub, &stop);
		assert_string_equal(rig.sent, rows[i].text);
	}
}

/* Ctrl-C while they run; not while they do not. */
static void test_interrupt(void **state)
{
	const struct gdb_stop stop = {.signal = GDB_SIGNAL_INT, .thread = 1};

	(void)state;
	rig_feed("\x03", 1);
	assert_int_equal(rig.interrupts, 0);
	assert_exchange("vCont;c", "+");
	rig_feed("\x03", 1);
	assert_int_equal(rig.interrupts, 1);
	rig_clear();
	gdb_stopped(&rig.stub, &stop);
	assert_string_equal(rig.sent, "$T02thread:1;#d4");
	assert_reply("?", "T02thread:1;");
}

/* gdb comes to a machine that runs: it is stopped, and ? answered when it has. */
static void test_attach(void **state)
{
	(void)state;
	rig_begin();
	rig_feed("+", 1);
	assert_exchange("qSupported",
			"+$PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
			"vContSupported+#b7");
	assert_int_equal(rig.interrupts, 1);
	assert_exchange("?", "+");
	rig_clear();
	rig_stop();
	assert_string_equal(rig.sent, "$T05thread:2;#d8");
	/* It goes away without a word while they run, and another comes. */
	assert_exchange("vCont;c", "+");
	assert_true(rig.stub.is_reply_owed);
	rig_feed("$qSupported#37", 14);
	rig_clear();
	rig_stop();
	assert_string_equal(rig.sent, "");
	assert_reply("?", "T05thread:2;");
}

static void test_end(void **state)
{
	(void)state;
	assert_exchange("vCont;c", "+");
	rig_clear();
	gdb_ended(&rig.stub, 1);
	assert_string_equal(rig.sent, "$W01#b8");
	assert_reply("?", "W01");
	assert_reply("g", "E01");
	rig_stop();
	assert_reply("vCont;c", "");
	assert_exchange("k", "+");
	assert_string_equal(rig.log, "");
}

static void test_leave(void **state)
{
	(void)state;
	assert_reply("D", "OK");
	assert_string_equal(rig.log, "detach ");
	assert_true(rig.stub.is_running);
	rig_stop();
	assert_exchange("k", "+");
	assert_string_equal(rig.log, "kill ");
	rig_stop();
	assert_reply("vKill;1", "OK");
	assert_string_equal(rig.log, "kill ");
}

/* --- points --- */

static void test_points(void **state)
{
	(void)state;
	assert_reply("Z0,1000,1", "OK");
	assert_string_equal(rig.log, "Z0,1000,1 ");
	assert_reply("Z2,2000,8", "OK");
	assert_string_equal(rig.log, "Z2,2000,8 ");
	assert_reply("z4,2000,4", "OK");
	assert_string_equal(rig.log, "z4,2000,4 ");
	assert_reply("Z0,1000", "E01");
	assert_reply("Z0,1000,1;X1,0", "E01");
	rig.point_error = -EINVAL;
	assert_reply("Z2,2000,0", "E16");
	rig.point_error = -ENOSPC;
	assert_reply("Z1,1000,1", "E.Carousel: no debug register is left (the CPU has four)");
	rig.point_error = -ENOENT;
	assert_reply("z1,1000,1", "OK");
}

/* 'A gdb that has just come looks at what stands still': it is stopped when it runs, and only then.
 */
static void test_supported(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		rig.stub.is_running = i & 1;
		rig.stub.is_ended = i & 2;
		rig.interrupts = 0;
		rig_clear();
		rig_feed("$qSupported#37", 14);
		assert_int_equal(rig.interrupts, i == 1);
		assert_non_null(strstr(rig.sent, "PacketSize="));
		assert_non_null(strstr(rig.sent, "QStartNoAckMode+;qXfer:features:read+;swbreak+;"
						 "hwbreak+;vContSupported+"));
	}
}

/* Threads are 1 to RIG_THREADS; 0 is 'any', and -1 'all', which have no description. */
static void test_thread_info(void **state)
{
	(void)state;
	assert_reply("qThreadExtraInfo,0", "E01");
	assert_reply("qThreadExtraInfo,-1", "E01");
	assert_reply("qThreadExtraInfo,4", "E01");
	assert_reply("qThreadExtraInfo,", "E01");
	rig_clear();
	rig_feed("$qThreadExtraInfo,3#b8", 22);
	assert_null(strstr(rig.sent, "E01"));
}

/* --- the target description --- */

/* In pieces of any size it is the same; gdb needs the core feature. */
static void test_description(void **state)
{
	static char whole[16384], pieces[16384];
	struct gdb_text text = {0};
	uint64_t at = 0, len = 0;
	bool is_more;

	(void)state;
	do {
		text.len = 0;
		is_more = gdb_put_description(&text, len, 1000);
		memcpy(whole + len, text.data, text.len);
		len += text.len;
	} while (is_more);
	whole[len] = '\0';
	do {
		text.len = 0;
		is_more = gdb_put_description(&text, at, 17);
		assert_true(text.len == 17 || !is_more);
		memcpy(pieces + at, text.data, text.len);
		at += text.len;
	} while (is_more);
	pieces[at] = '\0';
	assert_string_equal(whole, pieces);
	assert_non_null(strstr(whole, "<feature name=\"org.gnu.gdb.i386.core\">"));
	assert_non_null(strstr(whole, "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/>"));
	assert_string_equal(whole + len - 9, "</target>");
	assert_reply("qXfer:features:read:target.xml:0,5", "m<?xml");
	assert_reply("qXfer:features:read:target.xml:ffff,5", "l");
	assert_reply("qXfer:features:read:target.xml:0", "E01");
	assert_reply("qXfer:features:read:other.xml:0,5", "");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames),      TEST(test_unknown),       TEST(test_without_acks),
		TEST(test_registers),   TEST(test_all_registers), TEST(test_tag),
		TEST(test_memory),      TEST(test_much_memory),   TEST(test_threads),
		TEST(test_continue),    TEST(test_range),         TEST(test_reasons),
		TEST(test_interrupt),   TEST(test_attach),        TEST(test_end),
		TEST(test_leave),       TEST(test_points),        TEST(test_description),
		TEST(test_thread_info), TEST(test_supported),
	};

	return cmocka_run_group_tests_name("gdb_stub", tests, NULL, NULL);
}
