/* Virtio's console: the transmit queue's bytes go to the VM's console, what is typed comes by the
 * receive queue. */
#include <linux/virtio_ids.h>

#include "devices/virtio_console.h"
#include "lib/string.h"

#define CLASS_COMMUNICATION 0x078000u
#define QUEUE_SIZE          64u

enum { RECEIVE, TRANSMIT, QUEUES };

/* The next byte of the output in progress, which is read ahead; its buffer goes back behind the
 * last. False when the console wants no more for now. */
static bool send_one(struct virtio_console *console, struct virtqueue *vq)
{
	const struct platform *platform = console->dev.platform;
	struct virtq_chain *chain = &console->dev.chain;
	bool may_go_on = true;

	if (console->sent == console->taken) {
		int64_t n = virtq_read(vq, chain, console->output, sizeof(console->output));

		console->sent = 0;
		console->taken = n > 0 ? (uint32_t)n : 0;
		if (n < 0)
			console->is_busy = false;
	}
	if (console->sent < console->taken)
		may_go_on = platform->ops->console(platform->ctx, console->output[console->sent++]);
	if (console->is_busy && console->sent == console->taken && !chain->readable) {
		console->is_busy = false;
		virtqueue_push(vq, chain);
	}
	return may_go_on;
}

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	struct virtio_console *console = container_of(dev, struct virtio_console, dev);

	/* Buffers for input: what waits for room may come. */
	if (vq->index == RECEIVE)
		return dev->platform->ops->console_room(dev->platform->ctx);
	do {
		if (!console->is_busy && !virtqueue_pop(vq, &dev->chain))
			return false;
		console->is_busy = true;
	} while (send_one(console, vq) && !virtio_is_work_over(dev));
	return true;
}

static void reset(struct virtio_device *dev)
{
	struct virtio_console *console = container_of(dev, struct virtio_console, dev);

	console->is_busy = false;
	console->sent = console->taken = 0;
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

void virtio_console_input_waits(struct virtio_console *console)
{
	virtio_notify(&console->dev, RECEIVE);
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
