/* The walk of a guest's page tables. */
#include <asm/processor-flags.h>

#include "guest/pgwalk.h"
#include "lib/errno.h"

#define EFER_LMA BIT_ULL(10)
#define EFER_NXE BIT_ULL(11)

/* Page-fault error code. */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)
#define PF_PK   BIT(5)

/* Paging-structure entries. */
#define ENTRY_P  BIT_ULL(0)
#define ENTRY_RW BIT_ULL(1)
#define ENTRY_US BIT_ULL(2)
#define ENTRY_A  BIT_ULL(5)
#define ENTRY_D  BIT_ULL(6)
#define ENTRY_PS BIT_ULL(7)
#define ENTRY_XD BIT_ULL(63)

#define ENTRY_KEY_SHIFT 59 /* the protection key of a leaf: bits 62:59 */
#define KEY_ACCESS_OFF  BIT(0)
#define KEY_WRITE_OFF   BIT(1)

#define LEVELS_MAX 4

/* Another vCPU may change an entry under the walk, which then begins again; so often at most. */
#define RETRIES_MAX 16

/* Bits [from, to) of 64. */
static uint64_t bits(unsigned from, unsigned to)
{
	return (to < 64 ? BIT_ULL(to) : 0) - (from < 64 ? BIT_ULL(from) : 0);
}

struct walk {
	const struct gmem *gmem;
	const struct pgwalk_state *state;
	enum pgwalk_access access;
	unsigned levels;     /* of tables in memory */
	unsigned index_bits; /* of a table */
	unsigned entry_size;
	/* What was used, from the top. */
	unsigned used;
	void *slot[LEVELS_MAX];
	uint64_t entry[LEVELS_MAX];
};

static int fault(const struct walk *w, uint32_t code, uint32_t *error_code)
{
	const struct pgwalk_state *s = w->state;

	if (w->access == PGWALK_WRITE)
		code |= PF_W;
	if (s->cpl == 3)
		code |= PF_U;
	/* SDM, 'Page-Fault Exceptions', I/D flag: an instruction fetch, and SMEP or (PAE and NXE).
	 */
	if (w->access == PGWALK_FETCH &&
	    ((s->cr4 & X86_CR4_SMEP) || ((s->cr4 & X86_CR4_PAE) && (s->efer & EFER_NXE))))
		code |= PF_I;
	*error_code = code;
	return -EFAULT;
}

static bool is_leaf(const struct walk *w, unsigned level, uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & ENTRY_PS)) /* at level 4 it is a reserved bit */
		return false;
	return w->entry_size == 8 || (w->state->cr4 & X86_CR4_PSE);
}

/* The bits that must be 0 in a present entry: the tables of SDM, '32-Bit Paging', 'PAE Paging',
 * '4-Level Paging [...]'. `shift`: log2 of what the entry spans. */
static uint64_t reserved_bits(const struct walk *w, unsigned level, unsigned shift, bool leaf)
{
	const struct pgwalk_state *s = w->state;
	uint64_t mask;

	if (w->entry_size == 4) {
		if (!leaf || level == 1)
			return 0;
		/* A 4-MByte page: bits 20:13 are address bits 39:32, as far as the CPU has them. */
		return bits(MIN(MAX(s->maxphyaddr, 32u), 40u) - 19, 22);
	}
	mask = bits(MIN(s->maxphyaddr, 52u), (s->efer & EFER_LMA) ? 52 : 63);
	if (!(s->efer & EFER_NXE))
		mask |= ENTRY_XD;
	if (level == 4 || (level == 3 && !s->has_1g_pages))
		mask |= ENTRY_PS;
	if (leaf && level > 1)
		mask |= bits(13, shift);
	return mask;
}

/* SDM, 'Determination of Access Rights'. `rights`: the AND of all levels' R/W and U/S. */
static bool is_permitted(const struct walk *w, uint64_t rights, bool is_xd)
{
	const struct pgwalk_state *s = w->state;
	bool is_user_page = rights & ENTRY_US;
	bool is_user = s->cpl == 3;

	if (is_user && !is_user_page)
		return false;
	switch (w->access) {
	case PGWALK_FETCH:
		if (!is_user && is_user_page && (s->cr4 & X86_CR4_SMEP))
			return false;
		return !is_xd;
	case PGWALK_WRITE:
		if (!(rights & ENTRY_RW) && (is_user || (s->cr0 & X86_CR0_WP)))
			return false;
		break;
	case PGWALK_READ:
		break;
	}
	return is_user || !is_user_page || !(s->cr4 & X86_CR4_SMAP) || (s->rflags & X86_EFLAGS_AC);
}

/* SDM, 'Protection Keys': for data accesses to user-mode addresses, whoever makes them. Writes by a
 * supervisor heed the write-disable bit if CR0.WP is 1. */
static bool is_key_open(const struct walk *w, uint64_t rights, uint64_t leaf)
{
	const struct pgwalk_state *s = w->state;
	uint32_t disabled;

	if (!(s->cr4 & X86_CR4_PKE) || !(s->efer & EFER_LMA) || !(rights & ENTRY_US) ||
	    w->access == PGWALK_FETCH)
		return true;
	disabled = s->pkru >> (2 * (leaf >> ENTRY_KEY_SHIFT & 0xf));
	if (disabled & KEY_ACCESS_OFF)
		return false;
	return !(disabled & KEY_WRITE_OFF) || w->access != PGWALK_WRITE ||
	       (s->cpl != 3 && !(s->cr0 & X86_CR0_WP));
}

