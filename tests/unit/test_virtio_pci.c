/* Virtio over PCI. Rules from 'Virtual I/O Device (VIRTIO) Version 1.2', 'Virtio Over PCI Bus' and
 * 'General Initialization And Device Operation'. */
#include "virtio_rig.h"

#include "devices/virtio_pci.h"

#define TYPE       60u
#define OFFERED    (virtio_common_features() | BIT_ULL(5) | BIT_ULL(40))
#define QUEUE_SIZE 64u

static struct {
	struct virtio_device dev;
	struct virtio_pci pci;
	unsigned served[2], resets;
	uint8_t config[6];
} probe;

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	probe.served[vq->index]++;
	if (virtqueue_pop(vq, &dev->chain))
		virtqueue_push(vq, &dev->chain);
	return false;
}

static void reset(struct virtio_device *dev)
{
	assert_ptr_equal(dev, &probe.dev);
	probe.resets++;
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset};

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	memset(&probe, 0, sizeof(probe));
	memcpy(probe.config, "\1\2\3\4\5\6", 6);
	probe.dev.name = "probe";
	probe.dev.type = TYPE;
	probe.dev.offered = OFFERED;
	probe.dev.config = probe.config;
	probe.dev.config_len = sizeof(probe.config);
	virtio_init(&probe.dev, &rig.fake.platform, &ops, 2, QUEUE_SIZE);
	assert_int_equal(virtio_pci_add(&probe.pci, &pci_rig.pci, SLOT, &probe.dev, 0x123456), 0);
	drv_find();
	return 0;
}

/* 'Devices MUST have the PCI Vendor ID 0x1AF4 ... PCI Device ID calculated by adding 0x1040 to the
 * Virtio Device ID'; 'PCI Revision ID of 1 or higher'. */
static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(config_in(SLOT, PCI_DEVICE_ID, 2), 0x1040 + TYPE);
	assert_true(config_in(SLOT, PCI_REVISION_ID, 1) >= 1);
	assert_int_equal(config_in(SLOT, PCI_CLASS_REVISION, 4) >> 8, 0x123456);
	assert_int_equal(config_in(SLOT, PCI_INTERRUPT_PIN, 1), 1);
	/* Transitional devices would have I/O BARs: this is a modern one. */
	for (uint32_t bar = 0; bar < PCI_BARS; bar++)
		assert_int_equal(config_in(SLOT, PCI_BASE_ADDRESS_0 + 4 * bar, 4) & 1, 0);
}

/* 'The device MUST present all ... structures'; the notification's is large enough for each queue.
 */
static void test_structures(void **state)
{
	(void)state;
	assert_int_not_equal(drv.common, 0);
	assert_int_not_equal(drv.isr, 0);
	assert_int_not_equal(drv.device, 0);
	assert_int_equal(drv.multiplier % 2, 0);
	assert_int_equal(GET(num_queues), 2);
	for (uint32_t q = 0; q < 2; q++) {
		SET(queue_select, q);
		assert_int_equal(GET(queue_size), QUEUE_SIZE);
		assert_int_equal(GET(queue_enable), 0);
		assert_int_equal(GET(queue_msix_vector), VIRTIO_MSI_NO_VECTOR);
	}
	/* 'queue_size ... 0 means the queue is unavailable' */
	SET(queue_select, 2);
	assert_int_equal(GET(queue_size), 0);
	SET(queue_size, 4);
	SET(queue_enable, 1);
	assert_int_equal(GET(queue_enable), 0);
}

static void test_negotiation(void **state)
{
	(void)state;
	assert_int_equal(drv_offered(), OFFERED);
	assert_true(OFFERED & BIT_ULL(VIRTIO_F_VERSION_1));
	assert_false(OFFERED & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM));
	SET(device_feature_select, 2);
	assert_int_equal(GET(device_feature), 0);
	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	/* What was not offered, and no VERSION_1: 'MUST NOT set FEATURES_OK'. */
	drv_accept(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(6));
	SET(device_status, ALL_OK);
	assert_int_equal(GET(device_status), ALL_OK & ~VIRTIO_CONFIG_S_FEATURES_OK);
	drv_accept(BIT_ULL(5));
	SET(device_status, ALL_OK);
	assert_int_equal(GET(device_status), ALL_OK & ~VIRTIO_CONFIG_S_FEATURES_OK);
	drv_accept(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(40));
	SET(device_status, ALL_OK);
	assert_int_equal(GET(device_status), ALL_OK);
	/* They are settled now. */
	drv_accept(0);
	SET(guest_feature_select, 1);
	assert_int_equal(GET(guest_feature), BIT(0) | BIT(8));
	assert_true(virtio_has(&probe.dev, 40));
	/* 'The driver MUST NOT clear a device status bit' */
	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(GET(device_status), ALL_OK);
}

/* 'The device MUST reset when 0 is written to device_status'; 'and present a 0 ... once that is
 * done'. */
