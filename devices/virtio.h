/* What all virtio devices share, whatever carries them: status, features, queues. The transport
 * (virtio_pci.h) sits above, the device types (virtio_blk.h, ...) below. 'Virtual I/O Device
 * (VIRTIO) Version 1.2', 'Basic Facilities of a Virtio Device'. Called with the VM's lock held. */
#ifndef DEVICES_VIRTIO_H
#define DEVICES_VIRTIO_H

#include "devices/platform.h"
#include "devices/virtqueue.h"

#define VIRTIO_QUEUES_MAX 2u

struct virtio_device;

/* A device type. */
struct virtio_ops {
	/* Serves a queue that the driver has notified of, or that was left over, until
	 * virtio_is_work_over: true when there is more. Queues that the driver has not enabled are
	 * not served. */
	bool (*serve)(struct virtio_device *dev, struct virtqueue *vq);
	/* The driver has reset the device: requests in progress are forgotten. May be NULL. */
	void (*reset)(struct virtio_device *dev);
};

/* What carries it. */
struct virtio_transport_ops {
	/* A queue's interrupt, or, with NULL, that of a configuration change. */
	void (*interrupt)(struct virtio_device *dev, const struct virtqueue *vq);
};

struct virtio_device {
	const struct virtio_ops *ops;                 /* (i) */
	const struct virtio_transport_ops *transport; /* (i) */
	void *carrier;                                /* (i) the transport's own */
	struct platform *platform;                    /* (i) */
	const char *name;                             /* (i) for messages */
	uint16_t type;                                /* (i) VIRTIO_ID_* */
	uint64_t offered;                             /* (i) features */
	uint32_t queue_count;                         /* (i) */
	const void *config; /* (i) the device-specific configuration, which the driver only reads */
	uint32_t config_len;
	uint8_t generation; /* of it */

	uint64_t accepted; /* features */
	uint8_t status;
	uint64_t work_end;          /* while queues are served: platform_work_end */
	uint32_t unserved;          /* by queue: there is more to do */
	struct platform_timer more; /* brings it back */
	struct virtqueue queue[VIRTIO_QUEUES_MAX];
	struct virtq_chain chain; /* the one in progress, for the device type */
};

/* Features that every device here offers. */
uint64_t virtio_common_features(void);

/* A device of cleared memory, whose type-specific fields (name, type, offered, config) are filled
 * in: with queues of so many entries each. */
void virtio_init(struct virtio_device *dev, struct platform *platform, const struct virtio_ops *ops,
		 uint32_t queue_count, uint16_t queue_size);

static inline bool virtio_has(const struct virtio_device *dev, unsigned feature)
{
	return dev->accepted & BIT_ULL(feature);
}

/* Asked by `serve` after each step. */
static inline bool virtio_is_work_over(const struct virtio_device *dev)
{
	return platform_is_work_over(dev->platform, dev->work_end);
}

/* Are features negotiated, has the driver set DRIVER_OK, and is the device not broken? */
bool virtio_is_live(const struct virtio_device *dev);

/* The driver writes the status; 0 resets. */
void virtio_set_status(struct virtio_device *dev, uint8_t status);

/* The driver notifies; or something has come that the queue's buffers are for. */
void virtio_notify(struct virtio_device *dev, uint32_t queue);

/* The driver did what no device can go on with: DEVICE_NEEDS_RESET and, once, a message. */
void virtio_fail(struct virtio_device *dev, const char *why);

#endif
