/* A LAN with three ports: frames, receivers that take or refuse, links that go up and down, ports
 * that leave, time. Nothing comes back to its sender, goes to a port whose link is down, or is lost
 * without being counted. */
#include "devices/netswitch.h"
#include "fuzz.h"

#define PORTS 3u

static struct netswitch lan;
static struct netport port[PORTS];
static uint64_t copies; /* that came into queues */
static uint64_t gone;   /* taken, or emptied by links that went down */

static void ready(void *owner)
{
	REQUIRE((struct netport *)owner >= port && (struct netport *)owner < port + PORTS);
}

/* One of few stations, a group, or anything. */
static void take_mac(struct input *in, uint8_t *mac)
{
	uint8_t what = take8(in);

	memcpy(mac, "\2\0\0\0\0\0", ETH_ALEN);
	mac[5] = what & 0x3f;
	if (what >= 0xc0)
		memset(mac, 0xff, ETH_ALEN);
	else if (what >= 0x80)
		take_bytes(in, mac, ETH_ALEN);
}

static uint64_t waiting(void)
{
	return port[0].count + port[1].count + port[2].count;
}

static uint64_t drops(void)
{
	return port[0].counters.rx_drops + port[1].counters.rx_drops + port[2].counters.rx_drops;
}

static void send(struct input *in, unsigned from, uint64_t now)
{
	uint8_t frame[NET_FRAME_MAX + 16], len = take8(in);
	uint64_t before = waiting(), dropped = drops();

	memset(frame, (int)from, sizeof(frame));
	take_mac(in, frame);
	take_mac(in, frame + ETH_ALEN);
	frame[ETH_HLEN] = (uint8_t)from;
	netport_send(&port[from], frame, len < 250 ? len : NET_FRAME_MAX - 2u + len - 250u, now);
	copies += waiting() - before;
	REQUIRE(waiting() - before + drops() - dropped < PORTS);
}

static void receive(unsigned at, bool is_delivered)
{
	const struct netframe *frame = netport_peek(&port[at]);

	if (!frame)
		return;
	REQUIRE(port[at].is_up && frame->len >= ETH_HLEN && frame->len <= NET_FRAME_MAX);
	if (frame->len > ETH_HLEN)
		REQUIRE(frame->data[ETH_HLEN] != at);
	netport_take(&port[at], is_delivered);
	gone++;
}

static void set_link(unsigned at, bool is_up)
{
	uint32_t before = port[at].count;

	netport_set_link(&port[at], is_up);
	gone += before - port[at].count;
	REQUIRE(is_up || !netport_peek(&port[at]));
}

static void leave(unsigned at)
{
	uint32_t before = port[at].count;

	netport_leave(&port[at]);
	gone += before - port[at].count;
}

static void check(void)
{
	for (unsigned i = 0; i < PORTS; i++) {
		struct netport_counters c;

		netport_read_counters(&port[i], &c);
		REQUIRE(port[i].count <= NETPORT_FRAMES);
		REQUIRE(c.rx_bytes <= c.rx_frames * NET_FRAME_MAX &&
			c.tx_bytes <= c.tx_frames * NET_FRAME_MAX);
		for (unsigned k = 0; k < NETPORT_ADDRESSES; k++)
			REQUIRE(!(port[i].address[k].mac & 1)); /* a group is nobody's address */
	}
	REQUIRE(gone + waiting() == copies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint64_t now = 1000;

	copies = gone = 0;
	netswitch_init(&lan);
	for (unsigned i = 0; i < PORTS; i++) {
		memset(&port[i], 0, offsetof(struct netport, frame));
		netport_join(&port[i], &lan, ready, &port[i]);
		netport_set_link(&port[i], true);
	}
	for (unsigned n = 0; n < 200 && in.left; n++) {
		uint8_t what = take8(&in);
		unsigned at = what % PORTS;

		switch (what >> 5) {
		case 0:
			receive(at, what & 0x10);
			break;
		case 1:
			set_link(at, what & 0x10);
			break;
		case 2:
			now += (uint64_t)take16(&in) << (what & 0x18);
			break;
		case 3:
			if ((what & 0x1f) == 0x1f)
				leave(at);
			else
				netport_drop_sent(&port[at]);
			break;
		default:
			send(&in, at, now);
		}
		check();
	}
	return 0;
}
