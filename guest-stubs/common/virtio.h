/* A virtio driver over PCI: finds a device, sets it up, and has requests done, one at a time. */
#ifndef GUEST_STUBS_COMMON_VIRTIO_H
#define GUEST_STUBS_COMMON_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "guest-stubs/common/stub.h"

#define VIRTIO_RING_SIZE  8u
#define VIRTIO_QUEUES_MAX 2u

struct virtio_ring {
	struct vring_desc desc[VIRTIO_RING_SIZE] __aligned(16);
	struct {
		uint16_t flags, idx, ring[VIRTIO_RING_SIZE], used_event;
	} avail __aligned(2);
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[VIRTIO_RING_SIZE];
		uint16_t avail_event;
	} used __aligned(4);
	uint16_t seen; /* of the used ring */
};

struct virtio {
	uint32_t slot;
	volatile struct virtio_pci_common_cfg *common;
	volatile uint8_t *isr, *device, *notify;
	volatile uint32_t *msix; /* the table */
	uint32_t msix_cap, notify_multiplier;
	struct virtio_ring ring[VIRTIO_QUEUES_MAX];
};

/* A buffer of a request. */
struct virtio_buffer {
	const volatile void *at;
	uint32_t len;
	bool is_written; /* by the device */
};

/* The device of this type (VIRTIO_ID_*), the `nth` from 0: false when there is none. */
bool virtio_find(struct virtio *v, uint16_t type, unsigned nth);

/* Reads again where its structures are: a BAR has moved. */
void virtio_locate(struct virtio *v);

/* 'Device Initialization' with VERSION_1 and `features`; the interrupt of all queues is vector 0,
 * of the configuration vector 1, of the MSI-X table. False when the device refuses. */
bool virtio_start(struct virtio *v, uint64_t features, unsigned queues);
uint64_t virtio_features(struct virtio *v);

/* Fills vector `nth` of the MSI-X table: an interrupt to this CPU. */
void virtio_set_vector(struct virtio *v, unsigned nth, uint8_t vector, bool is_masked);
void virtio_enable_msix(struct virtio *v, bool is_enabled, bool is_masked);

/* Puts a chain of buffers on the queue and notifies. */
void virtio_send(struct virtio *v, unsigned queue, const struct virtio_buffer *buffers,
		 unsigned count);

/* Waits for a chain to come back: what was written of it; -1 when time is up. */
int64_t virtio_wait(struct virtio *v, unsigned queue);

/* Both. */
int64_t virtio_request(struct virtio *v, unsigned queue, const struct virtio_buffer *buffers,
		       unsigned count);

#endif
