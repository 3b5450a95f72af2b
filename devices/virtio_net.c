/* Virtio's network device: frames between the rings and the port. */
#include <linux/virtio_ids.h>

#include "devices/virtio_net.h"
#include "lib/string.h"

#define CLASS_ETHERNET 0x020000u
#define QUEUE_RX       0u
#define QUEUE_TX       1u
#define QUEUES         2u
#define QUEUE_SIZE     256u

static struct virtio_net *net_of(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_net, dev);
}

/* 'struct virtio_net_hdr ... num_buffers': always there without a legacy interface, and 1 without
 * VIRTIO_NET_F_MRG_RXBUF. */
static bool write_frame(struct virtqueue *vq, struct virtq_chain *chain,
			const struct netframe *frame)
{
	const struct virtio_net_hdr_v1 header = {.gso_type = VIRTIO_NET_HDR_GSO_NONE,
						 .num_buffers = 1};

	return virtq_write(vq, chain, &header, sizeof(header)) >= 0 &&
	       virtq_write(vq, chain, frame->data, frame->len) >= 0;
}

/* From the port to the driver, while there is a frame and a buffer. A frame without a buffer stays:
 * the driver notifies when it has one. One that the buffer has no room for is lost, and the buffer
 * comes back empty. */
static bool receive(struct virtio_net *net, struct virtqueue *vq)
{
	struct virtq_chain *chain = &net->dev.chain;

	do {
		const struct netframe *frame = netport_peek(&net->port);
		bool has_room;

		if (!frame || !virtqueue_pop(vq, chain))
			return false;
		has_room = chain->writable >= sizeof(struct virtio_net_hdr_v1) + frame->len;
		if (has_room && !write_frame(vq, chain, frame))
			return false;
		netport_take(&net->port, has_room);
		virtqueue_push(vq, chain);
	} while (!virtio_is_work_over(&net->dev));
	return netport_peek(&net->port);
}

/* 'The driver MUST NOT set VIRTIO_NET_HDR_F_NEEDS_CSUM' and a gso_type that were not negotiated:
 * such a frame is not complete, and nobody completes it here. */
static bool is_complete(const struct virtio_net_hdr_v1 *header)
{
	return !(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	       header->gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

static bool send_one(struct virtio_net *net, struct virtqueue *vq)
{
	const struct platform *p = net->dev.platform;
	struct virtq_chain *chain = &net->dev.chain;
	struct virtio_net_hdr_v1 header;
	int64_t header_len, len;

	if (!virtqueue_pop(vq, chain))
		return false;
	header_len = virtq_read(vq, chain, &header, sizeof(header));
	len = virtq_read(vq, chain, net->sent, sizeof(net->sent));
	if (header_len < 0 || len < 0)
		return false;
	if (header_len == sizeof(header) && is_complete(&header))
		netport_send(&net->port, net->sent, (uint32_t)len,
			     p->ops->wall_ns(p->ctx, platform_now(p)));
	else
		netport_drop_sent(&net->port);
	virtqueue_push(vq, chain);
	return true;
}

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	struct virtio_net *net = net_of(dev);

	/* The first look at the queues is when the driver sets DRIVER_OK. */
	if (!net->is_up) {
		net->is_up = true;
		netport_set_link(&net->port, true);
	}
	if (vq->index == QUEUE_RX)
		return receive(net, vq);
	do {
		if (!send_one(net, vq))
			return false;
	} while (!virtio_is_work_over(dev));
	return true;
}

static void reset(struct virtio_device *dev)
{
	struct virtio_net *net = net_of(dev);

	net->is_up = false;
	netport_set_link(&net->port, false);
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset};

/* The sender's side: this VM's lock is not held, and may not be taken. */
static void ready(void *owner)
{
	struct virtio_net *net = owner;
	const struct platform *p = net->dev.platform;

	p->ops->post(p->ctx, &net->arrived);
}

static void arrived(void *owner)
{
	struct virtio_net *net = owner;

	virtio_notify(&net->dev, QUEUE_RX);
}

int virtio_net_add(struct virtio_net *net, struct platform *platform, struct pci_bus *bus,
		   uint32_t slot, struct netswitch *sw, const uint8_t mac[ETH_ALEN])
{
	bool is_plugged;
	int ret;

	net->dev = (struct virtio_device){.name = "virtio-net"};
	net->dev.type = VIRTIO_ID_NET;
	net->dev.offered = virtio_common_features() | BIT_ULL(VIRTIO_NET_F_MAC) |
			   BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_NET_F_MTU);
	memcpy(net->config.mac, mac, ETH_ALEN);
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.mtu = ETH_DATA_LEN;
	net->dev.config = &net->config;
	net->dev.config_len = offsetof(struct virtio_net_config, mtu) + sizeof(net->config.mtu);
	/* Plugged in already, after a reset of its VM: the port stays, with what it has counted. */
	is_plugged = net->port.sw != NULL;
	if (is_plugged)
		netport_set_link(&net->port, false);
	else
		platform_call_init(&net->arrived, net, arrived);
	virtio_init(&net->dev, platform, &ops, QUEUES, QUEUE_SIZE);
	ret = virtio_pci_add(&net->pci, bus, slot, &net->dev, CLASS_ETHERNET);
	if (!ret && !is_plugged)
		netport_join(&net->port, sw, ready, net);
	return ret;
}
