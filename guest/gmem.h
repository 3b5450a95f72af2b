/* Guest memory: the slots of host memory that back a VM's RAM, and the only way to reach them. */
#ifndef GUEST_GMEM_H
#define GUEST_GMEM_H

#include "lib/types.h"

#define GMEM_CHUNKS_MAX 128

/* A host-contiguous piece of guest RAM. */
struct gmem_chunk {
	gpa_t base;
	uint64_t len;
	hpa_t host;
	uint8_t order; /* of the block that it is (a part of), for freeing */
};

/* Sorted by base, disjoint. Immutable once the VM runs, so that any pCPU may read it without a
 * lock. */
struct gmem {
	uint32_t count;
	struct gmem_chunk chunk[GMEM_CHUNKS_MAX];
};

/* The chunk that holds `gpa`, or NULL. */
const struct gmem_chunk *gmem_find(const struct gmem *gmem, gpa_t gpa);

/* Copies `len` bytes, across chunks where they adjoin: 0, or -EFAULT when any byte is not RAM; then
 * nothing was copied. Any pCPU. What is copied from a running guest can change under the copy: copy
 * once, then validate the copy. */
int __must_check gmem_read(const struct gmem *gmem, gpa_t from, void *to, size_t len);
int __must_check gmem_write(const struct gmem *gmem, gpa_t to, const void *from, size_t len);
int __must_check gmem_zero(const struct gmem *gmem, gpa_t to, size_t len);

/* Are all of these bytes RAM? */
bool gmem_is_ram(const struct gmem *gmem, gpa_t gpa, size_t len);

/* A pointer to `len` bytes that lie in one chunk, or NULL; for structures shared with the guest
 * (pvclock), which are written with single aligned stores. */
void *gmem_ptr(const struct gmem *gmem, gpa_t gpa, size_t len);

/* Bytes of RAM in all. */
uint64_t gmem_total(const struct gmem *gmem);

#endif
