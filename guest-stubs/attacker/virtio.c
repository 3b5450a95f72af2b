/* Attacks by virtio's devices: large requests, many, notifications without end, floods. */
#include <linux/if_ether.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/pci.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/virtio.h"

#define SECTOR     512u
#define DATA_MAX   (8u << 20)
#define FRAME_LEN  1500u
#define HEADER_LEN sizeof(struct virtio_net_hdr_v1)
#define RX         0u
#define TX         1u

static struct virtio dev, other;
static uint8_t frames[VIRTIO_RING_SIZE][2048], frame[2048];
static struct virtio_blk_outhdr header;
static uint8_t status;
static uint32_t data_len;

static void find(uint16_t type, unsigned queues)
{
	if (!virtio_find(&dev, type, 0) || !virtio_start(&dev, 0, queues))
		bail("the device is not there");
	for (unsigned i = 0; i < queues; i++)
		dev.ring[i].avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
}

/* The same chain again, as often as the ring holds it. */
static void offer(struct virtio *v, unsigned queue, unsigned times)
{
	struct virtio_ring *r = &v->ring[queue];

	__atomic_store_n(&r->avail.idx, (uint16_t)(r->used.idx + times), __ATOMIC_SEQ_CST);
	*(volatile uint16_t *)(v->notify + queue * v->notify_multiplier) = (uint16_t)queue;
}

static void blk_begin(void)
{
	struct virtio_buffer buffers[3] = {{&header, sizeof(header), false},
					   {(void *)attack_memory(), 0, true},
					   {&status, 1, true}};

	find(VIRTIO_ID_BLOCK, 1);
	data_len = *(volatile uint32_t *)dev.device * SECTOR;
	data_len = data_len < DATA_MAX ? data_len : DATA_MAX;
	buffers[1].len = data_len;
	attack_tick(NS_PER_MS);
	virtio_send(&dev, 0, buffers, 3);
}

static bool is_idle(const struct virtio *v, unsigned queue)
{
	return __atomic_load_n(&v->ring[queue].used.idx, __ATOMIC_ACQUIRE) ==
	       v->ring[queue].avail.idx;
}

/* Halts while it is read; whatever is done is asked for again. */
static void blk(uint64_t n)
{
	attack_halt(n);
	if (is_idle(&dev, 0))
		offer(&dev, 0, VIRTIO_RING_SIZE);
}

static void blk_busy(uint64_t n)
{
	(void)n;
	offer(&dev, 0, VIRTIO_RING_SIZE);
}

static void rng_begin(void)
{
	const struct virtio_buffer buffer = {(void *)attack_memory(), 1u << 20, true};

	find(VIRTIO_ID_RNG, 1);
	attack_tick(100 * NS_PER_US);
	virtio_send(&dev, 0, &buffer, 1);
}

static void notify(uint64_t n)
{
	*(volatile uint16_t *)dev.notify = (uint16_t)n;
}

/* Frames out of one NIC, to everybody. The other NIC, if there is one, takes them. */
static void net_begin(void)
{
	const struct virtio_buffer buffer = {frame, HEADER_LEN + FRAME_LEN, false};
	struct ethhdr *eth = (struct ethhdr *)(frame + HEADER_LEN);

	find(VIRTIO_ID_NET, 2);
	memset(eth->h_dest, 0xff, ETH_ALEN);
	memset(eth->h_source, 2, ETH_ALEN);
	if (virtio_find(&other, VIRTIO_ID_NET, 1) && virtio_start(&other, 0, 2))
		for (unsigned i = 0; i < VIRTIO_RING_SIZE; i++) {
			other.ring[RX].desc[i] = (struct vring_desc){
				(uintptr_t)frames[i], sizeof(frames[i]), VRING_DESC_F_WRITE, 0};
			other.ring[RX].avail.ring[i] = (uint16_t)i;
		}
	virtio_send(&dev, TX, &buffer, 1);
}

static void net(uint64_t n)
{
	(void)n;
	offer(&dev, TX, VIRTIO_RING_SIZE);
	if (other.notify)
		offer(&other, RX, VIRTIO_RING_SIZE);
}

/* A flood of many addresses, which the switch learns. */
static void net_addresses(uint64_t n)
{
	struct ethhdr *eth = (struct ethhdr *)(frame + HEADER_LEN);
	uint64_t x = attack_random();

	memcpy(eth->h_source + 1, &x, ETH_ALEN - 1);
	net(n);
}

/* Takes what others flood. */
static void net_receive_begin(void)
{
	find(VIRTIO_ID_NET, 2);
	for (unsigned i = 0; i < VIRTIO_RING_SIZE; i++) {
		dev.ring[RX].desc[i] = (struct vring_desc){(uintptr_t)frames[i], sizeof(frames[i]),
							   VRING_DESC_F_WRITE, 0};
		dev.ring[RX].avail.ring[i] = (uint16_t)i;
	}
	attack_tick(100 * NS_PER_US);
	offer(&dev, RX, VIRTIO_RING_SIZE);
}

static void net_receive(uint64_t n)
{
	attack_halt(n);
	offer(&dev, RX, VIRTIO_RING_SIZE);
}

/* Takes the device away and gives it back. */
static void reset_device(uint64_t n)
{
	(void)n;
	virtio_start(&dev, 0, 1);
	offer(&dev, 0, 1);
}

static void console_begin(void)
{
	memset((void *)attack_memory(), 'v', 1u << 20);
	find(VIRTIO_ID_CONSOLE, 2);
}

static void console(uint64_t n)
{
	const struct virtio_buffer buffer = {(void *)attack_memory(), 1u << 20, false};

	if (n)
		offer(&dev, TX, VIRTIO_RING_SIZE);
	else
		virtio_send(&dev, TX, &buffer, 1);
}

/* BARs that move, onto each other and away. */
static void bars(uint64_t n)
{
	uint32_t slot = dev.slot;

	for (unsigned bar = 0; bar < 6; bar++)
		pci_write32(slot, PCI_BASE_ADDRESS_0 + 4 * bar,
			    (uint32_t)(0xe0000000 + (n & 255) * 0x10000));
	pci_write16(slot, PCI_COMMAND, (uint16_t)(n & 1 ? 0 : PCI_COMMAND_MEMORY));
	pci_write32(slot, PCI_BASE_ADDRESS_0, (uint32_t)attack_random());
}

static void bars_begin(void)
{
	find(VIRTIO_ID_RNG, 1);
}

const struct attack attacks_by_virtio[] = {
	{"virtio-blk", blk_begin, blk, NULL},
	{"virtio-blk-busy", blk_begin, blk_busy, NULL},
	{"virtio-rng", rng_begin, blk, NULL},
	{"virtio-rng-busy", rng_begin, blk_busy, NULL},
	{"virtio-notify", bars_begin, notify, NULL},
	{"virtio-reset", rng_begin, reset_device, NULL},
	{"virtio-console", console_begin, console, NULL},
	{"net-flood", net_begin, net, NULL},
	{"net-addresses", net_begin, net_addresses, NULL},
	{"net-receive", net_receive_begin, net_receive, NULL},
	{"pci-bars", bars_begin, bars, NULL},
	{NULL},
};
