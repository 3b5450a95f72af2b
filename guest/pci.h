/* The PCI bus of a VM and what is plugged into it. */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "guest/vm.h"

/* Makes the bus and plugs in what vm->params asks for; `irq`: the wire of an ISA interrupt. After
 * the VM's other devices. A negative errno for a defect of the wiring. */
int __must_check guest_pci_init(struct vm *vm, struct irq_line (*irq)(struct vm *vm, uint32_t irq));

#endif
