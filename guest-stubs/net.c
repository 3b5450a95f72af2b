/* Proves the network between VMs from their side. role=a leads: it finds `peers=` others by
 * broadcast, then has role=b send frames back, by polling and by interrupts that end halts, in
 * order and unchanged. role=c listens: it sees broadcasts and what is for nobody, and nothing of
 * what the others say to each other. Words: role=, peers= (default 1), polls=, rounds=, late_us= (a
 * round by interrupt, default 3000). */
#include <linux/if_ether.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/common/virtio.h"

#define VECTOR_NIC  0x50
#define RX          0u
#define TX          1u
#define BUFFER_SIZE 2048u
#define TIMEOUT_NS  (20 * NS_PER_SEC)
#define HELLO_NS    (2 * NS_PER_MS)
#define BURST       48u /* less than a port's queue */
#define LEN_MIN     60u
#define LEN_MAX     (ETH_FRAME_LEN + 4u)
#define HEADER_LEN  sizeof(struct virtio_net_hdr_v1)

enum kind {
	HELLO = 1,
	HERE,
	PING,
	PONG,
	BY_INTERRUPT,
	BURST_FRAME,
	BURST_END,
	BURST_SEEN,
	STRAY,
	BAD,
	BYE
};

struct message {
	struct virtio_net_hdr_v1 virtio;
	struct ethhdr eth;
	uint8_t kind, role;
	uint16_t len; /* of the frame, as it was sent */
	uint32_t number;
	uint8_t fill[BUFFER_SIZE - HEADER_LEN - ETH_HLEN - 8];
} __attribute__((packed));

static struct virtio nic;
static struct message rx[VIRTIO_RING_SIZE], tx;
static uint8_t mac[ETH_ALEN], mac_of_b[ETH_ALEN];
static const uint8_t everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t nobody[ETH_ALEN] = {0x02, 0, 0, 0, 0, 0x99};
static uint8_t role;
static bool is_by_interrupt;
static volatile unsigned interrupts;
static unsigned damaged; /* frames that are not as they were sent */

static void interrupted(struct trap_frame *frame)
{
	(void)frame;
	interrupts++;
	apic_eoi();
}

/* Gives receive buffer `id` to the device. */
static void give(unsigned id)
{
	struct virtio_ring *r = &nic.ring[RX];

	r->desc[id] = (struct vring_desc){
		.addr = (uintptr_t)&rx[id], .len = BUFFER_SIZE, .flags = VRING_DESC_F_WRITE};
	r->avail.ring[r->avail.idx % VIRTIO_RING_SIZE] = (uint16_t)id;
	__atomic_store_n(&r->avail.idx, (uint16_t)(r->avail.idx + 1), __ATOMIC_SEQ_CST);
	*(volatile uint16_t *)(nic.notify + RX * nic.notify_multiplier) = RX;
}

static void start(void)
{
	if (!virtio_find(&nic, VIRTIO_ID_NET, 0))
		bail("there is no NIC");
	if (!virtio_start(&nic, BIT_ULL(VIRTIO_NET_F_MAC), 2))
		bail("the NIC does not start");
	for (unsigned i = 0; i < ETH_ALEN; i++)
		mac[i] = nic.device[i];
	nic.ring[TX].avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (unsigned i = 0; i < VIRTIO_RING_SIZE; i++)
		give(i);
	trap_set(VECTOR_NIC, interrupted);
	virtio_set_vector(&nic, 0, VECTOR_NIC, false);
}

static void use_interrupts(void)
{
	virtio_enable_msix(&nic, true, false);
	is_by_interrupt = true;
}

static uint8_t fill_of(const struct message *m, unsigned i)
{
	return (uint8_t)(m->number * 3 + m->kind + i * 7);
}

static void send(const uint8_t *to, enum kind kind, uint32_t number, uint32_t len)
{
	const struct virtio_buffer buffer = {&tx, HEADER_LEN + len, false};

	memset(&tx.virtio, 0, sizeof(tx.virtio));
	memcpy(tx.eth.h_dest, to, ETH_ALEN);
	memcpy(tx.eth.h_source, mac, ETH_ALEN);
	tx.eth.h_proto = __builtin_bswap16(ETH_P_802_EX1);
	tx.kind = (uint8_t)kind;
	tx.role = role;
	tx.len = (uint16_t)len;
	tx.number = number;
	for (unsigned i = 0; i + offsetof(struct message, fill) < HEADER_LEN + len; i++)
		tx.fill[i] = fill_of(&tx, i);
	if (virtio_request(&nic, TX, &buffer, 1) != 0)
		bail("the NIC does not take a frame");
}

static void check(const struct message *m, uint32_t written)
{
	bool is_good = written == HEADER_LEN + m->len && m->virtio.num_buffers == 1;

	for (unsigned i = 0; i + offsetof(struct message, fill) < written; i++)
		is_good &= m->fill[i] == fill_of(m, i);
	damaged += !is_good;
}

/* The next frame, copied; false when `end` (ns) comes first. */
static bool receive(struct message *m, uint64_t end)
{
	struct virtio_ring *r = &nic.ring[RX];
	const struct vring_used_elem *used;

	if (is_by_interrupt)
		timer_arm(rdtsc() + clock_ns_to_tsc(end - clock_ns()));
	while (__atomic_load_n(&r->used.idx, __ATOMIC_ACQUIRE) == r->seen) {
		if (clock_ns() > end)
			return false;
		if (is_by_interrupt)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		else
			cpu_relax();
	}
	used = &r->used.ring[r->seen++ % VIRTIO_RING_SIZE];
	check(&rx[used->id], used->len);
	memcpy(m, &rx[used->id], offsetof(struct message, fill));
	give(used->id);
	return true;
}

