/* Virtio's console: the transmit queue's bytes go to the VM's console, what is typed comes by the
 * receive queue. */
#include <linux/virtio_ids.h>

#include "devices/virtio_console.h"
#include "lib/string.h"

#define CLASS_COMMUNICATION 0x078000u
#define QUEUE_SIZE          64u
#define BYTES_MAX           1024u /* of one turn */
#define REQUESTS_MAX        64u   /* of one turn */

enum { RECEIVE, TRANSMIT, QUEUES };

/* Sends up to `max` bytes of the output in progress: how many. */
static unsigned send(struct virtio_console *console, struct virtqueue *vq, unsigned max)
{
	const struct platform *platform = console->dev.platform;
	struct virtq_chain *chain = &console->dev.chain;
	uint8_t bytes[128];
	unsigned sent = 0;

	while (chain->readable && sent < max) {
		int64_t n = virtq_read(vq, chain, bytes, MIN((unsigned)sizeof(bytes), max - sent));

		if (n < 0) {
			console->is_busy = false;
			return max;
		}
		for (int64_t i = 0; i < n; i++)
			platform->ops->console(platform->ctx, bytes[i]);
		sent += (unsigned)n;
	}
	if (!chain->readable) {
		console->is_busy = false;
		virtqueue_push(vq, chain);
	}
	return sent;
}

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	struct virtio_console *console = container_of(dev, struct virtio_console, dev);
	unsigned bytes = BYTES_MAX;

	/* Buffers for input: what waits for room may come. */
	if (vq->index == RECEIVE) {
		dev->platform->ops->console_room(dev->platform->ctx);
		return false;
	}
	for (unsigned i = 0; i < REQUESTS_MAX && bytes; i++) {
		if (!console->is_busy && !virtqueue_pop(vq, &dev->chain))
			return false;
		console->is_busy = true;
		bytes -= send(console, vq, bytes);
	}
	return true;
}

static void reset(struct virtio_device *dev)
{
	container_of(dev, struct virtio_console, dev)->is_busy = false;
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset};

int virtio_console_add(struct virtio_console *console, struct platform *platform,
		       struct pci_bus *bus, uint32_t slot)
{
	memset(console, 0, sizeof(*console));
	console->dev.name = "virtio-console";
	console->dev.type = VIRTIO_ID_CONSOLE;
	console->dev.offered = virtio_common_features();
	virtio_init(&console->dev, platform, &ops, QUEUES, QUEUE_SIZE);
	return virtio_pci_add(&console->pci, bus, slot, &console->dev, CLASS_COMMUNICATION);
}

bool virtio_console_is_open(const struct virtio_console *console)
{
	return virtio_is_live(&console->dev) && console->dev.queue[RECEIVE].is_enabled;
}

bool virtio_console_receive(struct virtio_console *console, uint8_t byte)
{
	struct virtqueue *vq = &console->dev.queue[RECEIVE];

	if (!virtqueue_pop(vq, &console->input))
		return false;
	if (virtq_write(vq, &console->input, &byte, 1) < 0)
		return false;
	virtqueue_push(vq, &console->input);
	/* A buffer without room takes nothing with it. */
	return console->input.written;
}
