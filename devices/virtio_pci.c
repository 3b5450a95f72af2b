/* Virtio over PCI: the capabilities and the structures in BAR 0. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "devices/virtio_pci.h"
#include "lib/string.h"

#define VIRTIO_VENDOR         0x1af4u
#define VIRTIO_DEVICE_BASE    0x1040u /* 'plus the Virtio Device ID' */
#define MODERN_REVISION       1u
#define BAR_STRUCTURES        0u
#define BAR_MSIX              1u
#define STRUCTURE_SIZE        0x1000u
#define BAR_SIZE              (4 * STRUCTURE_SIZE)
#define AT_COMMON             0x0000u
#define AT_ISR                0x1000u
#define AT_DEVICE             0x2000u
#define AT_NOTIFY             0x3000u
#define NOTIFY_OFF_MULTIPLIER 4u
#define VECTORS               (VIRTIO_QUEUES_MAX + 1)
#define ISR_QUEUE             BIT(0)

_Static_assert(VECTORS <= PCI_VECTORS_MAX, "one for each queue and one for the configuration");

static struct virtio_pci *transport_of(struct virtio_device *dev)
{
	return dev->carrier;
}

void virtio_pci_set_isr(struct virtio_pci *t, uint8_t isr)
{
	t->isr = isr;
	pci_set_intx(&t->function, isr);
}

/* 'If MSI-X capability is disabled', the ISR says what the INTx is for. */
static void interrupt(struct virtio_device *dev, const struct virtqueue *vq)
{
	struct virtio_pci *t = transport_of(dev);

	if (pci_is_msix_enabled(&t->function))
		pci_msix_raise(&t->function, vq ? vq->vector : t->config_vector);
	else
		virtio_pci_set_isr(t, t->isr | (vq ? ISR_QUEUE : VIRTIO_PCI_ISR_CONFIG));
}

static const struct virtio_transport_ops transport_ops = {.interrupt = interrupt};

static uint64_t read_device(const struct virtio_device *dev, uint32_t at, unsigned size)
{
	uint64_t value = 0;

	if (at < dev->config_len)
		memcpy(&value, (const uint8_t *)dev->config + at,
		       MIN((uint32_t)size, dev->config_len - at));
	return value;
}

static uint64_t bar_read(void *owner, uint64_t offset, unsigned size)
{
	struct virtio_pci *t = owner;
	uint32_t at = (uint32_t)offset % STRUCTURE_SIZE;
	uint8_t isr = t->isr;

	switch (ALIGN_DOWN((uint32_t)offset, STRUCTURE_SIZE)) {
	case AT_COMMON:
		return virtio_pci_read_common(t, at, size);
	case AT_ISR:
		if (at)
			return 0;
		/* 'The device MUST reset ISR status to 0 on driver read'. */
		virtio_pci_set_isr(t, 0);
		return isr;
	case AT_DEVICE:
		return read_device(t->dev, at, size);
	default:
		return 0;
	}
}

static void bar_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_pci *t = owner;
	uint32_t at = (uint32_t)offset % STRUCTURE_SIZE;

	switch (ALIGN_DOWN((uint32_t)offset, STRUCTURE_SIZE)) {
	case AT_COMMON:
		virtio_pci_write_common(t, at, size, value);
		break;
	case AT_NOTIFY:
		if (at % NOTIFY_OFF_MULTIPLIER == 0)
			virtio_notify(t->dev, at / NOTIFY_OFF_MULTIPLIER);
		break;
	}
}

/* 'PCI configuration access capability': a window to the BARs for software that cannot reach them.
 * What the guest wrote into the capability says where, and pci_cfg_data is the window. */
static bool is_window(const struct virtio_pci *t, unsigned at, uint32_t where[3])
{
	unsigned cap = t->config_access;

	where[0] = pci_get(&t->function, cap + VIRTIO_PCI_CAP_BAR, 1);
	where[1] = pci_get(&t->function, cap + VIRTIO_PCI_CAP_OFFSET, 4);
	where[2] = pci_get(&t->function, cap + VIRTIO_PCI_CAP_LENGTH, 4);
	return at == cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data) &&
	       (where[2] == 1 || where[2] == 2 || where[2] == 4);
}

