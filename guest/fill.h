/* The pieces of an image's files that are still to be put into a guest's memory. A loader notes
 * them, and who starts the guest copies them step by step, so that no image keeps a pCPU, whether
 * it is large or of many pieces. Pure. */
#ifndef GUEST_FILL_H
#define GUEST_FILL_H

#include "guest/gmem.h"

/* A step copies so many bytes, of one piece. */
#define GUEST_FILL_STEP KIB(16)
/* More than an image can have: loader/image.c. */
#define GUEST_FILL_MAX  1200u

struct guest_fill {
	uint32_t count, next;
	uint64_t done; /* bytes of piece `next` */
	struct {
		gpa_t to;
		const uint8_t *from; /* stays there until the end; NULL: zeros */
		uint64_t len;
	} piece[GUEST_FILL_MAX];
};

/* Forgets what was noted, also when it is half done. */
void guest_fill_begin(struct guest_fill *fill);

/* Notes a piece. -EFAULT when any byte is not RAM, -ENOSPC. */
int __must_check guest_fill_add(struct guest_fill *fill, const struct gmem *gmem, gpa_t to,
				const void *from, uint64_t len);

/* Copies the next bytes; false when nothing was left. */
bool guest_fill_step(struct guest_fill *fill, const struct gmem *gmem);

#endif