static void expect(struct message *m, enum kind kind)
{
	do
		if (!receive(m, clock_ns() + TIMEOUT_NS))
			bail("%c: message %u does not come", role, kind);
	while (m->kind == HERE || m->kind == HELLO);
	if (m->kind != kind)
		bail("%c: message %u came, not %u", role, m->kind, kind);
}

static uint32_t len_of(uint32_t number)
{
	return number % 8 == 7 ? LEN_MAX : LEN_MIN + number * 37 % (LEN_MAX - LEN_MIN);
}

static void find_peers(unsigned peers)
{
	bool is_known[256] = {false};
	struct message m;

	while (peers) {
		uint64_t end = clock_ns() + HELLO_NS;

		send(everybody, HELLO, 0, LEN_MIN);
		while (peers && receive(&m, end)) {
			if (m.kind != HERE || is_known[m.role])
				continue;
			is_known[m.role] = true;
			peers--;
			if (m.role == 'b')
				memcpy(mac_of_b, m.eth.h_source, ETH_ALEN);
		}
	}
}

/* Frames to b and back, one after the other. The longest round, in ns. */
static uint64_t exchange(const char *how, uint32_t rounds, uint32_t *wrong)
{
	uint64_t longest = 0, sum = 0;
	struct message m;

	*wrong = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t before = clock_ns(), took;

		send(mac_of_b, PING, i, len_of(i));
		expect(&m, PONG);
		took = clock_ns() - before;
		*wrong +=
			m.number != i || m.len != len_of(i) || memcmp(m.eth.h_dest, mac, ETH_ALEN);
		longest = took > longest ? took : longest;
		sum += took;
	}
	diag("%s: %u rounds of %lu us, the longest %lu us", how, rounds, sum / rounds / NS_PER_US,
	     longest / NS_PER_US);
	return longest;
}

static void lead(void)
{
	uint32_t polls = (uint32_t)cmdline_u64("polls", 20), wrong;
	uint32_t rounds = (uint32_t)cmdline_u64("rounds", 200);
	uint64_t late_ns = cmdline_u64("late_us", 3000) * NS_PER_US, longest;
	struct message m;

	find_peers((unsigned)cmdline_u64("peers", 1));
	exchange("by polling", polls, &wrong);
	is(wrong, 0, "by polling: each comes back, in order");
	send(mac_of_b, BY_INTERRUPT, 0, LEN_MIN);
	use_interrupts();
	longest = exchange("by interrupt", rounds, &wrong);
	is(wrong, 0, "by interrupt: each comes back, in order");
	ok(interrupts, "interrupts have come");
	ok(longest < late_ns, "no round by interrupt was longer than %lu us", late_ns / NS_PER_US);
	for (uint32_t i = 0; i < BURST; i++)
		send(mac_of_b, BURST_FRAME, i, LEN_MIN);
	send(mac_of_b, BURST_END, 0, LEN_MIN);
	expect(&m, BURST_SEEN);
	is(m.number, BURST, "b has seen a burst, whole and in order");
	send(nobody, STRAY, 0, LEN_MIN);
	send(mac, BAD, 0, LEN_MIN);
	send(everybody, BAD, 0, ETH_HLEN - 1);
	send(everybody, BAD, 0, LEN_MAX + 1);
	send(everybody, BYE, 0, LEN_MIN);
}

/* Answers until the leader says goodbye. */
static void answer(struct message *m, unsigned counts[])
{
	uint32_t in_order = 0;

	do {
		if (!receive(m, clock_ns() + TIMEOUT_NS))
			bail("%c: nothing comes", role);
		counts[m->kind]++;
		if (m->kind == HELLO)
			send(m->eth.h_source, HERE, 0, LEN_MIN);
		if (role != 'b')
			continue;
		if (m->kind == PING)
			send(m->eth.h_source, PONG, m->number, m->len);
		else if (m->kind == BY_INTERRUPT)
			use_interrupts();
		else if (m->kind == BURST_FRAME)
			in_order += m->number == in_order;
		else if (m->kind == BURST_END)
			send(m->eth.h_source, BURST_SEEN, in_order, LEN_MIN);
	} while (m->kind != BYE);
}

static void follow(void)
{
	unsigned counts[256] = {0};
	struct message m;

	if (role == 'c')
		use_interrupts();
	answer(&m, counts);
	ok(counts[HELLO], "%c: a broadcast has come", role);
	is(counts[STRAY], 1, "%c: what is for an unknown station has come", role);
	is(counts[BAD], 0, "%c: nothing that is no frame, or not to be forwarded, has come", role);
	if (role == 'c')
		is(counts[PING] + counts[PONG] + counts[BURST_FRAME] + counts[HERE], 0,
		   "c: nothing has come of what the others said to each other");
}

void stub_main(void)
{
	role = cmdline_is("role", "b") ? 'b' : cmdline_is("role", "c") ? 'c' : 'a';
	timer_init();
	start();
	diag("%c: %02x:%02x:%02x:%02x:%02x:%02x", role, mac[0], mac[1], mac[2], mac[3], mac[4],
	     mac[5]);
	if (role == 'a')
		lead();
	else
		follow();
	is(damaged, 0, "%c: all that came was as it was sent", role);
}
