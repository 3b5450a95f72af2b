/* Virtio block, network, console and entropy with a driver that keeps no rule: the first byte says
 * which device, the rest is what the driver does: descriptors, direct and indirect, indices,
 * requests, registers of all widths, notifications, time, frames and typed bytes from outside. A
 * device answers no more bits than were asked for, leaves a read-only disk alone, and makes a
 * bounded number of accesses to the guest's memory in one turn. */
#include "virtio_rig.h"

#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_net.h"
#include "devices/virtio_rng.h"
#include "snapshot.h"

#define DISK_SIZE    8192u
#define STEPS_MAX    96u
#define ACCESSES_MAX 20000u /* of guest memory, in one step */
#define PAGES        (FAKE_RAM_SIZE / 4096)

enum kind { BLK, BLK_READ_ONLY, NET, CONSOLE, RNG, KINDS };

static union {
	struct virtio_blk blk;
	struct virtio_console console;
	struct virtio_rng rng;
} dev;
static struct virtio_net net;
static struct netswitch lan;
static struct netport peer;
static uint8_t *disk;
static unsigned accesses;
static uint8_t dirty[PAGES];
static struct snapshot snapshot[KINDS];
static const struct platform_ops *fake_ops;
static struct platform_ops ops;

/* --- memory whose touched pages are cleared after each run --- */

static void touch(uint64_t at, size_t len)
{
	if (at < FAKE_RAM_SIZE && len)
		memset(dirty + at / 4096, 1,
		       (MIN(at + len, FAKE_RAM_SIZE) - 1) / 4096 - at / 4096 + 1);
}

static void clear_touched(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (dirty[i])
			memset(rig.fake.ram + i * 4096, 0, 4096);
	memset(dirty, 0, sizeof(dirty));
}

static int count_read(void *ctx, gpa_t from, void *to, size_t len)
{
	accesses++;
	return fake_ops->gmem_read(ctx, from, to, len);
}

static int count_write(void *ctx, gpa_t to, const void *from, size_t len)
{
	int err = fake_ops->gmem_write(ctx, to, from, len);

	accesses++;
	if (!err)
		touch(to.v, len);
	return err;
}

static void *count_ptr(void *ctx, gpa_t at, size_t len)
{
	void *ptr = fake_ops->gmem_ptr(ctx, at, len);

	accesses++;
	if (ptr)
		touch(at.v, len);
	return ptr;
}

static void put(uint64_t at, const void *bytes, size_t len)
{
	if (at < FAKE_RAM_SIZE && len <= FAKE_RAM_SIZE - at) {
		memcpy(rig.fake.ram + at, bytes, len);
		touch(at, len);
	}
}

/* --- the devices --- */

static void peer_ready(void *owner)
{
	(void)owner;
}

