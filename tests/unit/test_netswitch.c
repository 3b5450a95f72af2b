/* The switch between NICs. Rules from 'IEEE Standard for Local and metropolitan area networks:
 * Media Access Control (MAC) Bridges', 'Principles of Bridge Operation'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "devices/netswitch.h"
#include "lib/string.h"
#include "lib/tsc.h"

#define PORTS 4u
#define LEN   60u

static struct netswitch lan;
static struct netport port[PORTS];
static unsigned readies[PORTS];
static uint64_t now;

static const uint8_t broadcast[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void ready(void *owner)
{
	readies[(struct netport *)owner - port]++;
}

static int setup(void **state)
{
	(void)state;
	memset(port, 0, sizeof(port));
	memset(readies, 0, sizeof(readies));
	now = 1000;
	netswitch_init(&lan);
	for (uint32_t i = 0; i < PORTS; i++) {
		netport_join(&port[i], &lan, ready, &port[i]);
		netport_set_link(&port[i], true);
	}
	return 0;
}

/* Station n's address. */
static const uint8_t *station(uint32_t n)
{
	static uint8_t mac[2][ETH_ALEN];
	static unsigned turn;
	uint8_t *m = mac[turn++ % 2];

	memcpy(m, "\2\0\0\0\0\0", ETH_ALEN);
	m[4] = (uint8_t)(n >> 8);
	m[5] = (uint8_t)n;
	return m;
}

static void send_len(uint32_t from, const uint8_t *dest, const uint8_t *source, uint8_t payload,
		     uint32_t len)
{
	uint8_t frame[NET_FRAME_MAX + 1];

	memset(frame, payload, sizeof(frame));
	memcpy(frame, dest, ETH_ALEN);
	memcpy(frame + ETH_ALEN, source, ETH_ALEN);
	netport_send(&port[from], frame, len, now);
}

static void send(uint32_t from, const uint8_t *dest, const uint8_t *source, uint8_t payload)
{
	send_len(from, dest, source, payload, LEN);
}

/* The payload of the next frame at a port, -1 when there is none. */
static int take(uint32_t at)
{
	const struct netframe *frame = netport_peek(&port[at]);
	int payload;

	if (!frame)
		return -1;
	assert_int_equal(frame->len, LEN);
	for (uint32_t i = ETH_HLEN; i < LEN; i++)
		assert_int_equal(frame->data[i], frame->data[ETH_HLEN]);
	payload = frame->data[ETH_HLEN];
	netport_take(&port[at], true);
	return payload;
}

static void expect(int p0, int p1, int p2, int p3)
{
	assert_int_equal(take(0), p0);
	assert_int_equal(take(1), p1);
	assert_int_equal(take(2), p2);
	assert_int_equal(take(3), p3);
}

/* A group address goes to every port but the one that it came from. */
static void test_broadcast_and_multicast_are_flooded(void **state)
{
	(void)state;
	send(1, broadcast, station(1), 7);
	expect(7, -1, 7, 7);
	send(1, (const uint8_t *)"\x33\x33\0\0\0\1", station(1), 8);
	expect(8, -1, 8, 8);
}

/* 'The Learning Process': where a frame has come from, there goes the answer, and nowhere else. */
static void test_unicast_is_flooded_until_learned(void **state)
{
	(void)state;
	send(0, station(1), station(0), 1);
	expect(-1, 1, 1, 1);
	send(1, station(0), station(1), 2);
	expect(2, -1, -1, -1);
	send(0, station(1), station(0), 3);
	expect(-1, 3, -1, -1);
}

/* All zeroes are no station's address, and a link that is down takes nothing. */
static void test_zeroes_and_a_link_that_is_down(void **state)
{
	static const uint8_t zeroes[ETH_ALEN];

	(void)state;
	netport_set_link(&port[3], false);
	send(0, zeroes, zeroes, 1);
	expect(-1, 1, 1, -1);
	send(1, zeroes, zeroes, 2);
	expect(2, -1, 2, -1);
}

/* A frame for a station behind the port that it came from is not forwarded at all. */
static void test_nothing_goes_back(void **state)
{
	(void)state;
	send(0, broadcast, station(0), 1);
	send(0, broadcast, station(9), 1);
	expect(-1, 1, 1, 1);
	expect(-1, 1, 1, 1);
	send(0, station(9), station(0), 2);
	expect(-1, -1, -1, -1);
}

/* A station that moves is where it has last sent from. */
static void test_a_station_moves(void **state)
{
	(void)state;
	send(0, broadcast, station(5), 1);
	send(1, broadcast, station(5), 1);
	for (uint32_t i = 0; i < PORTS; i++)
		while (take(i) >= 0)
			;
	send(2, station(5), station(2), 2);
	expect(-1, 2, -1, -1);
}

/* 'Ageing Time': what was silent for so long is flooded again; each frame begins it anew. */
static void test_addresses_age(void **state)
{
	(void)state;
	send(0, broadcast, station(0), 1);
	expect(-1, 1, 1, 1);
	now += NET_AGEING_NS - 1;
	send(1, station(0), station(1), 2);
	expect(2, -1, -1, -1);
	now++;
	send(1, station(0), station(1), 3);
	expect(3, -1, 3, 3);
	send(0, station(1), station(0), 4);
	expect(-1, 4, -1, -1);
	/* A clock of another pCPU may lie behind. */
	now -= 10;
	send(1, station(0), station(1), 5);
	expect(5, -1, -1, -1);
}

