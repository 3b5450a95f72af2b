/* Virtio's network device. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Network Device'.
 */
#include "virtio_rig.h"

#include "devices/virtio_net.h"

#define RX     0u
#define TX     1u
#define HEADER sizeof(struct virtio_net_hdr_v1)
#define LEN    60u
#define TX_AT  (BUFFERS + 0x20000u)

static struct virtio_net net;
static struct netswitch lan;
static struct netport peer; /* another VM's port */
static unsigned peer_readies;
static const uint8_t mac[ETH_ALEN] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

static void peer_ready(void *owner)
{
	(void)owner;
	peer_readies++;
}

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	memset(&net, 0, sizeof(net));
	memset(&peer, 0, sizeof(peer));
	peer_readies = 0;
	netswitch_init(&lan);
	netport_join(&peer, &lan, peer_ready, NULL);
	netport_set_link(&peer, true);
	assert_int_equal(virtio_net_add(&net, &rig.fake.platform, &pci_rig.pci, SLOT, &lan, mac),
			 0);
	drv_find();
	return 0;
}

/* Buffer i of the receive queue. */
static uint32_t rx_buffer(uint16_t i)
{
	return BUFFERS + i * 2048u;
}

static void give_rx(uint16_t i, uint32_t len)
{
	set_desc(RX, i, rx_buffer(i), len, VRING_DESC_F_WRITE, 0);
	make_available(RX, i);
}

static void frame_to(uint8_t *frame, const uint8_t *dest, uint8_t payload)
{
	memset(frame, payload, LEN);
	memcpy(frame, dest, ETH_ALEN);
	memcpy(frame + ETH_ALEN, "\2\0\0\0\0\x99", ETH_ALEN);
}

static void peer_sends(uint8_t payload)
{
	uint8_t frame[LEN];

	frame_to(frame, mac, payload);
	netport_send(&peer, frame, LEN, 1);
}

/* What is behind the port's queue gets its turn. */
static void run(void)
{
	fake_platform_run_calls(&rig.fake);
	fake_platform_run_until(&rig.fake, rig.fake.now + 1000000);
}

static struct netport_counters counters(void)
{
	struct netport_counters c;

	netport_read_counters(&net.port, &c);
	return c;
}

/* 'VIRTIO_NET_F_MAC', 'VIRTIO_NET_F_STATUS', 'VIRTIO_NET_F_MTU', and no offloads. */
static void test_configuration(void **state)
{
	(void)state;
	assert_int_equal(drv_offered(), virtio_common_features() | BIT_ULL(VIRTIO_NET_F_MAC) |
						BIT_ULL(VIRTIO_NET_F_STATUS) |
						BIT_ULL(VIRTIO_NET_F_MTU));
	for (unsigned i = 0; i < ETH_ALEN; i++)
		assert_int_equal(mem_in(drv.device + i, 1), mac[i]);
	assert_int_equal(mem_in(drv.device + offsetof(struct virtio_net_config, status), 2),
			 VIRTIO_NET_S_LINK_UP);
	assert_int_equal(mem_in(drv.device + offsetof(struct virtio_net_config, mtu), 2), 1500);
}

/* 'num_buffers ... is set to 1 if VIRTIO_NET_F_MRG_RXBUF was not negotiated'; the rest is 0. */
static void test_receives(void **state)
{
	static const uint8_t header[HEADER] = {[10] = 1};
	uint8_t frame[LEN];

	(void)state;
	drv_start(0, 2);
	for (uint16_t i = 0; i < 3; i++)
		give_rx(i, 1526);
	notify(RX);
	assert_int_equal(take_used(RX, 0), -1);
	peer_sends(1);
	peer_sends(2);
	assert_int_equal(take_used(RX, 0), -1); /* not in the sender's context */
	run();
	for (uint8_t i = 0; i < 2; i++) {
		frame_to(frame, mac, (uint8_t)(i + 1));
		assert_int_equal(take_used(RX, i), HEADER + LEN);
		assert_memory_equal(rig.fake.ram + rx_buffer(i), header, HEADER);
		assert_memory_equal(rig.fake.ram + rx_buffer(i) + HEADER, frame, LEN);
	}
	assert_int_equal(take_used(RX, 2), -1);
	assert_true(pci_rig.wire[SLOT % PCI_LINES].level);
	assert_int_equal(counters().rx_frames, 2);
	assert_int_equal(counters().rx_bytes, 2 * LEN);
}

/* Without buffers the frames wait; the driver's notification of new ones brings them. */
static void test_waits_for_buffers(void **state)
{
	(void)state;
	drv_start(BIT_ULL(VIRTIO_RING_F_EVENT_IDX), 2);
	peer_sends(1);
	peer_sends(2);
	run();
	give_rx(0, 1526);
	notify(RX);
	assert_int_equal(take_used(RX, 0), HEADER + LEN);
	give_rx(1, 1526);
	notify(RX);
	assert_int_equal(take_used(RX, 1), HEADER + LEN);
	assert_int_equal(counters().rx_drops, 0);
}

