/* The PCI bus of a VM: which device is in which slot, and which interrupt its INTx is. */
#include "guest/pci.h"

/* A PCI device's INTA# is IRQ 10 or 11, at the 8259s and at the IOAPIC alike, so that the Interrupt
 * Line register is true with and without an IOAPIC; loader/acpi_pci.c tells the guest so. */
static const uint8_t line_irq[PCI_LINES] = {10, 11};

#define ELCR_SLAVE 0x4d1u

static int plug_devices(struct vm *vm)
{
	struct guest_devices *dev = &vm->dev;
	int ret = 0;

	if (vm->params.has_virtio_console)
		ret = virtio_console_add(&dev->console, &vm->platform, &dev->pci, PCI_SLOT_CONSOLE);
	if (!ret && vm->params.has_virtio_rng)
		ret = virtio_rng_add(&dev->rng, &vm->platform, &dev->pci, PCI_SLOT_RNG);
	for (uint32_t i = 0; i < vm->params.disk_count && !ret; i++)
		ret = virtio_blk_add(&dev->disk[i], &vm->platform, &dev->pci, PCI_SLOT_DISKS + i,
				     &vm->params.disk[i]);
	return ret ? ret : vm_plug_nics(vm);
}

int guest_pci_init(struct vm *vm, struct irq_line (*irq)(struct vm *vm, uint32_t irq))
{
	struct guest_devices *dev = &vm->dev;
	uint8_t level = 0;
	int ret;

	pci_init(&dev->pci, &vm->platform, &dev->mmio, &dev->apic_bus);
	for (uint32_t i = 0; i < PCI_LINES; i++) {
		pci_set_line(&dev->pci, i, irq(vm, line_irq[i]), line_irq[i]);
		level |= (uint8_t)BIT(line_irq[i] - 8);
	}
	pic_write(&dev->pic, ELCR_SLAVE, level);
	dev->sysctl.pci = &dev->pci;
	ret = pci_attach(&dev->pci, &dev->ports);
	return ret ? ret : plug_devices(vm);
}
