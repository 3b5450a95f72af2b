/* The large pieces of an image that are still to be put into a guest's memory. A loader notes them,
 * and who starts the guest copies them step by step, so that no large image keeps a pCPU. Pure. */
#ifndef GUEST_FILL_H
#define GUEST_FILL_H

#include "guest/gmem.h"

/* A step copies so many bytes, and a piece that is no larger is not worth being noted. */
#define GUEST_FILL_STEP KIB(16)
#define GUEST_FILL_MAX  256u

struct guest_fill {
	uint32_t count, next;
	uint64_t done; /* bytes of piece `next` */
	struct {
		gpa_t to;
		const uint8_t *from; /* stays there until the end; NULL: zeros */
		uint64_t len;
	} piece[GUEST_FILL_MAX];
};

/* Notes a piece. -EFAULT when any byte is not RAM, -ENOSPC. */
int __must_check guest_fill_add(struct guest_fill *fill, const struct gmem *gmem, gpa_t to,
				const void *from, uint64_t len);

/* Copies the next bytes; false when nothing was left. */
bool guest_fill_step(struct guest_fill *fill, const struct gmem *gmem);

#endif
