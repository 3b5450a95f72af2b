/* The PCI bus in the DSDT: what devices/pci.c answers, where BARs are, and which interrupt each
 * slot's INTA# is (guest/pci.c). As the compiler of this source gives it:
 *
 *   Scope (\_SB) {
 *       Device (PCI0) {
 *           Name (_HID, EisaId ("PNP0A03"))
 *           Name (_UID, 0)
 *           Name (_BBN, 0)
 *           Name (_CRS, ResourceTemplate () {
 *               WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
 *               IO (Decode16, 0xcf8, 0xcf8, 1, 8)
 *               DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
 *                            ReadWrite, 0, PCI_WINDOW_BASE, PCI_WINDOW_BASE + PCI_WINDOW_SIZE - 1,
 *                            0, PCI_WINDOW_SIZE)
 *           })
 *           Name (_PRT, Package () {
 *               Package () {0x0001ffff, 0, 0, 11},
 *               Package () {0x0002ffff, 0, 0, 10},
 *               ...
 *               Package () {0x0008ffff, 0, 0, 10},
 *           })
 *       }
 *   }
 */
#include "loader/acpi_pci.h"
#include "devices/pci.h"

#define DWORD(x) (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((x) >> 24)

/* PackageOp, 11 bytes, 4 elements: the slot's address with all functions, pin INTA# (Zero), no link
 * device (Zero), the interrupt. */
#define PRT(slot, irq) 0x12, 0x0b, 0x04, 0x0c, 0xff, 0xff, (slot), 0x00, 0x00, 0x00, 0x0a, (irq)

/* clang-format off */
const uint8_t acpi_pci_aml[] = {
	0x10, 0x4a, 0x0c, '_', 'S', 'B', '_',		/* ScopeOp, 202 bytes, _SB_ */
	0x5b, 0x82, 0x42, 0x0c, 'P', 'C', 'I', '0',	/* DeviceOp, 194 bytes, PCI0 */
	0x08, '_', 'H', 'I', 'D',			/* NameOp _HID */
	0x0c, 0x41, 0xd0, 0x0a, 0x03,			/* a double word: PNP0A03, compressed */
	0x08, '_', 'U', 'I', 'D', 0x00,			/* NameOp _UID: Zero */
	0x08, '_', 'B', 'B', 'N', 0x00,			/* NameOp _BBN: Zero */
	0x08, '_', 'C', 'R', 'S',			/* NameOp _CRS */
	0x11, 0x37, 0x0a, 0x34,				/* BufferOp, 55 bytes; its size: 52 */
	0x88, 0x0d, 0x00, 0x02, 0x0c, 0x00,		/* word address space: bus numbers, fixed */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00,		/* granularity, from bus 0, to bus 0, */
	0x00, 0x00, 0x01, 0x00,				/* no translation, 1 bus */
	0x47, 0x01, 0xf8, 0x0c, 0xf8, 0x0c, 0x01, 0x08,	/* I/O ports 0xcf8, 8 of them */
	0x87, 0x17, 0x00, 0x00, 0x0c, 0x01,		/* double word address space: memory */
	DWORD(0), DWORD(PCI_WINDOW_BASE),		/* granularity, minimum, */
	DWORD(PCI_WINDOW_BASE + PCI_WINDOW_SIZE - 1),	/* maximum, */
	DWORD(0), DWORD(PCI_WINDOW_SIZE),		/* no translation, length */
	0x79, 0x00,					/* end tag, no checksum */
	0x08, '_', 'P', 'R', 'T',			/* NameOp _PRT */
	0x12, 0x43, 0x06, 0x08,				/* PackageOp, 99 bytes, 8 elements */
	PRT(1, 11), PRT(2, 10), PRT(3, 11), PRT(4, 10),
	PRT(5, 11), PRT(6, 10), PRT(7, 11), PRT(8, 10),
};
/* clang-format on */
const uint32_t acpi_pci_aml_len = sizeof(acpi_pci_aml);