static void test_reset(void **state)
{
	(void)state;
	drv_start(BIT_ULL(5), 2);
	SET(msix_config, 1);
	SET(queue_select, 1);
	make_available(0, 0);
	notify(0);
	assert_true(pci_rig.wire[SLOT % PCI_LINES].level);
	probe.resets = 0;
	SET(device_status, 0);
	assert_int_equal(GET(device_status), 0);
	assert_int_equal(probe.resets, 1);
	assert_false(pci_rig.wire[SLOT % PCI_LINES].level);
	assert_int_equal(GET(msix_config), VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(GET(queue_select), 0);
	assert_int_equal(GET(queue_enable), 0);
	assert_int_equal(GET(queue_desc_lo), 0);
	assert_int_equal(GET(queue_size), QUEUE_SIZE);
	SET(guest_feature_select, 0);
	assert_int_equal(GET(guest_feature), 0);
	assert_int_equal(mem_in(drv.isr, 1), 0);
}

/* 'The device MUST NOT consume buffers or send any used buffer notifications to the driver before
 * DRIVER_OK.' */
static void test_nothing_before_driver_ok(void **state)
{
	(void)state;
	drv_start(0, 0);
	SET(device_status, 0);
	drv_accept(BIT_ULL(VIRTIO_F_VERSION_1));
	SET(device_status, ALL_OK);
	drv_set_queue(0, RING_SIZE);
	make_available(0, 0);
	notify(0);
	assert_int_equal(probe.served[0], 0);
	/* What was there by then is served. */
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(take_used(0, 0), 0);
	/* A queue that is not enabled is not. */
	notify(1);
	assert_int_equal(probe.served[1], 0);
	mem_out(drv.notify + 2 * drv.multiplier, 2, 2);
	mem_out(drv.notify + 1, 1, 0);
	assert_int_equal(probe.served[0], 1);
}

/* Nor before the features are settled, whatever the status says. */
static void test_nothing_without_features_ok(void **state)
{
	(void)state;
	drv_start(0, 0);
	SET(device_status, 0);
	drv_accept(BIT_ULL(6));
	SET(device_status, ALL_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	drv_set_queue(0, RING_SIZE);
	make_available(0, 0);
	notify(0);
	assert_int_equal(probe.served[0], 0);
	assert_int_equal(take_used(0, 0), -1);
}

static void test_queue_registers(void **state)
{
	static const uint16_t bad[] = {0, 3, QUEUE_SIZE * 2, QUEUE_SIZE + 1, 0xffff};

	(void)state;
	SET(queue_select, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		SET(queue_size, bad[i]);
		assert_int_equal(GET(queue_size), QUEUE_SIZE);
	}
	SET(queue_size, 2);
	assert_int_equal(GET(queue_size), 2);
	/* 64-bit accesses to the addresses, and odd ones, which do nothing. */
	mem_out(COMMON(queue_desc_lo), 8, 0x123456789abcde00);
	assert_int_equal(GET(queue_desc_lo), 0x9abcde00);
	assert_int_equal(GET(queue_desc_hi), 0x12345678);
	assert_int_equal(mem_in(COMMON(queue_desc_lo), 8), 0x123456789abcde00);
	mem_out(COMMON(queue_desc_lo), 2, 0);
	mem_out(COMMON(queue_desc_lo) + 1, 4, 0);
	mem_out(COMMON(queue_size), 1, 1);
	assert_int_equal(GET(queue_desc_lo), 0x9abcde00);
	assert_int_equal(GET(queue_size), 2);
	assert_int_equal(mem_in(COMMON(queue_size) + 1, 1), 0);
	SET(queue_desc_lo, 0x1000);
	SET(queue_desc_hi, 0);
	/* 'The driver MUST NOT write a 0 to queue_enable'; enabled, it stays as it is. */
	SET(queue_enable, 0);
	assert_int_equal(GET(queue_enable), 0);
	SET(queue_enable, 1);
	SET(queue_enable, 0);
	SET(queue_size, 4);
	SET(queue_desc_lo, 0x2000);
	assert_int_equal(GET(queue_enable), 1);
	assert_int_equal(GET(queue_size), 2);
	assert_int_equal(GET(queue_desc_lo), 0x1000);
}

/* 'The device MUST present ... the device-specific configuration'; nothing lies beyond it, and it
 * is the device's. */
static void test_device_configuration(void **state)
{
	(void)state;
	assert_int_equal(mem_in(drv.device, 4), 0x04030201);
	assert_int_equal(mem_in(drv.device + 4, 4), 0x0605);
	assert_int_equal(mem_in(drv.device + 1, 1), 2);
	assert_int_equal(mem_in(drv.device + 6, 8), 0);
	mem_out(drv.device, 4, 0);
	assert_int_equal(mem_in(drv.device, 8), 0x060504030201);
	assert_int_equal(GET(config_generation), 0);
	probe.dev.generation++;
	assert_int_equal(GET(config_generation), 1);
}

/* 'The device MUST set the Queue Interrupt bit ... before sending a virtqueue notification', 'if
 * MSI-X capability is disabled'; 'MUST reset ISR status to 0 on driver read'. */
static void test_isr_and_intx(void **state)
{
	const struct wire *wire = &pci_rig.wire[SLOT % PCI_LINES];

	(void)state;
	drv_start(0, 1);
	make_available(0, 0);
	notify(0);
	assert_true(wire->level);
	assert_int_equal(mem_in(drv.isr, 1), 1);
	assert_false(wire->level);
	assert_int_equal(mem_in(drv.isr, 1), 0);
	virtio_fail(&probe.dev, "tried");
	assert_true(wire->level);
	assert_int_equal(mem_in(drv.isr, 1), VIRTIO_PCI_ISR_CONFIG);
}

static void test_msix(void **state)
{
	(void)state;
	drv_start(0, 2);
	use_msix();
	SET(queue_select, 0);
	SET(queue_msix_vector, 1);
	assert_int_equal(GET(queue_msix_vector), 1);
	SET(queue_select, 1);
	/* 'MUST return VIRTIO_MSI_NO_VECTOR' for one that cannot be mapped. */
	SET(queue_msix_vector, 3);
	assert_int_equal(GET(queue_msix_vector), VIRTIO_MSI_NO_VECTOR);
	SET(msix_config, 9);
	assert_int_equal(GET(msix_config), VIRTIO_MSI_NO_VECTOR);
	SET(msix_config, 2);
	make_available(0, 0);
	notify(0);
	assert_int_equal(who_got(0x51), BIT(1));
	make_available(1, 0);
	notify(1);
	assert_int_equal(take_used(1, 0), 0);
	assert_int_equal(who_got(0x50), 0);
	virtio_fail(&probe.dev, "tried");
	assert_int_equal(who_got(0x52), BIT(2));
	assert_false(pci_rig.wire[SLOT % PCI_LINES].level);
}

/* 'PCI configuration access capability': the same registers through configuration space. */
static void test_configuration_access(void **state)
{
	uint32_t cap = 0, window,
		 at = (uint32_t)(COMMON(device_feature_select) -
				 config_in(SLOT, PCI_BASE_ADDRESS_0, 4));

	(void)state;
	do
		cap = find_capability(SLOT, PCI_CAP_ID_VNDR, cap);
	while (config_in(SLOT, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1) != VIRTIO_PCI_CAP_PCI_CFG);
	window = cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4, at);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	config_out(SLOT, window, 4, 1);
	assert_int_equal(GET(device_feature_select), 1);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4, at + 4);
	assert_int_equal(config_in(SLOT, window, 4), OFFERED >> 32);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0x2000 + 5);
	config_out(SLOT, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	assert_int_equal(config_in(SLOT, window, 1), 6);
	/* Places and lengths that are none: nothing happens. */
	for (uint32_t bar = 0; bar < 256; bar++) {
		static const uint32_t offsets[] = {1, 0x1000, 0x3ffe, 0x4000, 0xfffffffc};

		config_out(SLOT, cap + VIRTIO_PCI_CAP_BAR, 1, bar);
		for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
			for (uint32_t len = 0; len < 10; len++) {
				config_out(SLOT, cap + VIRTIO_PCI_CAP_OFFSET, 4, offsets[i]);
				config_out(SLOT, cap + VIRTIO_PCI_CAP_LENGTH, 4, len);
				config_out(SLOT, window, 4, 0xffffffff);
				(void)config_in(SLOT, window, 4);
			}
		}
	}
	assert_int_equal(GET(device_feature_select), 1);
}

