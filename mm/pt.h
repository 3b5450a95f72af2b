/* One walker and mapper for four-level tables of 8-byte entries: the host's page tables and EPT
 * differ only in `struct pt_format`. Pure: tables come from mm/page.h. No locking and no TLB
 * flushes of its own: both are the caller's. */
#ifndef MM_PT_H
#define MM_PT_H

#include "lib/types.h"

struct pt_format {
	uint64_t present_mask; /* any of these bits set: the entry is present */
	uint64_t table_flags;  /* what an entry that points to a table has besides the address */
	uint64_t leaf_large;   /* what a 2M or 1G leaf has besides (PS) */
	bool has_1g;
};

/* Bits 51:12 */
#define PT_ADDRESS_MASK 0x000ffffffffff000ull

struct pt {
	const struct pt_format *format;
	uint64_t *root;
	uint64_t tables; /* how many table pages it has, the root included */
	void *spare;     /* table pages that are set aside, a list through their first words */
	uint64_t spares;
};

/* A new empty root. -ENOMEM. */
int __must_check pt_init(struct pt *pt, const struct pt_format *format);

/* Sets aside the tables that splitting all large leaves that are there can need, down to 4 KiB:
 * from then on pt_map over what is mapped, with smaller leaves, finds memory. -ENOMEM. */
int __must_check pt_reserve_splits(struct pt *pt);

/* Frees all tables, not what the leaves map. */
void pt_destroy(struct pt *pt);

/* Maps [va, va+len) to [pa, pa+len) with `flags` in each leaf, with the largest leaves that
 * alignment and `max_leaf` (PAGE_SIZE, SIZE_2M or SIZE_1G) allow. All multiples of 4096. What was
 * mapped there is replaced; a larger leaf in the way is split. -ENOMEM (part may then be mapped),
 * -EINVAL. */
int __must_check pt_map(struct pt *pt, uint64_t va, uint64_t pa, uint64_t len, uint64_t flags,
			uint64_t max_leaf);

/* Removes [va, va+len), splitting larger leaves at its ends. -ENOMEM. */
int __must_check pt_unmap(struct pt *pt, uint64_t va, uint64_t len);

/* The leaf that translates `va`: its entry's address (writable), its size in `*size`; NULL if
 * absent. */
uint64_t *pt_lookup(const struct pt *pt, uint64_t va, uint64_t *size);

/* Calls visit(ctx, table) for each table page, the root first. */
void pt_for_each_table(const struct pt *pt, void (*visit)(void *ctx, hpa_t table), void *ctx);

/* Calls visit(ctx, va, entry, size) for each leaf, ascending. */
void pt_for_each_leaf(const struct pt *pt,
		      void (*visit)(void *ctx, uint64_t va, uint64_t entry, uint64_t size),
		      void *ctx);

#endif