/* With no buffers for long, frames are dropped, and counted. */
static void test_drops_without_buffers(void **state)
{
	(void)state;
	drv_start(0, 2);
	for (unsigned i = 0; i < NETPORT_FRAMES + 5; i++)
		peer_sends(1);
	run();
	assert_int_equal(counters().rx_drops, 5);
}

/* Buffers that are too small for the frame: it is lost, and the driver gets the buffer back. */
static void test_small_buffers(void **state)
{
	(void)state;
	drv_start(0, 2);
	give_rx(0, HEADER + LEN - 1);
	give_rx(1, HEADER + LEN);
	peer_sends(1);
	peer_sends(2);
	run();
	assert_int_equal(take_used(RX, 0), 0);
	assert_int_equal(take_used(RX, 1), HEADER + LEN);
	assert_int_equal(rig.fake.ram[rx_buffer(1) + HEADER + ETH_HLEN], 2);
	assert_int_equal(counters().rx_drops, 1);
	assert_false(needs_reset());
}

/* A buffer that is not RAM: the device needs a reset, and then works again. */
static void test_bad_buffer(void **state)
{
	(void)state;
	drv_start(0, 2);
	set_desc(RX, 0, FAKE_RAM_SIZE - 20, 2000, VRING_DESC_F_WRITE, 0);
	make_available(RX, 0);
	peer_sends(1);
	run();
	assert_true(needs_reset());
	peer_sends(2);
	run();
	drv_start(0, 2);
	give_rx(0, 1526);
	notify(RX);
	assert_int_equal(take_used(RX, 0), -1); /* what was there before is gone */
	peer_sends(3);
	run();
	assert_int_equal(take_used(RX, 0), HEADER + LEN);
	assert_int_equal(rig.fake.ram[rx_buffer(0) + HEADER + ETH_HLEN], 3);
}

/* Before DRIVER_OK the link is down. */
static void test_no_driver_no_link(void **state)
{
	(void)state;
	peer_sends(1);
	assert_null(rig.fake.calls);
	assert_int_equal(counters().rx_drops, 0);
	drv_start(0, 2);
	peer_sends(2);
	give_rx(0, 1526);
	run();
	assert_int_equal(take_used(RX, 0), HEADER + LEN);
	assert_int_equal(rig.fake.ram[rx_buffer(0) + HEADER + ETH_HLEN], 2);
}

/* A frame of `len` bytes behind a header, in two descriptors that are split at `split`. */
static void send(const struct virtio_net_hdr_v1 *header, uint8_t payload, uint32_t len,
		 uint32_t split)
{
	uint8_t *at = rig.fake.ram + TX_AT;

	memset(at, payload, HEADER + len);
	memcpy(at, header, HEADER);
	memset(at + HEADER, 0xff, ETH_ALEN);
	memcpy(at + HEADER + ETH_ALEN, mac, ETH_ALEN);
	set_desc(TX, 0, TX_AT, split, VRING_DESC_F_NEXT, 1);
	set_desc(TX, 1, TX_AT + split, (uint32_t)HEADER + len - split, 0, 0);
	make_available(TX, 0);
	notify(TX);
	assert_int_equal(take_used(TX, 0), 0);
}

/* 'Message Framing': 'the device MUST NOT make assumptions about the particular arrangement of
 * descriptors'. */
static void test_sends(void **state)
{
	const struct virtio_net_hdr_v1 header = {0};

	(void)state;
	drv_start(0, 2);
	for (uint32_t split = 1; split < HEADER + LEN; split += 5) {
		const struct netframe *frame;

		send(&header, (uint8_t)split, LEN, split);
		frame = netport_peek(&peer);
		assert_non_null(frame);
		assert_int_equal(frame->len, LEN);
		assert_memory_equal(frame->data, rig.fake.ram + TX_AT + HEADER, LEN);
		netport_take(&peer, true);
	}
	send(&header, 1, NET_FRAME_MAX, HEADER);
	assert_int_equal(netport_peek(&peer)->len, NET_FRAME_MAX);
	assert_int_equal(counters().tx_drops, 0);
}

/* Too short, too long, cut in the header; or with an offload that was not negotiated. */
static void test_bad_frames_are_dropped(void **state)
{
	const struct virtio_net_hdr_v1 header = {0}, csum = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM},
				       gso = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4};

	(void)state;
	drv_start(0, 2);
	send(&header, 1, NET_FRAME_MIN - 1, HEADER);
	send(&header, 1, NET_FRAME_MAX + 1, HEADER);
	send(&header, 1, 60000, HEADER);
	send(&csum, 1, LEN, HEADER);
	send(&gso, 1, LEN, HEADER);
	set_desc(TX, 0, TX_AT, HEADER - 1, 0, 0);
	make_available(TX, 0);
	notify(TX);
	assert_int_equal(take_used(TX, 0), 0);
	assert_null(netport_peek(&peer));
	assert_int_equal(counters().tx_drops, 6);
	assert_false(needs_reset());
}

