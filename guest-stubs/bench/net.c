/* Two VMs on one LAN that halt until the other's frame comes.
 *
 *  pingpong_vms: a frame there and one back, told by role=a
 *
 * As a driver would, and no more: one notification for each frame, none for the buffers that are
 * given back, an interrupt by MSI-X. Role b is there when a finds it by asking until it is
 * answered. */
#include <linux/if_ether.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "guest-stubs/bench/measure.h"
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/bench_irq.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/virtio.h"

#define RX          0u
#define TX          1u
#define BUFFER_SIZE 2048u
#define ASK_NS      (2 * NS_PER_MS)
#define LAST        UINT32_MAX

struct frame {
	struct virtio_net_hdr_v1 virtio;
	struct ethhdr eth;
	uint32_t number;
	uint8_t rest[ETH_ZLEN - ETH_HLEN - 4];
} __attribute__((packed));

static struct virtio nic;
static uint8_t rx[VIRTIO_RING_SIZE][BUFFER_SIZE];
static struct frame tx;

static void put(unsigned queue, unsigned id)
{
	struct virtio_ring *r = &nic.ring[queue];

	r->avail.ring[r->avail.idx % VIRTIO_RING_SIZE] = (uint16_t)id;
	__atomic_store_n(&r->avail.idx, (uint16_t)(r->avail.idx + 1), __ATOMIC_SEQ_CST);
}

static void notify(unsigned queue)
{
	*(volatile uint16_t *)(nic.notify + queue * nic.notify_multiplier) = (uint16_t)queue;
}

static bool start(void)
{
	if (!virtio_find(&nic, VIRTIO_ID_NET, 0))
		return false;
	if (!virtio_start(&nic, BIT_ULL(VIRTIO_NET_F_MAC), 2))
		bail("the NIC does not start");
	for (unsigned i = 0; i < ETH_ALEN; i++)
		tx.eth.h_source[i] = nic.device[i];
	memset(tx.eth.h_dest, 0xff, ETH_ALEN);
	tx.eth.h_proto = __builtin_bswap16(ETH_P_802_EX1);
	nic.ring[TX].avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
	nic.ring[TX].desc[0] = (struct vring_desc){.addr = (uintptr_t)&tx, .len = sizeof(tx)};
	for (unsigned i = 0; i < VIRTIO_RING_SIZE; i++) {
		nic.ring[RX].desc[i] = (struct vring_desc){
			.addr = (uintptr_t)rx[i], .len = BUFFER_SIZE, .flags = VRING_DESC_F_WRITE};
		put(RX, i);
	}
	notify(RX);
	apic_enable(apic_has_x2apic());
	bench_irq_init(VECTOR_BENCH);
	virtio_set_vector(&nic, 0, VECTOR_BENCH, false);
	virtio_enable_msix(&nic, true, false);
	return true;
}

static void send(uint32_t number)
{
	tx.number = number;
	put(TX, 0);
	notify(TX);
}

static bool has_frame(void)
{
	return __atomic_load_n(&nic.ring[RX].used.idx, __ATOMIC_ACQUIRE) != nic.ring[RX].seen;
}

/* Halts until a frame is there; its number. */
static uint32_t receive(void)
{
	const struct vring_used_elem *used;
	struct frame *frame;
	uint32_t number;

	while (!has_frame())
		irq_enable_and_halt();
	used = &nic.ring[RX].used.ring[nic.ring[RX].seen++ % VIRTIO_RING_SIZE];
	frame = (struct frame *)rx[used->id];
	number = frame->number;
	memcpy(tx.eth.h_dest, frame->eth.h_source, ETH_ALEN);
	put(RX, used->id);
	return number;
}

static void play(uint32_t number)
{
	send(number);
	receive();
}

static void lead(void)
{
	uint64_t wrong = 0;

	/* The other may not be there yet. Later answers to the same question do no harm. */
	while (!has_frame()) {
		send(0);
		clock_spin_ns(ASK_NS);
		irq_window();
	}
	while (has_frame())
		receive();
	irq_window();
	for (uint32_t i = 1; i <= WARM_UP; i++) {
		send(i);
		wrong += receive() != i;
	}
	is(wrong, 0, "each frame comes back, in order");
	BENCH("pingpong_vms", play(1));
	send(LAST);
}

void bench_net(void)
{
	uint32_t number;

	if (!start()) {
		diag("no NIC: its row is left out");
		return;
	}
	if (!cmdline_is("role", "b")) {
		lead();
		return;
	}
	while ((number = receive()) != LAST) {
		/* The first one may have come before the halt, and its interrupt is due still. */
		if (!number)
			irq_window();
		send(number);
	}
}
