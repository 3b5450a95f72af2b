/* The machine's LANs, and a VM's NICs on them. */
#ifndef GUEST_LAN_H
#define GUEST_LAN_H

#include "devices/virtio_net.h"

#define LAN_NAME_MAX 16
#define VM_NICS_MAX  2u

struct vm;

/* Which LAN a NIC is on. */
struct vm_nic {
	char lan[LAN_NAME_MAX];
	uint8_t mac[ETH_ALEN];
};

/* Makes the NICs that vm->params asks for and plugs them in. -ENOMEM, -ENOSPC. Boot pCPU. */
int __must_check vm_plug_nics(struct vm *vm);

/* The VM has ended: its NICs leave their LANs. Any pCPU, with or without the VM's lock. */
void vm_unplug_nics(struct vm *vm);

/* Takes them out and frees them. The VM has never run. */
void vm_free_nics(struct vm *vm);

#endif
