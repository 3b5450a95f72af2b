/* Virtio over PCI, the modern transport alone: 'Virtual I/O Device (VIRTIO) Version 1.2', 'Virtio
 * Over PCI Bus'. BAR 0 holds the common, ISR, device and notification structures, a page each; BAR
 * 1 MSI-X. */
#ifndef DEVICES_VIRTIO_PCI_H
#define DEVICES_VIRTIO_PCI_H

#include "devices/pci.h"
#include "devices/virtio.h"

struct virtio_pci {
	struct pci_function function;
	struct virtio_device *dev; /* (i) */
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
	uint8_t config_access; /* (i) where the configuration access capability stands */
};

/* Plugs a device, on which virtio_init has been called, into the slot. `class_code`: PCI's. As
 * pci_add. */
int __must_check virtio_pci_add(struct virtio_pci *t, struct pci_bus *bus, uint32_t slot,
				struct virtio_device *dev, uint32_t class_code);

/* Between the transport's files. The common configuration structure, `at` from its beginning. */
uint64_t virtio_pci_read_common(struct virtio_pci *t, uint32_t at, unsigned size);
void virtio_pci_write_common(struct virtio_pci *t, uint32_t at, unsigned size, uint64_t value);
void virtio_pci_set_isr(struct virtio_pci *t, uint8_t isr);

#endif
