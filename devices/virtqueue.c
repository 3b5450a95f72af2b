/* Split virtqueues: taking chains from the available ring and giving them back by the used ring. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "devices/virtio.h"
#include "lib/errno.h"

#define CHAIN_BYTES_MAX GIB(4)

static const struct platform *platform_of(const struct virtqueue *vq)
{
	return vq->dev->platform;
}

static bool read_guest(struct virtqueue *vq, uint64_t at, void *to, size_t len)
{
	const struct platform *p = platform_of(vq);

	if (!p->ops->gmem_read(p->ctx, GPA(at), to, len))
		return true;
	virtio_fail(vq->dev, "a ring or descriptor table lies outside RAM");
	return false;
}

/* A field that the running guest's other vCPUs write or read meanwhile: one access. */
static uint16_t *shared_u16(struct virtqueue *vq, uint64_t at)
{
	const struct platform *p = platform_of(vq);
	uint16_t *word = p->ops->gmem_ptr(p->ctx, GPA(at), sizeof(*word));

	if (!word)
		virtio_fail(vq->dev, "a ring lies outside RAM");
	return word;
}

static bool load_u16(struct virtqueue *vq, uint64_t at, uint16_t *value)
{
	const uint16_t *word = shared_u16(vq, at);

	if (word)
		*value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	return word;
}

static bool store_u16(struct virtqueue *vq, uint64_t at, uint16_t value)
{
	uint16_t *word = shared_u16(vq, at);

	if (word)
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	return word;
}

static uint64_t used_element(const struct virtqueue *vq, uint16_t place)
{
	return vq->used + offsetof(struct vring_used, ring) +
	       (uint64_t)place * sizeof(struct vring_used_elem);
}

static uint64_t avail_element(const struct virtqueue *vq, uint16_t place)
{
	return vq->avail + offsetof(struct vring_avail, ring) + (uint64_t)place * sizeof(uint16_t);
}

void virtqueue_reset(struct virtqueue *vq)
{
	*vq = (struct virtqueue){.dev = vq->dev,
				 .index = vq->index,
				 .size_max = vq->size_max,
				 .size = vq->size_max,
				 .vector = UINT16_MAX};
}

bool virtqueue_enable(struct virtqueue *vq)
{
	if (!IS_ALIGNED(vq->desc, (uint64_t)VRING_DESC_ALIGN_SIZE) ||
	    !IS_ALIGNED(vq->avail, (uint64_t)VRING_AVAIL_ALIGN_SIZE) ||
	    !IS_ALIGNED(vq->used, (uint64_t)VRING_USED_ALIGN_SIZE))
		return false;
	vq->is_enabled = true;
	return true;
}

/* How many chains are available; with none, the driver is asked to notify of the next one, and its
 * answer to that is looked at, too. */
static bool count_available(struct virtqueue *vq, uint16_t *count)
{
	uint64_t idx_at = vq->avail + offsetof(struct vring_avail, idx);
	uint16_t idx;

	if (!load_u16(vq, idx_at, &idx))
		return false;
	if (idx == vq->next_avail && virtio_has(vq->dev, VIRTIO_RING_F_EVENT_IDX)) {
		/* avail_event stands behind the used ring. */
		if (!store_u16(vq, used_element(vq, vq->size), vq->next_avail))
			return false;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!load_u16(vq, idx_at, &idx))
			return false;
	}
	*count = (uint16_t)(idx - vq->next_avail);
	if (*count <= vq->size)
		return true;
	virtio_fail(vq->dev, "the available ring's idx has run ahead of the ring");
	return false;
}

static bool add_segment(struct virtqueue *vq, struct virtq_chain *chain,
			const struct vring_desc *desc)
{
	bool is_write = desc->flags & VRING_DESC_F_WRITE;

	if (chain->count == VIRTQUEUE_SIZE_MAX) {
		virtio_fail(vq->dev, "a descriptor chain is too long or a loop");
		return false;
	}
	/* 'The driver MUST place any device-writable descriptor elements after any device-readable
	 * descriptor elements'. */
	if (!is_write && chain->read_count != chain->count) {
		virtio_fail(vq->dev, "a readable descriptor stands behind a writable one");
		return false;
	}
	chain->segment[chain->count++] = (struct virtq_segment){desc->addr, desc->len};
	if (is_write) {
		chain->writable += desc->len;
	} else {
		chain->read_count++;
		chain->readable += desc->len;
	}
	if (chain->readable + chain->writable <= CHAIN_BYTES_MAX)
		return true;
	virtio_fail(vq->dev, "a descriptor chain has more than 4 GiB");
	return false;
}

/* One that refers to an indirect table: may it? */
static bool is_good_indirect(struct virtqueue *vq, const struct vring_desc *desc, bool is_inside)
{
	const char *why = NULL;

	if (!virtio_has(vq->dev, VIRTIO_RING_F_INDIRECT_DESC))
		why = "an indirect descriptor, which was not negotiated";
	else if (is_inside)
		why = "an indirect descriptor in an indirect table";
	else if (desc->flags & VRING_DESC_F_NEXT)
		why = "an indirect descriptor with a next one";
	else if (desc->len % sizeof(struct vring_desc))
		why = "an indirect table of a wrong length";
	if (why)
		virtio_fail(vq->dev, why);
	return !why;
}

/* Follows the chain from `head`. It ends because it may have no more than VIRTQUEUE_SIZE_MAX
 * segments and one change of tables. */
