/* Virtio's block device over a piece of memory: 'Virtual I/O Device (VIRTIO) Version 1.2', 'Block
 * Device'. Requests are done at once, in the memory. */
#ifndef DEVICES_VIRTIO_BLK_H
#define DEVICES_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "devices/virtio_pci.h"

struct virtio_blk_disk {
	uint8_t *data;
	uint64_t size; /* bytes, a multiple of 512, not 0 */
	bool is_read_only;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
};

struct virtio_blk {
	struct virtio_device dev;
	struct virtio_pci pci;
	struct virtio_blk_disk disk;     /* (i) */
	struct virtio_blk_config config; /* (i) */
	/* The request in progress, in dev.chain. */
	bool is_busy;
	uint32_t type;     /* VIRTIO_BLK_T_* */
	uint64_t at, left; /* bytes of the disk */
};

/* Makes it and plugs it in. As pci_add. */
int __must_check virtio_blk_add(struct virtio_blk *blk, struct platform *platform,
				struct pci_bus *bus, uint32_t slot,
				const struct virtio_blk_disk *disk);

#endif
