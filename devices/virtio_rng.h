/* Virtio's entropy device: 'Virtual I/O Device (VIRTIO) Version 1.2', 'Entropy Device'. */
#ifndef DEVICES_VIRTIO_RNG_H
#define DEVICES_VIRTIO_RNG_H

#include "devices/virtio_pci.h"

struct virtio_rng {
	struct virtio_device dev;
	struct virtio_pci pci;
};

/* Makes it and plugs it in. As pci_add. */
int __must_check virtio_rng_add(struct virtio_rng *rng, struct platform *platform,
				struct pci_bus *bus, uint32_t slot);

#endif