/* Every place of both BARs, in every width, with anything in it. */
static void test_random_accesses(void **state)
{
	uint32_t random = 7;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t bar = config_in(SLOT, PCI_BASE_ADDRESS_0 + 4 * (i & 1), 4) & ~0xfu;
		unsigned size;

		random = random * 1664525 + 1013904223;
		size = 1u << (random >> 30);
		bar += (random >> 8) % (i % 3 ? 0x40 : (i & 1) ? 0x1000 - 8 : 0x4000 - 8);
		if (random & 0x80)
			(void)mem_in(bar, size);
		else
			mem_out(bar, size,
				(random & 0x40) ? random >> 9 : random * 0x9e3779b97f4aull);
	}
	SET(device_status, 0);
	assert_int_equal(GET(device_status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, setup),
		cmocka_unit_test_setup(test_structures, setup),
		cmocka_unit_test_setup(test_negotiation, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_nothing_before_driver_ok, setup),
		cmocka_unit_test_setup(test_nothing_without_features_ok, setup),
		cmocka_unit_test_setup(test_queue_registers, setup),
		cmocka_unit_test_setup(test_device_configuration, setup),
		cmocka_unit_test_setup(test_isr_and_intx, setup),
		cmocka_unit_test_setup(test_msix, setup),
		cmocka_unit_test_setup(test_configuration_access, setup),
		cmocka_unit_test_setup(test_random_accesses, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
