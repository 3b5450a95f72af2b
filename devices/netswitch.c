/* The switch: learning, forwarding, the ports' queues. */
#include "devices/netswitch.h"
#include "lib/string.h"
#include "lib/tsc.h"

#define GROUP_BIT 1u /* of an address's first byte: multicast or broadcast */

void netswitch_init(struct netswitch *sw)
{
	*sw = (struct netswitch){.lock = SPINLOCK_INIT(LOCK_SWITCH)};
	list_init(&sw->ports);
}

void netport_join(struct netport *port, struct netswitch *sw, void (*ready)(void *owner),
		  void *owner)
{
	port->sw = sw;
	port->ready = ready;
	port->owner = owner;
	spin_lock(&sw->lock);
	list_push_back(&sw->ports, &port->node);
	port->is_plugged = true;
	spin_unlock(&sw->lock);
}

static void forget_addresses(struct netport *port)
{
	memset(port->address, 0, sizeof(port->address));
}

/* The queue stays: the receiver may be looking at it. */
void netport_leave(struct netport *port)
{
	spin_lock(&port->sw->lock);
	if (port->is_plugged)
		list_remove(&port->node);
	port->is_plugged = false;
	forget_addresses(port);
	spin_unlock(&port->sw->lock);
}

void netport_set_link(struct netport *port, bool is_up)
{
	spin_lock(&port->sw->lock);
	port->is_up = is_up;
	if (!is_up) {
		port->count = 0;
		forget_addresses(port);
	}
	spin_unlock(&port->sw->lock);
}

static uint64_t key_of(const uint8_t mac[ETH_ALEN])
{
	uint64_t key = 0;

	memcpy(&key, mac, ETH_ALEN);
	return key;
}

static bool is_fresh(const struct netaddress *a, uint64_t now)
{
	/* Another pCPU's clock may be a little ahead. */
	return now < a->seen || now - a->seen < NET_AGEING_NS;
}

static struct netaddress *find_address(struct netport *port, uint64_t mac)
{
	for (uint32_t i = 0; i < NETPORT_ADDRESSES; i++)
		if (port->address[i].mac == mac)
			return &port->address[i];
	return NULL;
}

/* Where a new address goes: a free place, else that of the one that was silent for longest. Each
 * port has places of its own, so that nobody can crowd out what the others are known by. */
static struct netaddress *place_for_address(struct netport *port)
{
	struct netaddress *oldest = &port->address[0];

	for (uint32_t i = 0; i < NETPORT_ADDRESSES; i++) {
		struct netaddress *a = &port->address[i];

		if (!a->mac)
			return a;
		if (a->seen < oldest->seen)
			oldest = a;
	}
	return oldest;
}

/* 'The Learning Process': the address is behind this port now, wherever it was before. */
static void learn(struct netport *port, uint64_t mac, uint64_t now)
{
	struct netaddress *a = find_address(port, mac), *elsewhere;
	struct netport *other;

	if (!a) {
		list_for_each_entry (other, &port->sw->ports, node)
			if (other != port && (elsewhere = find_address(other, mac)))
				elsewhere->mac = 0;
		a = place_for_address(port);
		a->mac = mac;
	}
	a->seen = now;
}

/* The port behind which a station is, NULL while that is not known. */
static struct netport *port_of(struct netswitch *sw, uint64_t mac, uint64_t now)
{
	const struct netaddress *a;
	struct netport *port;

	list_for_each_entry (port, &sw->ports, node)
		if ((a = find_address(port, mac)) && is_fresh(a, now))
			return port;
	return NULL;
}

static void enqueue(struct netport *port, const void *data, uint32_t len)
{
	struct netframe *frame;

	if (!port->is_up)
		return;
	if (port->count == NETPORT_FRAMES) {
		port->counters.rx_drops++;
		return;
	}
	frame = &port->frame[(port->head + port->count++) % NETPORT_FRAMES];
	frame->len = (uint16_t)len;
	memcpy(frame->data, data, len);
	/* With more than one the receiver has been told, and not come to the end. */
	if (port->count == 1)
		port->ready(port->owner);
}

static void flood(const struct netport *from, const void *data, uint32_t len)
{
	struct netport *to;

	list_for_each_entry (to, &from->sw->ports, node)
		if (to != from)
			enqueue(to, data, len);
}

/* 'The Forwarding Process': never back to the port that it came from. */
static void forward(struct netport *from, const uint8_t *data, uint32_t len, uint64_t now)
{
	const struct ethhdr *header = (const struct ethhdr *)data;
	uint64_t source = key_of(header->h_source), dest = key_of(header->h_dest);
	struct netport *to = NULL;

	if (source)
		learn(from, source, now);
	if (dest && !(header->h_dest[0] & GROUP_BIT))
		to = port_of(from->sw, dest, now);
	if (!to)
		flood(from, data, len);
	else if (to != from)
		enqueue(to, data, len);
}

void netport_send(struct netport *port, const void *frame, uint32_t len, uint64_t now)
{
	const struct ethhdr *header = frame;

	spin_lock(&port->sw->lock);
	if (!port->is_plugged || len < NET_FRAME_MIN || len > NET_FRAME_MAX ||
	    (header->h_source[0] & GROUP_BIT)) {
		port->counters.tx_drops++;
	} else {
		port->counters.tx_frames++;
		port->counters.tx_bytes += len;
		forward(port, frame, len, now);
	}
	spin_unlock(&port->sw->lock);
}

void netport_drop_sent(struct netport *port)
{
	spin_lock(&port->sw->lock);
	port->counters.tx_drops++;
	spin_unlock(&port->sw->lock);
}

const struct netframe *netport_peek(struct netport *port)
{
	const struct netframe *frame;

	spin_lock(&port->sw->lock);
	frame = port->count ? &port->frame[port->head] : NULL;
	spin_unlock(&port->sw->lock);
	return frame;
}

void netport_take(struct netport *port, bool is_delivered)
{
	spin_lock(&port->sw->lock);
	if (is_delivered) {
		port->counters.rx_frames++;
		port->counters.rx_bytes += port->frame[port->head].len;
	} else {
		port->counters.rx_drops++;
	}
	port->head = (port->head + 1) % NETPORT_FRAMES;
	port->count--;
	spin_unlock(&port->sw->lock);
}

void netport_read_counters(struct netport *port, struct netport_counters *counters)
{
	spin_lock(&port->sw->lock);
	*counters = port->counters;
	spin_unlock(&port->sw->lock);
}
