/* Virtio devices: the status, features and queues that all types share. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "devices/virtio.h"
#include "lib/string.h"

/* Between two parts of a device's work. A part is done on a pCPU that may be another VM's by then,
 * so it must be small beside this: WORK_NS. */
#define PART_GAP_NS 500000ull

uint64_t virtio_common_features(void)
{
	return BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
	       BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
}

bool virtio_is_live(const struct virtio_device *dev)
{
	uint8_t ready = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

	return (dev->status & (ready | VIRTIO_CONFIG_S_NEEDS_RESET)) == ready;
}

static void reset(struct virtio_device *dev)
{
	platform_timer_cancel(dev->platform, &dev->more);
	dev->unserved = 0;
	dev->accepted = 0;
	dev->status = 0;
	for (uint32_t i = 0; i < dev->queue_count; i++)
		virtqueue_reset(&dev->queue[i]);
	if (dev->ops->reset)
		dev->ops->reset(dev);
}

/* 'If the device supports none or only a subset of the features that the driver accepted, it MUST
 * NOT set FEATURES_OK'; and a device without a legacy interface needs VERSION_1. */
static bool is_acceptable(const struct virtio_device *dev)
{
	return !(dev->accepted & ~dev->offered) && virtio_has(dev, VIRTIO_F_VERSION_1);
}

/* Serves these queues; what then is left comes with the timer. */
static void serve(struct virtio_device *dev, uint32_t todo)
{
	dev->work_end = platform_work_end(dev->platform);
	dev->unserved &= ~todo;
	for (uint32_t i = 0; i < dev->queue_count; i++)
		if ((todo & BIT(i)) && virtio_is_live(dev) && dev->queue[i].is_enabled &&
		    dev->ops->serve(dev, &dev->queue[i]))
			dev->unserved |= BIT(i);
	if (dev->unserved && virtio_is_live(dev) && !dev->more.is_armed)
		platform_timer_arm(dev->platform, &dev->more,
				   platform_now(dev->platform) +
					   ns_to_tsc(&dev->platform->tsc, PART_GAP_NS));
}

void virtio_set_status(struct virtio_device *dev, uint8_t status)
{
	bool was_live = virtio_is_live(dev);

	if (!status) {
		reset(dev);
		return;
	}
	/* 'The driver MUST NOT clear a device status bit'. */
	status |= dev->status;
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) && !is_acceptable(dev))
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status = status;
	/* 'The device MUST NOT consume buffers ... before DRIVER_OK': those that are there by now
	 * are looked at now. */
	if (virtio_is_live(dev) && !was_live)
		serve(dev, BIT(dev->queue_count) - 1);
}

static void more_expired(void *owner, uint64_t now)
{
	struct virtio_device *dev = owner;

	(void)now;
	serve(dev, dev->unserved);
}

void virtio_notify(struct virtio_device *dev, uint32_t queue)
{
	/* What is already waiting for its next part is not done sooner by being asked for; other
	 * queues do not wait for it. */
	if (queue < dev->queue_count && !(dev->unserved & BIT(queue)))
		serve(dev, BIT(queue));
}

void virtio_fail(struct virtio_device *dev, const char *why)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	dev->platform->ops->note(dev->platform->ctx, "%s: %s; the device needs a reset", dev->name,
				 why);
	/* 'If DRIVER_OK is set, after it sets DEVICE_NEEDS_RESET, the device MUST send a device
	 * configuration change notification'. */
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		dev->transport->interrupt(dev, NULL);
}

void virtio_init(struct virtio_device *dev, struct platform *platform, const struct virtio_ops *ops,
		 uint32_t queue_count, uint16_t queue_size)
{
	dev->platform = platform;
	dev->ops = ops;
	dev->queue_count = queue_count;
	platform_timer_init(&dev->more, TIMER_VM_WIDE, dev, more_expired);
	for (uint32_t i = 0; i < queue_count; i++) {
		dev->queue[i] = (struct virtqueue){
			.dev = dev, .index = (uint16_t)i, .size_max = queue_size};
		virtqueue_reset(&dev->queue[i]);
	}
}
