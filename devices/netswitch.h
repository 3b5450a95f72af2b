/* An Ethernet switch between NICs: it learns which addresses are behind which port and sends a
 * frame there alone, or to all ports while it does not know ('IEEE Standard for Local and
 * metropolitan area networks: Media Access Control (MAC) Bridges', 'Principles of Bridge
 * Operation').
 *
 * Locking: the switch has a lock of its own. A sender may hold its VM's lock; no other VM's is
 * taken for it. A frame waits in the queue of its port until the receiver has been told by `ready`
 * and takes it, with its own VM's lock held. Full queues drop what comes: nobody waits for a slow
 * receiver.
 *
 * Legend: (i) immutable after creation, (s) under the switch's lock. */
#ifndef DEVICES_NETSWITCH_H
#define DEVICES_NETSWITCH_H

#include <linux/if_ether.h>

#include "lib/list.h"
#include "lib/spinlock.h"

/* Without the check sequence, which no frame has here. Padding to 60 bytes is a wire's matter. */
#define NET_FRAME_MIN ETH_HLEN
#define NET_FRAME_MAX (ETH_FRAME_LEN + 4u) /* 4: an 802.1Q tag */

#define NETPORT_FRAMES    64u /* a power of two */
#define NETPORT_ADDRESSES 8u

/* 'Ageing Time': the recommended 300 s. */
#define NET_AGEING_NS (300 * NSEC_PER_SEC)

struct netframe {
	uint16_t len;
	uint8_t data[NET_FRAME_MAX];
};

/* An address that has sent from a port. */
struct netaddress {
	uint64_t mac;  /* its bytes; 0: there is none */
	uint64_t seen; /* ns */
};

/* Received and sent as the guest sees it. Dropped: for want of room; and malformed. */
struct netport_counters {
	uint64_t rx_frames, rx_bytes, rx_drops;
	uint64_t tx_frames, tx_bytes, tx_drops;
};

struct netswitch {
	struct spinlock lock; /* rank LOCK_SWITCH */
	struct list ports;    /* (s) */
};

struct netport {
	struct netswitch *sw;                         /* (i) */
	void (*ready)(void *owner);                   /* (i) see netport_join */
	void *owner;                                  /* (i) */
	struct list node;                             /* (s) */
	bool is_plugged;                              /* (s) it has joined and not left */
	bool is_up;                                   /* (s) */
	struct netport_counters counters;             /* (s) */
	struct netaddress address[NETPORT_ADDRESSES]; /* (s) */
	uint32_t head, count;                         /* (s) of the queue */
	/* (s); the one at `head`, while there is one, is the receiver's. */
	struct netframe frame[NETPORT_FRAMES];
};

void netswitch_init(struct netswitch *sw);

/* A port of cleared memory, with its link down. `ready(owner)` is called by senders, with the
 * switch's lock held, when a frame comes into the empty queue: it takes no lock of rank LOCK_SWITCH
 * or below, and has the receiver look soon. */
void netport_join(struct netport *port, struct netswitch *sw, void (*ready)(void *owner),
		  void *owner);

/* From now on nothing comes and nothing is sent; for good. Any pCPU, also while the receiver takes
 * a frame. */
void netport_leave(struct netport *port);

/* The link. Down: the queue is emptied, and the addresses are forgotten. By the receiver. */
void netport_set_link(struct netport *port, bool is_up);

/* A frame from this port, at time `now` of a clock that all ports share, in nanoseconds. Counted as
 * dropped when it is too short, too long, or from a group address. It is copied to each other port
 * at the most, of which a switch has two a VM: that bounds what it takes. */
void netport_send(struct netport *port, const void *frame, uint32_t len, uint64_t now);

/* One that could not even be sent is counted. */
void netport_drop_sent(struct netport *port);

/* The oldest frame in the queue, or NULL. It stays until the receiver says what became of it. */
const struct netframe *netport_peek(struct netport *port);
void netport_take(struct netport *port, bool is_delivered);

void netport_read_counters(struct netport *port, struct netport_counters *counters);

#endif
