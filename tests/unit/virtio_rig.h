/* A virtio driver for the tests: it finds the structures by the capabilities, sets the device up,
 * and has its rings in the fake platform's RAM. */
#ifndef UNIT_VIRTIO_RIG_H
#define UNIT_VIRTIO_RIG_H

#include "pci_rig.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#define SLOT      3u
#define RING_SIZE 16u
#define AVAIL_AT  0x2000u
#define USED_AT   0x4000u
#define BUFFERS   0x40000u
#define ALL_OK    (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static struct {
	uint64_t common, isr, device, notify, msix;
	uint32_t multiplier;
	uint16_t avail_idx[4], used_idx[4];
} drv;

static inline uint64_t ring_at(uint32_t q)
{
	return 0x10000u * (q + 1);
}

static inline uint64_t structure(uint8_t type)
{
	uint32_t cap = 0;

	while ((cap = find_capability(SLOT, PCI_CAP_ID_VNDR, cap))) {
		uint32_t bar = config_in(SLOT, cap + VIRTIO_PCI_CAP_BAR, 1);

		if (config_in(SLOT, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1) != type)
			continue;
		if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
			drv.multiplier = config_in(SLOT, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		return config_in(SLOT, PCI_BASE_ADDRESS_0 + 4 * bar, 4) +
		       config_in(SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4);
	}
	fail();
	return 0;
}

static inline void drv_find(void)
{
	uint32_t msix = find_capability(SLOT, PCI_CAP_ID_MSIX, 0);
	uint32_t bar = config_in(SLOT, msix + PCI_MSIX_TABLE, 4) & PCI_MSIX_TABLE_BIR;

	memset(&drv, 0, sizeof(drv));
	drv.common = structure(VIRTIO_PCI_CAP_COMMON_CFG);
	drv.isr = structure(VIRTIO_PCI_CAP_ISR_CFG);
	drv.device = structure(VIRTIO_PCI_CAP_DEVICE_CFG);
	drv.notify = structure(VIRTIO_PCI_CAP_NOTIFY_CFG);
	drv.msix = config_in(SLOT, PCI_BASE_ADDRESS_0 + 4 * bar, 4);
}

#define COMMON(field)  (drv.common + offsetof(struct virtio_pci_common_cfg, field))
#define WIDTH(field)   sizeof(((struct virtio_pci_common_cfg *)0)->field)
#define GET(field)     mem_in(COMMON(field), WIDTH(field))
#define SET(field, to) mem_out(COMMON(field), WIDTH(field), (to))

static inline uint64_t drv_offered(void)
{
	uint64_t low;

	SET(device_feature_select, 0);
	low = GET(device_feature);
	SET(device_feature_select, 1);
	return low | GET(device_feature) << 32;
}

static inline void drv_accept(uint64_t features)
{
	SET(guest_feature_select, 0);
	SET(guest_feature, (uint32_t)features);
	SET(guest_feature_select, 1);
	SET(guest_feature, features >> 32);
}

static inline void drv_set_queue(uint32_t q, uint16_t size)
{
	SET(queue_select, q);
	SET(queue_size, size);
	SET(queue_desc_lo, ring_at(q));
	SET(queue_avail_lo, ring_at(q) + AVAIL_AT);
	SET(queue_used_lo, ring_at(q) + USED_AT);
	SET(queue_enable, 1);
}

/* 'Device Initialization', up to DRIVER_OK, with these features besides VERSION_1. */
static inline void drv_start(uint64_t features, uint32_t queues)
{
	SET(device_status, 0);
	assert_int_equal(GET(device_status), 0);
	memset(drv.avail_idx, 0, sizeof(drv.avail_idx));
	memset(drv.used_idx, 0, sizeof(drv.used_idx));
	memset(rig.fake.ram + ring_at(0), 0, BUFFERS - ring_at(0));
	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	drv_accept(features | BIT_ULL(VIRTIO_F_VERSION_1));
	SET(device_status, ALL_OK);
	assert_int_equal(GET(device_status), ALL_OK);
	for (uint32_t q = 0; q < queues; q++)
		drv_set_queue(q, RING_SIZE);
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline struct vring_desc *desc_of(uint32_t q, uint32_t i)
{
	return (struct vring_desc *)(rig.fake.ram + ring_at(q)) + i;
}

static inline struct vring_avail *avail_of(uint32_t q)
{
	return (struct vring_avail *)(rig.fake.ram + ring_at(q) + AVAIL_AT);
}

static inline struct vring_used *used_of(uint32_t q)
{
	return (struct vring_used *)(rig.fake.ram + ring_at(q) + USED_AT);
}

static inline void set_desc(uint32_t q, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
			    uint16_t next)
{
	*desc_of(q, i) =
		(struct vring_desc){.addr = addr, .len = len, .flags = flags, .next = next};
}

static inline void make_available(uint32_t q, uint16_t head)
{
	avail_of(q)->ring[drv.avail_idx[q]++ % RING_SIZE] = head;
	avail_of(q)->idx = drv.avail_idx[q];
}

static inline void notify(uint32_t q)
{
	SET(queue_select, q);
	mem_out(drv.notify + GET(queue_notify_off) * drv.multiplier, 2, q);
}

/* The next used element's length, which must be `head`'s; -1 when there is none. */
static inline int64_t take_used(uint32_t q, uint16_t head)
{
	const struct vring_used_elem *e;

	if (used_of(q)->idx == drv.used_idx[q])
		return -1;
	e = &used_of(q)->ring[drv.used_idx[q]++ % RING_SIZE];
	assert_int_equal(e->id, head);
	return e->len;
}

/* Time passes in which a device that has more to do takes another turn. */
static inline void a_turn(void)
{
	fake_platform_run_until(&rig.fake, rig.fake.now + 500000);
}

static inline bool needs_reset(void)
{
	return GET(device_status) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Vector n of the device's is interrupt 0x50 + n at local APIC n. */
static inline void use_msix(void)
{
	uint32_t cap = find_capability(SLOT, PCI_CAP_ID_MSIX, 0);

	for (uint32_t n = 0; n < 3; n++) {
		mem_out(drv.msix + 16 * n, 4, 0xfee00000u | n << 12);
		mem_out(drv.msix + 16 * n + 4, 4, 0);
		mem_out(drv.msix + 16 * n + 8, 4, 0x50 + n);
		mem_out(drv.msix + 16 * n + 12, 4, 0);
	}
	config_out(SLOT, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

#endif
