/* What is still to be put into a guest's memory. */
#include "guest/fill.h"
#include "lib/errno.h"

void guest_fill_begin(struct guest_fill *fill)
{
	fill->count = fill->next = 0;
	fill->done = 0;
}

int guest_fill_add(struct guest_fill *fill, const struct gmem *gmem, gpa_t to, const void *from,
		   uint64_t len)
{
	if (!len)
		return 0;
	if (!gmem_is_ram(gmem, to, len))
		return -EFAULT;
	if (fill->count == GUEST_FILL_MAX)
		return -ENOSPC;
	fill->piece[fill->count].to = to;
	fill->piece[fill->count].from = from;
	fill->piece[fill->count++].len = len;
	return 0;
}

bool guest_fill_step(struct guest_fill *fill, const struct gmem *gmem)
{
	uint64_t done = fill->done, len;
	gpa_t to;
	int ret;

	if (fill->next == fill->count)
		return false;
	to = GPA(fill->piece[fill->next].to.v + done);
	len = MIN(fill->piece[fill->next].len - done, GUEST_FILL_STEP);
	ret = fill->piece[fill->next].from
		      ? gmem_write(gmem, to, fill->piece[fill->next].from + done, len)
		      : gmem_zero(gmem, to, len);
	(void)ret; /* it was found to be RAM, which stays */
	fill->done += len;
	if (fill->done == fill->piece[fill->next].len) {
		fill->next++;
		fill->done = 0;
	}
	return true;
}