/* One notification is worth WORK_NS; the rest comes with a timer. What arrives meanwhile does not
 * wait for that. */
static void test_sending_is_bounded(void **state)
{
	const uint16_t ring = 128;
	uint16_t first;

	(void)state;
	drv_start(0, 2);
	SET(device_status, 0);
	drv_accept(BIT_ULL(VIRTIO_F_VERSION_1));
	SET(device_status, ALL_OK);
	drv_set_queue(RX, RING_SIZE);
	drv_set_queue(TX, ring);
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	memset(rig.fake.ram + TX_AT, 0, HEADER + LEN);
	set_desc(TX, 0, TX_AT, HEADER + LEN, 0, 0);
	for (uint16_t i = 0; i < ring; i++)
		avail_of(TX)->ring[i] = 0;
	avail_of(TX)->idx = ring;
	rig.fake.look_ticks = WORK_NS / 100;
	notify(TX);
	first = used_of(TX)->idx;
	assert_in_range(first, 1, 100);
	notify(TX);
	assert_int_equal(used_of(TX)->idx, first);
	give_rx(0, 1526);
	peer_sends(1);
	fake_platform_run_calls(&rig.fake);
	assert_int_equal(take_used(RX, 0), HEADER + LEN);
	assert_int_equal(used_of(TX)->idx, first);
	run();
	assert_in_range(used_of(TX)->idx, first + 1, ring);
	run();
	run();
	assert_int_equal(used_of(TX)->idx, ring);
}

/* So is what is received at once: the rest of a full queue comes with a timer. */
static void test_receiving_is_bounded(void **state)
{
	(void)state;
	drv_start(0, 2);
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		give_rx(i, 1526);
		peer_sends((uint8_t)i);
	}
	rig.fake.look_ticks = WORK_NS / 4;
	fake_platform_run_calls(&rig.fake);
	assert_in_range(used_of(RX)->idx, 1, 4);
	for (unsigned i = 0; used_of(RX)->idx < RING_SIZE; i++) {
		assert_in_range(i, 0, RING_SIZE);
		run();
	}
}

/* Chains of random shapes, some of them outside RAM, on both queues while frames come: whatever is
 * in them, each frame that is sent is counted once, and what arrives is no longer than a frame. */
static void test_random_chains(void **state)
{
	uint32_t random = 5, sent = 0, received = 0;

	(void)state;
	drv_start(0, 2);
	for (unsigned round = 0; round < 20000; round++) {
		const struct netframe *frame;

		for (uint32_t q = RX; q <= TX; q++) {
			for (uint16_t i = 0; i < RING_SIZE; i++) {
				random = random * 1664525 + 1013904223;
				set_desc(q, i,
					 random >> 24 ? BUFFERS + (random >> 16) % 0x8000 : random,
					 (random >> 8) % (random & 1 ? 40 : 1600),
					 (uint16_t)((q == RX && random >> 29 ? VRING_DESC_F_WRITE
									     : 0) |
						    (i % 4 < 3 ? VRING_DESC_F_NEXT : 0)),
					 (uint16_t)((i + 1) % RING_SIZE));
			}
			make_available(q, random >> 28 & 12);
		}
		peer_sends((uint8_t)round);
		notify(RX);
		notify(TX);
		run();
		while ((frame = netport_peek(&peer))) {
			assert_in_range(frame->len, NET_FRAME_MIN, NET_FRAME_MAX);
			netport_take(&peer, true);
		}
		sent += (uint16_t)(used_of(TX)->idx - drv.used_idx[TX]);
		received += (uint16_t)(used_of(RX)->idx - drv.used_idx[RX]);
		drv.used_idx[TX] = used_of(TX)->idx;
		drv.used_idx[RX] = used_of(RX)->idx;
		if (needs_reset())
			drv_start(0, 2);
	}
	assert_int_equal(counters().tx_frames + counters().tx_drops, sent);
	assert_in_range(counters().tx_frames, 500, 20000);
	assert_in_range(counters().rx_frames, 500, received);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_configuration),          TEST(test_receives),
		TEST(test_waits_for_buffers),      TEST(test_drops_without_buffers),
		TEST(test_small_buffers),          TEST(test_bad_buffer),
		TEST(test_no_driver_no_link),      TEST(test_sends),
		TEST(test_bad_frames_are_dropped), TEST(test_sending_is_bounded),
		TEST(test_receiving_is_bounded),   TEST(test_random_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
