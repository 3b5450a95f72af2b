/* The board's system control ports. */
#include "devices/isa.h"
#include "devices/pci.h"
#include "devices/sysctl.h"
#include "lib/string.h"

enum {
	PORT_A = 0x92,
	PORT_A_INIT_NOW = 0x01,
	PORT_A_A20 = 0x02,

	RESET_CONTROL = 0xcf9,
	SYS_RST = 0x02,
	RST_CPU = 0x04,
	FULL_RST = 0x08,

	CONFIG_ADDRESS = 0xcf8,
};

static void sysctl_reset(struct sysctl *sysctl)
{
	sysctl->platform->ops->end(sysctl->platform->ctx, VM_END_RESET, 0);
}

uint8_t sysctl_read(struct sysctl *sysctl, uint16_t port)
{
	return port == PORT_A ? sysctl->port92 : sysctl->reset_control;
}

void sysctl_write(struct sysctl *sysctl, uint16_t port, uint8_t value)
{
	if (port == PORT_A) {
		uint8_t changed = value ^ sysctl->port92;

		sysctl->port92 = value & (PORT_A_INIT_NOW | PORT_A_A20);
		if (changed & ~value & PORT_A_A20)
			sysctl->platform->ops->note(
				sysctl->platform->ctx,
				"port 0x92: A20 off; addresses do not wrap at 1 MiB here");
		if (changed & value & PORT_A_INIT_NOW)
			sysctl_reset(sysctl);
	} else if (port == RESET_CONTROL) {
		bool is_rising = value & ~sysctl->reset_control & RST_CPU;

		/* 'A transition of this bit from 0 to 1' resets; SYS_RST says how hard. */
		sysctl->reset_control = value & (SYS_RST | RST_CPU | FULL_RST);
		if (is_rising)
			sysctl_reset(sysctl);
	}
}

void sysctl_init(struct sysctl *sysctl, struct platform *platform)
{
	memset(sysctl, 0, sizeof(*sysctl));
	sysctl->platform = platform;
	sysctl->port92 = PORT_A_A20;
}

/* 'Anytime a host bridge sees a full DWORD I/O write from the host to CONFIG_ADDRESS, the bridge
 * must latch the data'; all other accesses are ordinary ones. */
static uint64_t reset_bus_read(void *dev, uint64_t offset, unsigned size)
{
	const struct sysctl *sysctl = dev;

	if (size == 4 && sysctl->pci)
		return pci_read_address(sysctl->pci);
	if (offset != RESET_CONTROL - CONFIG_ADDRESS || size != 1)
		return bus_unclaimed(size);
	return sysctl_read(dev, RESET_CONTROL);
}

static void reset_bus_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	const struct sysctl *sysctl = dev;

	if (size == 4 && sysctl->pci)
		pci_write_address(sysctl->pci, (uint32_t)value);
	else if (offset == RESET_CONTROL - CONFIG_ADDRESS && size == 1)
		sysctl_write(dev, RESET_CONTROL, (uint8_t)value);
}

/* The two ports below are written to pass time (Linux's io_delay), often: one byte of memory, whose
 * access is atomic by itself, so that no lock is needed. */
static uint8_t post_read(uint8_t *byte, uint16_t port)
{
	(void)port;
	return __atomic_load_n(byte, __ATOMIC_RELAXED);
}

static void post_write(uint8_t *byte, uint16_t port, uint8_t value)
{
	(void)port;
	__atomic_store_n(byte, value, __ATOMIC_RELAXED);
}

ISA_BYTE_PORTS(port92, sysctl, PORT_A)
ISA_BYTE_PORTS(post, post, 0)

int sysctl_attach(struct sysctl *sysctl, struct bus *ports)
{
	const struct bus_region regions[] = {
		{.base = 0x80,
		 .len = 1,
		 .dev = &sysctl->post,
		 .read = post_bus_read,
		 .write = post_bus_write,
		 .name = "POST code"},
		{.base = 0xed,
		 .len = 1,
		 .dev = &sysctl->delay,
		 .read = post_bus_read,
		 .write = post_bus_write,
		 .name = "delay"},
		{.base = PORT_A,
		 .len = 1,
		 .dev = sysctl,
		 .read = port92_bus_read,
		 .write = port92_bus_write,
		 .name = "port 0x92"},
		{.base = CONFIG_ADDRESS,
		 .len = 4,
		 .dev = sysctl,
		 .read = reset_bus_read,
		 .write = reset_bus_write,
		 .name = "reset control"},
	};
	int error = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(regions) && !error; i++)
		error = bus_add(ports, &regions[i]);
	return error;
}