/* A port that sends from many addresses forgets its own oldest one, and nobody else's. */
static void test_one_port_cannot_crowd_out_others(void **state)
{
	(void)state;
	send(0, broadcast, station(0), 1);
	expect(-1, 1, 1, 1);
	for (uint32_t i = 0; i < 1000; i++) {
		now++;
		send(1, station(0), station(100 + i), 2);
		expect(2, -1, -1, -1);
	}
	send(2, station(0), station(2), 3);
	expect(3, -1, -1, -1);
	send(0, station(1099), station(0), 4);
	expect(-1, 4, -1, -1);
	send(0, station(1100 - NETPORT_ADDRESSES), station(0), 5);
	expect(-1, 5, -1, -1);
	send(0, station(1099 - NETPORT_ADDRESSES), station(0), 6);
	expect(-1, 6, 6, 6);
}

/* Runts, frames that are too long, and such from a group address, are dropped and counted. */
static void test_malformed_frames_are_dropped(void **state)
{
	struct netport_counters c;

	(void)state;
	send_len(0, broadcast, station(0), 1, NET_FRAME_MIN - 1);
	send_len(0, broadcast, station(0), 1, 0);
	send_len(0, broadcast, station(0), 1, NET_FRAME_MAX + 1);
	send_len(0, broadcast, station(0), 1, UINT32_MAX);
	send(0, broadcast, broadcast, 1);
	netport_drop_sent(&port[0]);
	expect(-1, -1, -1, -1);
	netport_read_counters(&port[0], &c);
	assert_int_equal(c.tx_drops, 6);
	assert_int_equal(c.tx_frames, 0);
	send_len(0, broadcast, station(0), 1, NET_FRAME_MIN);
	assert_int_equal(netport_peek(&port[1])->len, NET_FRAME_MIN);
	netport_take(&port[1], true);
	send_len(0, broadcast, station(0), 1, NET_FRAME_MAX);
	assert_int_equal(netport_peek(&port[1])->len, NET_FRAME_MAX);
	netport_read_counters(&port[0], &c);
	assert_int_equal(c.tx_frames, 2);
	assert_int_equal(c.tx_bytes, NET_FRAME_MIN + NET_FRAME_MAX);
}

/* A full queue drops what comes, not what is there; the order stays, also past the ring's end; the
 * receiver is told of the first frame only. */
static void test_a_full_queue_drops(void **state)
{
	struct netport_counters c;

	(void)state;
	send(1, broadcast, station(1), 0);
	assert_int_equal(take(0), 0);
	readies[0] = 0;
	for (uint32_t i = 0; i < NETPORT_FRAMES + 3; i++)
		send(1, station(9), station(1), (uint8_t)(i + 1));
	assert_int_equal(readies[0], 1);
	for (uint32_t i = 0; i < NETPORT_FRAMES; i++)
		assert_int_equal(take(0), i + 1);
	assert_int_equal(take(0), -1);
	netport_read_counters(&port[0], &c);
	assert_int_equal(c.rx_drops, 3);
	assert_int_equal(c.rx_frames, NETPORT_FRAMES + 1);
	assert_int_equal(c.rx_bytes, (NETPORT_FRAMES + 1) * LEN);
	send(1, station(9), station(1), 5);
	assert_int_equal(readies[0], 2);
	netport_peek(&port[0]);
	netport_take(&port[0], false);
	netport_read_counters(&port[0], &c);
	assert_int_equal(c.rx_drops, 4);
	assert_int_equal(c.rx_frames, NETPORT_FRAMES + 1);
}

/* A link that is down gets nothing, keeps nothing, and its stations are unknown. */
static void test_a_link_goes_down(void **state)
{
	(void)state;
	send(0, broadcast, station(0), 1);
	expect(-1, 1, 1, 1);
	send(1, station(0), station(1), 2);
	netport_set_link(&port[0], false);
	assert_int_equal(take(0), -1);
	send(1, broadcast, station(1), 3);
	expect(-1, -1, 3, 3);
	netport_set_link(&port[0], true);
	send(1, station(0), station(1), 4);
	expect(4, -1, 4, 4);
}

/* A VM that has ended leaves its ports, whatever its devices still do. */
static void test_a_port_leaves(void **state)
{
	struct netport_counters c;

	(void)state;
	send(0, broadcast, station(0), 1);
	expect(-1, 1, 1, 1);
	send(1, station(0), station(1), 2);
	netport_leave(&port[0]);
	netport_leave(&port[0]);
	assert_int_equal(take(0), 2);
	send(1, station(0), station(1), 3);
	expect(-1, -1, 3, 3);
	netport_set_link(&port[0], true);
	send(1, broadcast, station(1), 4);
	expect(-1, -1, 4, 4);
	send(0, broadcast, station(0), 5);
	expect(-1, -1, -1, -1);
	netport_read_counters(&port[0], &c);
	assert_int_equal(c.tx_drops, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_broadcast_and_multicast_are_flooded),
		TEST(test_unicast_is_flooded_until_learned),
		TEST(test_zeroes_and_a_link_that_is_down),
		TEST(test_nothing_goes_back),
		TEST(test_a_station_moves),
		TEST(test_addresses_age),
		TEST(test_one_port_cannot_crowd_out_others),
		TEST(test_malformed_frames_are_dropped),
		TEST(test_a_full_queue_drops),
		TEST(test_a_link_goes_down),
		TEST(test_a_port_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