static void add_device(enum kind kind)
{
	static const uint8_t mac[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
	struct platform *platform = &rig.fake.platform;
	struct virtio_blk_disk image = {
		.data = disk, .size = DISK_SIZE, .is_read_only = kind == BLK_READ_ONLY};
	int err = 0;

	switch (kind) {
	case BLK:
	case BLK_READ_ONLY:
		err = virtio_blk_add(&dev.blk, platform, &pci_rig.pci, SLOT, &image);
		break;
	case NET:
		memset(&net, 0, sizeof(net));
		err = virtio_net_add(&net, platform, &pci_rig.pci, SLOT, &lan, mac);
		break;
	case CONSOLE:
		err = virtio_console_add(&dev.console, platform, &pci_rig.pci, SLOT);
		break;
	default:
		err = virtio_rng_add(&dev.rng, platform, &pci_rig.pci, SLOT);
		break;
	}
	REQUIRE(!err);
}

/* All but the guest's RAM and the frames in queues, which `count` says are none. */
static void prepare(enum kind kind)
{
	struct snapshot *s = &snapshot[kind];

	if (s->count) {
		clear_touched();
		snapshot_restore(s);
		return;
	}
	if (!disk)
		disk = malloc(DISK_SIZE);
	memset(&dev, 0, sizeof(dev));
	memset(&peer, 0, sizeof(peer));
	pci_rig_init();
	fake_ops = rig.fake.platform.ops;
	ops = *fake_ops;
	ops.gmem_read = count_read;
	ops.gmem_write = count_write;
	ops.gmem_ptr = count_ptr;
	rig.fake.platform.ops = &ops;
	netswitch_init(&lan);
	netport_join(&peer, &lan, peer_ready, NULL);
	netport_set_link(&peer, true);
	add_device(kind);
	drv_find();
	memset(disk, 0x5a, DISK_SIZE);
	memset(dirty, 0, sizeof(dirty));
	rig.fake.look_ticks = WORK_NS / 100;
	snapshot_add(s, &rig.fake, offsetof(struct fake_platform, ram));
	snapshot_add(s, &rig.bus, sizeof(rig) - offsetof(struct rig, bus));
	snapshot_add(s, &pci_rig, sizeof(pci_rig));
	snapshot_add(s, &drv, sizeof(drv));
	snapshot_add(s, &dev, sizeof(dev));
	snapshot_add(s, &net, offsetof(struct virtio_net, port.frame));
	snapshot_add(s, &lan, sizeof(lan));
	snapshot_add(s, &peer, offsetof(struct netport, frame));
	snapshot_add(s, disk, DISK_SIZE);
}

/* --- the driver --- */

/* Mostly where something is: a page of buffers, a ring, RAM's end; or anywhere. */
static uint64_t take_address(struct input *in)
{
	uint8_t where = take8(in);

	switch (where >> 6) {
	case 0:
		return BUFFERS + (where & 0x3f) * 0x100u;
	case 1:
		return ring_at(where & 3) + (where >> 2 & 7) * 0x800u + take8(in);
	case 2:
		return FAKE_RAM_SIZE - (where & 0x3f) * 4u;
	default:
		return take64(in);
	}
}

static void begin(struct input *in, uint32_t queues)
{
	uint64_t features = drv_offered();
	uint8_t how = take8(in);

	SET(device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	drv_accept(how & 1 ? take64(in) : features & ~(uint64_t)(how & 2 ? take32(in) << 28 : 0));
	SET(device_status, ALL_OK);
	for (uint32_t q = 0; q < queues; q++)
		drv_set_queue(q, how & 4 ? take16(in) : RING_SIZE);
	if (how & 8)
		use_msix();
	SET(device_status, ALL_OK | (how & 16 ? 0 : VIRTIO_CONFIG_S_DRIVER_OK));
}

static void put_descriptor(struct input *in, uint8_t what)
{
	uint8_t flags = take8(in);
	struct vring_desc desc = {.addr = take_address(in),
				  .len = flags & 0x80 ? take32(in) : take16(in),
				  .flags = flags & 0x7f,
				  .next = take8(in) % (RING_SIZE + 2)};
	uint64_t table = what & 0x10 ? BUFFERS + 0x800 : ring_at(what & 3);

	put(table + (what >> 2 & 3) * 4u * sizeof(desc) + (take8(in) & 3) * sizeof(desc), &desc,
	    sizeof(desc));
}

static void put_available(struct input *in, unsigned q)
{
	uint16_t count = take8(in) & 7, idx;

	for (unsigned i = 0; i < count; i++) {
		uint16_t head = take8(in);

		put(ring_at(q) + AVAIL_AT + 4 + drv.avail_idx[q]++ % RING_SIZE * 2u, &head, 2);
	}
	idx = count ? drv.avail_idx[q] : take16(in);
	put(ring_at(q) + AVAIL_AT + 2, &idx, 2);
}

static void put_request(struct input *in)
{
	struct virtio_blk_outhdr header = {.type = take8(in) & 0x8f};
	uint8_t sector = take8(in);
	uint64_t at = BUFFERS + take8(in) * 0x100u;

	/* Mostly on the disk, or just behind its end. */
	header.sector = sector & 0x80 ? take64(in) : sector % (DISK_SIZE / 512 + 2);
	put(at, &header, sizeof(header));
	header.sector = take64(in);
	put(at + 0x100, &header.sector, 8);
}

/* A register of the device's BARs or of its configuration space. */
static void access_register(struct input *in, uint8_t what)
{
	static const uint8_t width[] = {1, 2, 4, 8};
	unsigned size = width[what & 3];
	uint64_t value = ~0ull, at;

	if (what & 4) {
		uint8_t reg = take8(in);

		size = MIN(size, 4u);
		if (what & 8)
			config_out(SLOT, reg, size, take32(in));
		else
			REQUIRE(config_in(SLOT, reg, size) <= bus_unclaimed(size));
		return;
	}
	switch (take8(in) & 3) {
	case 0:
		at = drv.common + take8(in) % 0x44;
		break;
	case 1:
		at = drv.device + take8(in) % 0x44;
		break;
	case 2:
		at = drv.msix + take16(in) % 4100;
		break;
	default:
		at = drv.notify + take16(in) % 4100;
		break;
	}
	if (what & 8)
		(void)!bus_write(&pci_rig.mmio, at, size, take64(in) & bus_unclaimed(size));
	else if (bus_read(&pci_rig.mmio, at, size, &value))
		REQUIRE(value <= bus_unclaimed(size));
}

static void from_outside(struct input *in, enum kind kind)
{
	uint8_t frame[NET_FRAME_MAX] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	if (kind == NET) {
		netport_send(&peer, frame,
			     NET_FRAME_MIN + take16(in) % (NET_FRAME_MAX - NET_FRAME_MIN),
			     rig.fake.now);
		fake_platform_run_calls(&rig.fake);
		while (netport_peek(&peer))
			netport_take(&peer, true);
	} else if (kind == CONSOLE) {
		for (unsigned n = take8(in) & 15; n; n--)
			(void)!virtio_console_receive(&dev.console, (uint8_t)n);
	}
}

static void one_step(struct input *in, enum kind kind, uint32_t queues)
{
	uint8_t what = take8(in);
	unsigned q = what % queues;

	accesses = 0;
	switch (what >> 5) {
	case 0:
	case 1:
		put_descriptor(in, what);
		break;
	case 2:
		put_available(in, q);
		break;
	case 3:
		(void)!bus_write(&pci_rig.mmio, drv.notify + q * drv.multiplier, 2, q);
		break;
	case 4:
		put_request(in);
		break;
	case 5:
		access_register(in, what);
		break;
	case 6:
		from_outside(in, kind);
		break;
	default:
		a_turn();
		break;
	}
	REQUIRE(accesses < ACCESSES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t queues[KINDS] = {1, 1, 2, 2, 1};
	struct input in = {data, size};
	enum kind kind = (enum kind)(take8(&in) % KINDS);

	prepare(kind);
	begin(&in, queues[kind]);
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
		one_step(&in, kind, queues[kind]);
	if (kind == BLK_READ_ONLY)
		for (unsigned i = 0; i < DISK_SIZE; i++)
			REQUIRE(disk[i] == 0x5a);
	return 0;
}
