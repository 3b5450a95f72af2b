/* Guest memory: look-up of chunks and the checked copies. */
#include "guest/gmem.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/hostmap.h"

const struct gmem_chunk *gmem_find(const struct gmem *gmem, gpa_t gpa)
{
	uint32_t lo = 0, hi = gmem->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct gmem_chunk *c = &gmem->chunk[mid];

		if (gpa.v < c->base.v)
			hi = mid;
		else if (gpa.v - c->base.v >= c->len)
			lo = mid + 1;
		else
			return c;
	}
	return NULL;
}

/* The host's bytes behind `gpa` and, in `*avail`, how many of them lie in the same chunk; or NULL.
 */
static __force_inline uint8_t *gmem_piece(const struct gmem *gmem, gpa_t gpa, uint64_t *avail)
{
	const struct gmem_chunk *c = gmem_find(gmem, gpa);
	uint64_t offset;

	*avail = 0;
	if (!c)
		return NULL;
	offset = gpa.v - c->base.v;
	*avail = c->len - offset;
	return (uint8_t *)hpa_to_ptr(c->host) + offset;
}

void *gmem_ptr(const struct gmem *gmem, gpa_t gpa, size_t len)
{
	uint64_t avail;
	uint8_t *p = gmem_piece(gmem, gpa, &avail);

	return p && len <= avail ? p : NULL;
}

bool gmem_is_ram(const struct gmem *gmem, gpa_t gpa, size_t len)
{
	uint64_t last, avail;

	/* The end of the address space does not adjoin its beginning. */
	if (len && !checked_add(gpa.v, (uint64_t)len - 1, &last))
		return false;
	while (len) {
		if (!gmem_piece(gmem, gpa, &avail))
			return false;
		if (len <= avail)
			break;
		gpa.v += avail;
		len -= avail;
	}
	return true;
}

enum gmem_op { GMEM_READ, GMEM_WRITE, GMEM_ZERO };

static inline void access_piece(enum gmem_op op, uint8_t *p, void *to, const void *from, size_t len)
{
	switch (op) {
	case GMEM_READ:
		memcpy(to, p, len);
		break;
	case GMEM_WRITE:
		memcpy(p, from, len);
		break;
	case GMEM_ZERO:
		memset(p, 0, len);
		break;
	}
}

/* In pieces. */
static __attribute__((noinline)) int access_across(const struct gmem *gmem, gpa_t gpa,
						   enum gmem_op op, void *to, const void *from,
						   size_t len)
{
	size_t done = 0;

	if (!gmem_is_ram(gmem, gpa, len))
		return -EFAULT;
	while (done < len) {
		uint64_t avail;
		uint8_t *p = gmem_piece(gmem, GPA(gpa.v + done), &avail);
		size_t n = MIN((uint64_t)(len - done), avail);

		/* To add to a NULL pointer is undefined. */
		access_piece(op, p, to ? (uint8_t *)to + done : NULL,
			     from ? (const uint8_t *)from + done : NULL, n);
		done += n;
	}
	return 0;
}

static inline int gmem_access(const struct gmem *gmem, gpa_t gpa, enum gmem_op op, void *to,
			      const void *from, size_t len)
{
	uint64_t avail;
	uint8_t *p = gmem_piece(gmem, gpa, &avail);

	if (unlikely(!p || !len || len > avail))
		return access_across(gmem, gpa, op, to, from, len);
	access_piece(op, p, to, from, len);
	return 0;
}

int gmem_read(const struct gmem *gmem, gpa_t from, void *to, size_t len)
{
	return gmem_access(gmem, from, GMEM_READ, to, NULL, len);
}

int gmem_write(const struct gmem *gmem, gpa_t to, const void *from, size_t len)
{
	return gmem_access(gmem, to, GMEM_WRITE, NULL, from, len);
}

int gmem_zero(const struct gmem *gmem, gpa_t to, size_t len)
{
	return gmem_access(gmem, to, GMEM_ZERO, NULL, NULL, len);
}

uint64_t gmem_total(const struct gmem *gmem)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < gmem->count; i++)
		total += gmem->chunk[i].len;
	return total;
}
