/* Split virtqueues: 'Virtual I/O Device (VIRTIO) Version 1.2', 'Split Virtqueues', with indirect
 * descriptors and the event index. The rings are the guest's memory and untrusted: each index,
 * length and chain is bounded, and what is not right makes the device need a reset. */
#ifndef DEVICES_VIRTQUEUE_H
#define DEVICES_VIRTQUEUE_H

#include "lib/types.h"

/* The most entries of a ring, and so the most descriptors of a chain: 'A driver MUST NOT create a
 * descriptor chain longer than the Queue Size of the device'. A power of two. */
#define VIRTQUEUE_SIZE_MAX 256u

struct virtio_device;

struct virtqueue {
	struct virtio_device *dev; /* (i) */
	uint16_t index, size_max;  /* (i) */
	uint16_t size;             /* as the driver has set it */
	bool is_enabled;
	uint64_t desc, avail, used; /* guest-physical */
	uint16_t next_avail;        /* the next entry of the available ring */
	uint16_t next_used;         /* what the used ring's idx is */
	uint16_t signalled;         /* next_used at the last look at whether to interrupt */
	uint16_t vector;            /* the transport's */
};

struct virtq_segment {
	uint64_t addr;
	uint32_t len;
};

struct virtq_cursor {
	uint16_t segment;
	uint32_t offset;
};

/* A chain that the driver has made available, copied and checked: what the device reads first, then
 * what it writes. The cursors say how far it has come. */
struct virtq_chain {
	uint16_t head;
	uint16_t count, read_count;  /* segments in all, and how many of them are to be read */
	uint64_t readable, writable; /* bytes that are left */
	struct virtq_cursor reader, writer;
	uint64_t written; /* bytes */
	struct virtq_segment segment[VIRTQUEUE_SIZE_MAX];
};

/* As after a reset. */
void virtqueue_reset(struct virtqueue *vq);

/* The driver enables it: 'desc', 'avail' and 'used' stand. False when they cannot be a ring's. */
bool virtqueue_enable(struct virtqueue *vq);

/* Takes the next chain that is available. False: there is none, and the driver will notify of the
 * next; or the ring is broken and the device needs a reset. */
bool virtqueue_pop(struct virtqueue *vq, struct virtq_chain *chain);

/* Gives it back with what the device has written of it, and tells the driver when it wants to
 * know. A device that needs a reset gives nothing back. */
void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain);

/* Takes the next `len` readable bytes, or gives so many to the writable part: how many there were.
 * -EFAULT when a segment is not the guest's RAM; the device needs a reset then. */
int64_t virtq_read(struct virtqueue *vq, struct virtq_chain *chain, void *to, uint64_t len);
int64_t virtq_write(struct virtqueue *vq, struct virtq_chain *chain, const void *from,
		    uint64_t len);

/* Moves the writer's cursor on without writing. */
void virtq_skip_write(struct virtq_chain *chain, uint64_t len);

#endif
