/* Virtio over PCI: the common configuration structure. */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "devices/virtio_pci.h"

#define FIELD_AT(field) offsetof(struct virtio_pci_common_cfg, field)

/* NULL: 'queue_select' names none. */
static struct virtqueue *selected(struct virtio_pci *t)
{
	return t->queue_select < t->dev->queue_count ? &t->dev->queue[t->queue_select] : NULL;
}

static uint32_t read_queue_field(struct virtio_pci *t, uint32_t at)
{
	const struct virtqueue *vq = selected(t);

	/* 'queue_size 0 means the queue is unavailable'. */
	if (!vq)
		return at == FIELD_AT(queue_msix_vector) ? VIRTIO_MSI_NO_VECTOR : 0;
	switch (at) {
	case FIELD_AT(queue_size):
		return vq->size;
	case FIELD_AT(queue_msix_vector):
		return vq->vector;
	case FIELD_AT(queue_enable):
		return vq->is_enabled;
	case FIELD_AT(queue_notify_off):
		return vq->index;
	case FIELD_AT(queue_desc_lo):
		return (uint32_t)vq->desc;
	case FIELD_AT(queue_desc_hi):
		return (uint32_t)(vq->desc >> 32);
	case FIELD_AT(queue_avail_lo):
		return (uint32_t)vq->avail;
	case FIELD_AT(queue_avail_hi):
		return (uint32_t)(vq->avail >> 32);
	case FIELD_AT(queue_used_lo):
		return (uint32_t)vq->used;
	case FIELD_AT(queue_used_hi):
		return (uint32_t)(vq->used >> 32);
	default:
		return 0;
	}
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static uint32_t read_common_field(struct virtio_pci *t, uint32_t at)
{
	switch (at) {
	case FIELD_AT(device_feature_select):
		return t->device_feature_select;
	case FIELD_AT(device_feature):
		return feature_word(t->dev->offered, t->device_feature_select);
	case FIELD_AT(guest_feature_select):
		return t->driver_feature_select;
	case FIELD_AT(guest_feature):
		return feature_word(t->dev->accepted, t->driver_feature_select);
	case FIELD_AT(msix_config):
		return t->config_vector;
	case FIELD_AT(num_queues):
		return t->dev->queue_count;
	case FIELD_AT(device_status):
		return t->dev->status;
	case FIELD_AT(config_generation):
		return t->dev->generation;
	case FIELD_AT(queue_select):
		return t->queue_select;
	default:
		return read_queue_field(t, at);
	}
}

static void set_low(uint64_t *address, uint32_t value)
{
	*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
	*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

/* 'The device MUST return NO_VECTOR for an event that could not be mapped'. */
static uint16_t vector_of(const struct virtio_pci *t, uint32_t value)
{
	return value < t->function.msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void enable(struct virtio_pci *t, struct virtqueue *vq, uint32_t value)
{
	/* 'The driver MUST NOT write a 0 to queue_enable'. */
	if (value == 1 && !virtqueue_enable(vq))
		virtio_fail(t->dev, "a queue's address is not aligned");
}

/* What is enabled stays as it is until the reset. */
static void write_queue_field(struct virtio_pci *t, uint32_t at, uint32_t value)
{
	struct virtqueue *vq = selected(t);

	if (vq && at == FIELD_AT(queue_msix_vector))
		vq->vector = vector_of(t, value);
	if (!vq || vq->is_enabled)
		return;
	switch (at) {
	case FIELD_AT(queue_size):
		/* 'MUST NOT write a value which is not a power of 2'. */
		if (value && value <= vq->size_max && !(value & (value - 1)))
			vq->size = (uint16_t)value;
		break;
	case FIELD_AT(queue_enable):
		enable(t, vq, value);
		break;
	case FIELD_AT(queue_desc_lo):
		set_low(&vq->desc, value);
		break;
	case FIELD_AT(queue_desc_hi):
		set_high(&vq->desc, value);
		break;
	case FIELD_AT(queue_avail_lo):
		set_low(&vq->avail, value);
		break;
	case FIELD_AT(queue_avail_hi):
		set_high(&vq->avail, value);
		break;
	case FIELD_AT(queue_used_lo):
		set_low(&vq->used, value);
		break;
	case FIELD_AT(queue_used_hi):
		set_high(&vq->used, value);
		break;
	}
}

static void write_status(struct virtio_pci *t, uint8_t status)
{
	virtio_set_status(t->dev, status);
	if (status)
		return;
	t->device_feature_select = t->driver_feature_select = 0;
	t->queue_select = 0;
	t->config_vector = VIRTIO_MSI_NO_VECTOR;
	virtio_pci_set_isr(t, 0);
}

static void write_feature(struct virtio_pci *t, uint32_t value)
{
	/* They are settled with FEATURES_OK. */
	if (t->dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (t->driver_feature_select == 0)
		set_low(&t->dev->accepted, value);
	else if (t->driver_feature_select == 1)
		set_high(&t->dev->accepted, value);
}

static void write_common_field(struct virtio_pci *t, uint32_t at, uint32_t value)
{
	switch (at) {
	case FIELD_AT(device_feature_select):
		t->device_feature_select = value;
		break;
	case FIELD_AT(guest_feature_select):
		t->driver_feature_select = value;
		break;
	case FIELD_AT(guest_feature):
		write_feature(t, value);
		break;
	case FIELD_AT(msix_config):
		t->config_vector = vector_of(t, value);
		break;
	case FIELD_AT(device_status):
		write_status(t, (uint8_t)value);
		break;
	case FIELD_AT(queue_select):
		t->queue_select = (uint16_t)value;
		break;
	default:
		write_queue_field(t, at, value);
	}
}

/* How wide the field at `at` is; 0: none begins there. 'The driver MUST access each field using the
 * natural access method'. */
static unsigned field_size(uint32_t at)
{
	if (at < FIELD_AT(msix_config) ||
	    (at >= FIELD_AT(queue_desc_lo) && at < sizeof(struct virtio_pci_common_cfg)))
		return at % 4 ? 0 : 4;
	if (at == FIELD_AT(device_status) || at == FIELD_AT(config_generation))
		return 1;
	return at % 2 ? 0 : 2;
}

/* Both halves of a queue's address in one are served, too; other widths read 0 and vanish. */
static bool is_pair(uint32_t at, unsigned size)
{
	return size == 8 && field_size(at) == 4 && field_size(at + 4) == 4;
}

uint64_t virtio_pci_read_common(struct virtio_pci *t, uint32_t at, unsigned size)
{
	if (is_pair(at, size))
		return read_common_field(t, at) | (uint64_t)read_common_field(t, at + 4) << 32;
	return size == field_size(at) ? read_common_field(t, at) : 0;
}

void virtio_pci_write_common(struct virtio_pci *t, uint32_t at, unsigned size, uint64_t value)
{
	if (is_pair(at, size)) {
		write_common_field(t, at, (uint32_t)value);
		write_common_field(t, at + 4, (uint32_t)(value >> 32));
	} else if (size == field_size(at)) {
		write_common_field(t, at, (uint32_t)value);
	}
}
