/* The devices of a VM, and their wiring on its buses. */
#ifndef GUEST_DEVICES_H
#define GUEST_DEVICES_H

#include "devices/acpi_pm.h"
#include "devices/bus.h"
#include "devices/debug_exit.h"
#include "devices/fw_cfg.h"
#include "devices/hpet.h"
#include "devices/i8042.h"
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "devices/pic8259.h"
#include "devices/pit8254.h"
#include "devices/rtc.h"
#include "devices/sysctl.h"
#include "devices/uart16550.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_rng.h"
#include "guest/entropy.h"
#include "guest/lan.h"

/* Where each PCI device is. */
#define PCI_SLOT_CONSOLE 1u
#define PCI_SLOT_RNG     2u
#define PCI_SLOT_NIC     3u
#define PCI_SLOT_DISKS   4u
#define PCI_SLOT_NIC2    8u
#define VM_DISKS_MAX     4u

struct guest_devices {
	struct bus ports, mmio;
	struct apic_bus apic_bus;
	struct ioapic ioapic;
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct hpet hpet;
	bool is_legacy_replaced; /* IRQ 0 and 8 are the HPET's */
	struct uart uart, uart2;
	struct fw_cfg fw_cfg;
	struct acpi_pm pm;
	struct i8042 i8042;
	struct sysctl sysctl;
	struct debug_exit debug_exit;
	struct pci_bus pci;
	struct entropy entropy;
	struct virtio_console console;
	struct virtio_rng rng;
	struct virtio_net *nic[VM_NICS_MAX]; /* (i) or NULL */
	struct virtio_blk disk[VM_DISKS_MAX];
};

#endif
