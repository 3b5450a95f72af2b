/* Virtio's network device, plugged into a port of a switch: 'Virtual I/O Device (VIRTIO) Version
 * 1.2', 'Network Device'. Checksums and segmentation are the driver's: no offload is offered. */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "devices/netswitch.h"
#include "devices/virtio_pci.h"

struct virtio_net {
	struct virtio_device dev;
	struct virtio_pci pci;
	struct virtio_net_config config; /* (i) */
	bool is_up;                      /* the port's link, as this has set it */
	struct platform_call arrived;    /* frames have come into the port's empty queue */
	struct netport port;
	uint8_t sent[NET_FRAME_MAX + 1]; /* the frame in progress; one byte more tells a long one */
};

/* Makes it of cleared memory, plugs it into the bus and, last, into the switch. As pci_add. */
int __must_check virtio_net_add(struct virtio_net *net, struct platform *platform,
				struct pci_bus *bus, uint32_t slot, struct netswitch *sw,
				const uint8_t mac[ETH_ALEN]);

#endif