static bool walk(struct virtqueue *vq, struct virtq_chain *chain, uint16_t head)
{
	uint64_t table = vq->desc;
	uint32_t entries = vq->size, at = head;
	struct vring_desc desc;
	bool is_inside = false;

	for (;;) {
		if (at >= entries) {
			virtio_fail(vq->dev, "a descriptor's number is beyond its table");
			return false;
		}
		if (!read_guest(vq, table + at * sizeof(desc), &desc, sizeof(desc)))
			return false;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!is_good_indirect(vq, &desc, is_inside))
				return false;
			is_inside = true;
			table = desc.addr;
			entries = desc.len / sizeof(desc);
			at = 0;
			continue;
		}
		if (!add_segment(vq, chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		at = desc.next;
	}
}

bool virtqueue_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
	uint16_t count, head;

	if (!vq->is_enabled || !virtio_is_live(vq->dev) || !count_available(vq, &count) || !count)
		return false;
	if (!load_u16(vq, avail_element(vq, vq->next_avail & (vq->size - 1)), &head))
		return false;
	chain->head = head;
	chain->count = chain->read_count = 0;
	chain->readable = chain->writable = chain->written = 0;
	chain->reader.segment = chain->writer.segment = 0;
	chain->reader.offset = chain->writer.offset = 0;
	if (!walk(vq, chain, head))
		return false;
	chain->writer.segment = chain->read_count;
	vq->next_avail++;
	return true;
}

/* 'Used Buffer Notification Suppression': by the event index, or by the driver's flag. */
static bool wants_interrupt(struct virtqueue *vq)
{
	uint16_t old = vq->signalled, event, flags;

	vq->signalled = vq->next_used;
	if (!virtio_has(vq->dev, VIRTIO_RING_F_EVENT_IDX))
		return load_u16(vq, vq->avail + offsetof(struct vring_avail, flags), &flags) &&
		       !(flags & VRING_AVAIL_F_NO_INTERRUPT);
	/* used_event stands behind the available ring. */
	return load_u16(vq, avail_element(vq, vq->size), &event) &&
	       vring_need_event(event, vq->next_used, old);
}

void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain)
{
	const struct platform *p = platform_of(vq);
	uint32_t written = (uint32_t)MIN(chain->written, (uint64_t)UINT32_MAX);
	const struct vring_used_elem element = {.id = chain->head, .len = written};
	uint64_t at = used_element(vq, vq->next_used & (vq->size - 1));

	if (!virtio_is_live(vq->dev))
		return;
	if (p->ops->gmem_write(p->ctx, GPA(at), &element, sizeof(element))) {
		virtio_fail(vq->dev, "the used ring lies outside RAM");
		return;
	}
	vq->next_used++;
	if (!store_u16(vq, vq->used + offsetof(struct vring_used, idx), vq->next_used))
		return;
	/* What the driver wants is looked at after it can see what there is. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (wants_interrupt(vq))
		vq->dev->transport->interrupt(vq->dev, vq);
}

/* The next piece at a cursor, of `max` bytes at most: 0 when there are no more. */
static uint32_t next_piece(const struct virtq_chain *chain, struct virtq_cursor *cursor,
			   uint16_t end, uint64_t max, uint64_t *addr)
{
	const struct virtq_segment *s;
	uint32_t len;

	while (cursor->segment < end && cursor->offset == chain->segment[cursor->segment].len) {
		cursor->segment++;
		cursor->offset = 0;
	}
	if (cursor->segment == end)
		return 0;
	s = &chain->segment[cursor->segment];
	len = (uint32_t)MIN((uint64_t)(s->len - cursor->offset), max);
	*addr = s->addr + cursor->offset;
	cursor->offset += len;
	return len;
}

int64_t virtq_read(struct virtqueue *vq, struct virtq_chain *chain, void *to, uint64_t len)
{
	const struct platform *p = platform_of(vq);
	uint64_t done = 0, addr;

	while (done < len) {
		uint32_t n =
			next_piece(chain, &chain->reader, chain->read_count, len - done, &addr);

		if (!n)
			break;
		if (p->ops->gmem_read(p->ctx, GPA(addr), (uint8_t *)to + done, n)) {
			virtio_fail(vq->dev, "a buffer lies outside RAM");
			return -EFAULT;
		}
		done += n;
	}
	chain->readable -= done;
	return (int64_t)done;
}

int64_t virtq_write(struct virtqueue *vq, struct virtq_chain *chain, const void *from, uint64_t len)
{
	const struct platform *p = platform_of(vq);
	uint64_t done = 0, addr;

	while (done < len) {
		uint32_t n = next_piece(chain, &chain->writer, chain->count, len - done, &addr);

		if (!n)
			break;
		if (p->ops->gmem_write(p->ctx, GPA(addr), (const uint8_t *)from + done, n)) {
			virtio_fail(vq->dev, "a buffer lies outside RAM");
			return -EFAULT;
		}
		done += n;
	}
	chain->writable -= done;
	chain->written += done;
	return (int64_t)done;
}

void virtq_skip_write(struct virtq_chain *chain, uint64_t len)
{
	uint64_t addr;
	uint32_t n;

	while (len && (n = next_piece(chain, &chain->writer, chain->count, len, &addr))) {
		chain->writable -= n;
		len -= n;
	}
}
