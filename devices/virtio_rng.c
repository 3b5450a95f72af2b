/* Virtio's entropy device: random bytes from the platform. */
#include <linux/virtio_ids.h>

#include "devices/virtio_rng.h"
#include "lib/string.h"

#define CLASS_OTHER 0x00ff00u
#define QUEUE_SIZE  64u
/* Of one request; 'it MAY use less random data than the buffer's length'. A CPU may take a
 * microsecond for each eight. */
#define BYTES_MAX   64u

static bool serve_one(struct virtio_device *dev, struct virtqueue *vq)
{
	uint8_t bytes[BYTES_MAX];
	uint64_t len;

	if (!virtqueue_pop(vq, &dev->chain))
		return false;
	/* 'The driver MUST NOT place driver-readable buffers into the queue': they are not read. */
	len = MIN(dev->chain.writable, (uint64_t)sizeof(bytes));
	dev->platform->ops->random(dev->platform->ctx, bytes, len);
	if (virtq_write(vq, &dev->chain, bytes, len) < 0)
		return false;
	virtqueue_push(vq, &dev->chain);
	return true;
}

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	do {
		if (!serve_one(dev, vq))
			return false;
	} while (!virtio_is_work_over(dev));
	return true;
}

static const struct virtio_ops ops = {.serve = serve};

int virtio_rng_add(struct virtio_rng *rng, struct platform *platform, struct pci_bus *bus,
		   uint32_t slot)
{
	memset(rng, 0, sizeof(*rng));
	rng->dev.name = "virtio-rng";
	rng->dev.type = VIRTIO_ID_RNG;
	rng->dev.offered = virtio_common_features();
	virtio_init(&rng->dev, platform, &ops, 1, QUEUE_SIZE);
	return virtio_pci_add(&rng->pci, bus, slot, &rng->dev, CLASS_OTHER);
}
