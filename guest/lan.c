/* LANs by name, made when the first NIC is plugged in, and there for good. */
#include "guest/lan.h"

#include "guest/vm.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/page.h"

#define LANS_MAX (64 * VM_NICS_MAX) /* VMs times NICs */

struct lan {
	char name[LAN_NAME_MAX];
	struct netswitch sw;
};

static struct lan lans[LANS_MAX];
static uint32_t lan_total;

static const uint8_t slot_of[VM_NICS_MAX] = {PCI_SLOT_NIC, PCI_SLOT_NIC2};

static struct netswitch *find_lan(const char *name)
{
	for (uint32_t i = 0; i < lan_total; i++)
		if (!strcmp(lans[i].name, name))
			return &lans[i].sw;
	if (lan_total == LANS_MAX)
		return NULL;
	str_copy(lans[lan_total].name, name, LAN_NAME_MAX);
	netswitch_init(&lans[lan_total].sw);
	return &lans[lan_total++].sw;
}

static int plug_nic(struct vm *vm, uint32_t i)
{
	const struct vm_nic *nic = &vm->params.nic[i];
	struct netswitch *sw = find_lan(nic->lan);
	struct virtio_net *net = vm->dev.nic[i]; /* there, when the VM begins anew */

	if (!sw)
		return -ENOSPC;
	if (net)
		return virtio_net_add(net, &vm->platform, &vm->dev.pci, slot_of[i], sw, nic->mac);
	net = pages_alloc_zeroed(sizeof(*net));
	if (!net)
		return -ENOMEM;
	if (virtio_net_add(net, &vm->platform, &vm->dev.pci, slot_of[i], sw, nic->mac)) {
		pages_free(net, sizeof(*net));
		return -ENOSPC;
	}
	vm->dev.nic[i] = net;
	return 0;
}

int vm_plug_nics(struct vm *vm)
{
	int ret = 0;

	for (uint32_t i = 0; i < MIN(vm->params.nic_count, VM_NICS_MAX) && !ret; i++)
		ret = plug_nic(vm, i);
	return ret;
}

void vm_unplug_nics(struct vm *vm)
{
	for (uint32_t i = 0; i < VM_NICS_MAX; i++)
		if (vm->dev.nic[i])
			netport_leave(&vm->dev.nic[i]->port);
}

void vm_free_nics(struct vm *vm)
{
	vm_unplug_nics(vm);
	for (uint32_t i = 0; i < VM_NICS_MAX; i++) {
		if (vm->dev.nic[i])
			pages_free(vm->dev.nic[i], sizeof(*vm->dev.nic[i]));
		vm->dev.nic[i] = NULL;
	}
}