/* Sets the accessed flags, and the dirty flag of a leaf that is written, as one locked operation
 * each on the entry that was used. False when one has changed since. */
static bool is_marked(struct walk *w)
{
	for (unsigned i = 0; i < w->used; i++) {
		uint64_t old = w->entry[i], new = old | ENTRY_A;

		if (i == w->used - 1 && w->access == PGWALK_WRITE)
			new |= ENTRY_D;
		if (new == old)
			continue;
		if (w->entry_size == 8) {
			if (!__atomic_compare_exchange_n((uint64_t *)w->slot[i], &old, new, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				return false;
		} else {
			uint32_t old32 = (uint32_t)old;

			if (!__atomic_compare_exchange_n((uint32_t *)w->slot[i], &old32,
							 (uint32_t) new, false, __ATOMIC_SEQ_CST,
							 __ATOMIC_RELAXED))
				return false;
		}
	}
	return true;
}

/* Reads the entry for `la` in the table at `table`; false when that is not RAM. */
static bool load_entry(struct walk *w, uint64_t table, unsigned shift, uint64_t la)
{
	uint64_t index = la >> shift & (BIT_ULL(w->index_bits) - 1);
	void *slot = gmem_ptr(w->gmem, GPA(table + index * w->entry_size), w->entry_size);

	if (!slot)
		return false;
	w->slot[w->used] = slot;
	if (w->entry_size == 8)
		w->entry[w->used] = __atomic_load_n((uint64_t *)slot, __ATOMIC_RELAXED);
	else
		w->entry[w->used] = __atomic_load_n((uint32_t *)slot, __ATOMIC_RELAXED);
	w->used++;
	return true;
}

/* The address that a leaf maps `la` to. */
static uint64_t leaf_address(const struct walk *w, uint64_t entry, unsigned shift, uint64_t la)
{
	uint64_t base = entry & bits(shift, w->entry_size == 8 ? 52 : 32);

	if (w->entry_size == 4 && shift > PAGE_SHIFT)
		base |= (entry >> 13 & 0xff) << 32;
	return base | (la & bits(0, shift));
}

/* One walk from the table at `table` down. -EAGAIN when an entry changed under it. */
static int walk_once(struct walk *w, uint64_t table, uint64_t la, gpa_t *gpa, uint32_t *error_code)
{
	uint64_t rights = ENTRY_RW | ENTRY_US, address, leaf_entry;
	bool is_xd = false, is_open;

	w->used = 0;
	for (unsigned level = w->levels;; level--) {
		unsigned shift = PAGE_SHIFT + (level - 1) * w->index_bits;
		uint64_t entry;
		bool leaf;

		if (!load_entry(w, table, shift, la))
			return -ENXIO;
		entry = w->entry[w->used - 1];
		if (!(entry & ENTRY_P))
			return fault(w, 0, error_code);
		leaf = is_leaf(w, level, entry);
		if (entry & reserved_bits(w, level, shift, leaf))
			return fault(w, PF_P | PF_RSVD, error_code);
		rights &= entry;
		is_xd |= !!(entry & ENTRY_XD);
		if (leaf) {
			address = leaf_address(w, entry, shift, la);
			leaf_entry = entry;
			break;
		}
		table = entry & bits(PAGE_SHIFT, w->entry_size == 8 ? 52 : 32);
	}
	is_open = is_key_open(w, rights, leaf_entry);
	if (!is_open || !is_permitted(w, rights, is_xd))
		return fault(w, PF_P | (is_open ? 0 : PF_PK), error_code);
	if (!w->state->is_peek && !is_marked(w))
		return -EAGAIN;
	*gpa = GPA(address);
	return 0;
}

int pgwalk(const struct gmem *gmem, const struct pgwalk_state *state, uint64_t la,
	   enum pgwalk_access access, gpa_t *gpa, uint32_t *error_code)
{
	struct walk w = {
		.gmem = gmem, .state = state, .access = access, .index_bits = 9, .entry_size = 8};
	uint64_t table;
	int err = -EAGAIN;

	if (!(state->efer & EFER_LMA))
		la = (uint32_t)la;
	if (!(state->cr0 & X86_CR0_PG)) {
		*gpa = GPA(la);
		return 0;
	}
	if (state->efer & EFER_LMA) {
		w.levels = 4;
		table = state->cr3 & bits(PAGE_SHIFT, 52);
	} else if (state->cr4 & X86_CR4_PAE) {
		uint64_t pdpte = state->pdpte[la >> 30];

		/* Reserved bits were checked when it was loaded; it has no rights and no flags. */
		if (!(pdpte & ENTRY_P))
			return fault(&w, 0, error_code);
		w.levels = 2;
		table = pdpte & bits(PAGE_SHIFT, 52);
	} else {
		w.levels = 2;
		w.index_bits = 10;
		w.entry_size = 4;
		table = state->cr3 & bits(PAGE_SHIFT, 32);
	}
	for (unsigned i = 0; i < RETRIES_MAX && err == -EAGAIN; i++)
		err = walk_once(&w, table, la, gpa, error_code);
	/* Entries that never stand still give a fault as of a moment when one was not present: the
	 * guest's handler finds it present and tries again. */
	return err == -EAGAIN ? fault(&w, 0, error_code) : err;
}
