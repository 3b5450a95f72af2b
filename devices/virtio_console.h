/* Virtio's console with one port: 'Virtual I/O Device (VIRTIO) Version 1.2', 'Console Device'. */
#ifndef DEVICES_VIRTIO_CONSOLE_H
#define DEVICES_VIRTIO_CONSOLE_H

#include "devices/virtio_pci.h"

struct virtio_console {
	struct virtio_device dev; /* its chain: the output in progress */
	struct virtio_pci pci;
	bool is_busy;
	uint8_t output[64];   /* read from the chain, */
	uint32_t sent, taken; /* and so far of it */
	struct virtq_chain input;
};

/* Makes it and plugs it in. As pci_add. */
int __must_check virtio_console_add(struct virtio_console *console, struct platform *platform,
				    struct pci_bus *bus, uint32_t slot);

/* Has a driver opened it for input? */
bool virtio_console_is_open(const struct virtio_console *console);

/* There is input that the platform would give it (console_room): it is asked for now, and again
 * while it takes longer than one go. */
void virtio_console_input_waits(struct virtio_console *console);

/* A byte from outside. False when the driver has given no buffer for it: nothing happened. */
bool __must_check virtio_console_receive(struct virtio_console *console, uint8_t byte);

#endif
