/* A virtio driver over PCI. */
#include "guest-stubs/common/virtio.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/pci.h"
#include "guest-stubs/common/string.h"

#define VIRTIO_VENDOR      0x1af4
#define VIRTIO_DEVICE_BASE 0x1040
#define TIMEOUT_NS         (500 * NS_PER_MS)
#define READY              (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static volatile uint8_t *structure(uint32_t slot, uint8_t type, uint32_t *cap)
{
	*cap = 0;
	while ((*cap = pci_capability(slot, PCI_CAP_ID_VNDR, *cap))) {
		uint64_t bar = pci_bar(slot, pci_read8(slot, *cap + VIRTIO_PCI_CAP_BAR));

		if (pci_read8(slot, *cap + VIRTIO_PCI_CAP_CFG_TYPE) == type)
			return (volatile uint8_t *)(bar +
						    pci_read32(slot, *cap + VIRTIO_PCI_CAP_OFFSET));
	}
	return NULL;
}

void virtio_locate(struct virtio *v)
{
	uint32_t cap;

	v->common = (volatile void *)structure(v->slot, VIRTIO_PCI_CAP_COMMON_CFG, &cap);
	v->isr = structure(v->slot, VIRTIO_PCI_CAP_ISR_CFG, &cap);
	v->device = structure(v->slot, VIRTIO_PCI_CAP_DEVICE_CFG, &cap);
	v->notify = structure(v->slot, VIRTIO_PCI_CAP_NOTIFY_CFG, &cap);
	v->notify_multiplier = pci_read32(v->slot, cap + VIRTIO_PCI_NOTIFY_CAP_MULT);
	v->msix_cap = pci_capability(v->slot, PCI_CAP_ID_MSIX, 0);
	cap = pci_read32(v->slot, v->msix_cap + PCI_MSIX_TABLE);
	v->msix = (volatile uint32_t *)(pci_bar(v->slot, cap & PCI_MSIX_TABLE_BIR) +
					(cap & PCI_MSIX_TABLE_OFFSET));
}

bool virtio_find(struct virtio *v, uint16_t type, unsigned nth)
{
	memset(v, 0, sizeof(*v));
	for (v->slot = 0; v->slot < PCI_SLOTS; v->slot++) {
		if (pci_read16(v->slot, PCI_VENDOR_ID) != VIRTIO_VENDOR ||
		    pci_read16(v->slot, PCI_DEVICE_ID) != VIRTIO_DEVICE_BASE + type || nth--)
			continue;
		virtio_locate(v);
		return v->common && v->isr && v->device && v->notify && v->msix_cap;
	}
	return false;
}

uint64_t virtio_features(struct virtio *v)
{
	uint64_t low;

	v->common->device_feature_select = 0;
	low = v->common->device_feature;
	v->common->device_feature_select = 1;
	return low | (uint64_t)v->common->device_feature << 32;
}

static void set_queue(struct virtio *v, unsigned queue)
{
	struct virtio_ring *r = &v->ring[queue];

	memset(r, 0, sizeof(*r));
	v->common->queue_select = (uint16_t)queue;
	v->common->queue_size = VIRTIO_RING_SIZE;
	v->common->queue_msix_vector = 0;
	v->common->queue_desc_lo = (uint32_t)(uintptr_t)&r->desc;
	v->common->queue_desc_hi = 0;
	v->common->queue_avail_lo = (uint32_t)(uintptr_t)&r->avail;
	v->common->queue_avail_hi = 0;
	v->common->queue_used_lo = (uint32_t)(uintptr_t)&r->used;
	v->common->queue_used_hi = 0;
	v->common->queue_enable = 1;
}

bool virtio_start(struct virtio *v, uint64_t features, unsigned queues)
{
	features |= BIT_ULL(VIRTIO_F_VERSION_1);
	v->common->device_status = 0;
	v->common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	v->common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	v->common->guest_feature_select = 0;
	v->common->guest_feature = (uint32_t)features;
	v->common->guest_feature_select = 1;
	v->common->guest_feature = (uint32_t)(features >> 32);
	v->common->device_status = READY;
	if (v->common->device_status != READY)
		return false;
	v->common->msix_config = 1;
	for (unsigned queue = 0; queue < queues; queue++)
		set_queue(v, queue);
	v->common->device_status = READY | VIRTIO_CONFIG_S_DRIVER_OK;
	return v->common->device_status == (READY | VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_set_vector(struct virtio *v, unsigned nth, uint8_t vector, bool is_masked)
{
	volatile uint32_t *entry = v->msix + nth * (PCI_MSIX_ENTRY_SIZE / sizeof(uint32_t));

	entry[0] = (uint32_t)APIC_MMIO_BASE | apic_id() << 12;
	entry[1] = 0;
	entry[2] = vector;
	entry[3] = is_masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
}

void virtio_enable_msix(struct virtio *v, bool is_enabled, bool is_masked)
{
	pci_write16(v->slot, v->msix_cap + PCI_MSIX_FLAGS,
		    (uint16_t)((is_enabled ? PCI_MSIX_FLAGS_ENABLE : 0) |
			       (is_masked ? PCI_MSIX_FLAGS_MASKALL : 0)));
}

void virtio_send(struct virtio *v, unsigned queue, const struct virtio_buffer *buffers,
		 unsigned count)
{
	struct virtio_ring *r = &v->ring[queue];

	for (unsigned i = 0; i < count; i++)
		r->desc[i] = (struct vring_desc){
			.addr = (uintptr_t)buffers[i].at,
			.len = buffers[i].len,
			.flags = (uint16_t)((buffers[i].is_written ? VRING_DESC_F_WRITE : 0) |
					    (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)(i + 1),
		};
	r->avail.ring[r->avail.idx % VIRTIO_RING_SIZE] = 0;
	__atomic_store_n(&r->avail.idx, (uint16_t)(r->avail.idx + 1), __ATOMIC_SEQ_CST);
	v->common->queue_select = (uint16_t)queue;
	*(volatile uint16_t *)(v->notify + v->common->queue_notify_off * v->notify_multiplier) =
		(uint16_t)queue;
}

int64_t virtio_wait(struct virtio *v, unsigned queue)
{
	struct virtio_ring *r = &v->ring[queue];
	uint64_t end = clock_ns() + TIMEOUT_NS;

	while (__atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE) == r->seen)
		if (clock_ns() > end)
			return -1;
	return r->used.ring[r->seen++ % VIRTIO_RING_SIZE].len;
}

int64_t virtio_request(struct virtio *v, unsigned queue, const struct virtio_buffer *buffers,
		       unsigned count)
{
	virtio_send(v, queue, buffers, count);
	return virtio_wait(v, queue);
}