static void before_read(struct pci_function *f, unsigned at, unsigned size)
{
	struct virtio_pci *t = f->owner;
	uint32_t where[3];
	uint64_t value;

	(void)size;
	if (is_window(t, at, where) && pci_bar_read(f, where[0], where[1], where[2], &value))
		pci_put(f, at, where[2], (uint32_t)value);
}

static void after_write(struct pci_function *f, unsigned at, unsigned size)
{
	struct virtio_pci *t = f->owner;
	uint32_t where[3];

	if (is_window(t, at, where) && size >= where[2])
		pci_bar_write(f, where[0], where[1], where[2], pci_get(f, at, where[2]));
}

static const struct pci_hooks hooks = {.before_read = before_read, .after_write = after_write};

static unsigned add_structure(struct pci_function *f, uint8_t type, uint32_t at, unsigned len)
{
	struct virtio_pci_notify_cap cap = {
		.cap = {.cap_len = (uint8_t)len,
			.cfg_type = type,
			.bar = BAR_STRUCTURES,
			.offset = at,
			.length = STRUCTURE_SIZE},
		.notify_off_multiplier = NOTIFY_OFF_MULTIPLIER,
	};

	return pci_add_capability(f, PCI_CAP_ID_VNDR, &cap, len);
}

static void add_config_access(struct virtio_pci *t)
{
	struct virtio_pci_cfg_cap cap = {
		.cap = {.cap_len = sizeof(cap), .cfg_type = VIRTIO_PCI_CAP_PCI_CFG}};
	unsigned at = pci_add_capability(&t->function, PCI_CAP_ID_VNDR, &cap, sizeof(cap));

	memset(t->function.writable + at + VIRTIO_PCI_CAP_BAR, 0xff, 1);
	memset(t->function.writable + at + VIRTIO_PCI_CAP_OFFSET, 0xff,
	       sizeof(cap) - VIRTIO_PCI_CAP_OFFSET);
	t->config_access = (uint8_t)at;
}

int virtio_pci_add(struct virtio_pci *t, struct pci_bus *bus, uint32_t slot,
		   struct virtio_device *dev, uint32_t class_code)
{
	const struct pci_id id = {
		.vendor = VIRTIO_VENDOR,
		.device = (uint16_t)(VIRTIO_DEVICE_BASE + dev->type),
		.subsystem_vendor = VIRTIO_VENDOR,
		.subsystem = (uint16_t)(VIRTIO_DEVICE_BASE + dev->type),
		.class_code = class_code,
		.revision = MODERN_REVISION,
		.has_intx = true,
	};
	const struct pci_bar bar = {
		.len = BAR_SIZE, .dev = t, .read = bar_read, .write = bar_write};
	struct pci_function *f = &t->function;

	*t = (struct virtio_pci){0};
	t->dev = dev;
	t->config_vector = VIRTIO_MSI_NO_VECTOR;
	dev->transport = &transport_ops;
	dev->carrier = t;
	pci_function_init(f, dev->name, &id);
	f->owner = t;
	f->hooks = &hooks;
	pci_set_bar(f, BAR_STRUCTURES, &bar);
	pci_add_msix(f, BAR_MSIX, VECTORS);
	add_structure(f, VIRTIO_PCI_CAP_COMMON_CFG, AT_COMMON, sizeof(struct virtio_pci_cap));
	add_structure(f, VIRTIO_PCI_CAP_ISR_CFG, AT_ISR, sizeof(struct virtio_pci_cap));
	add_structure(f, VIRTIO_PCI_CAP_DEVICE_CFG, AT_DEVICE, sizeof(struct virtio_pci_cap));
	add_structure(f, VIRTIO_PCI_CAP_NOTIFY_CFG, AT_NOTIFY,
		      sizeof(struct virtio_pci_notify_cap));
	add_config_access(t);
	return pci_add(bus, f, slot);
}
