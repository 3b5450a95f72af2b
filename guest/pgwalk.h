/* A walk of the guest's own page tables, as its CPU would do it (SDM, 'Paging'): none, 32-bit, PAE,
 * 4-level; with the access rights of CR0.WP, CR4.SMEP/SMAP/PKE, EFER.NXE, and accessed/dirty
 * updates. Pure. */
#ifndef GUEST_PGWALK_H
#define GUEST_PGWALK_H

#include "guest/gmem.h"

struct pgwalk_state {
	uint64_t cr0, cr3, cr4, efer, rflags;
	uint64_t pdpte[4]; /* PAE paging: the four loaded entries */
	uint32_t pkru;     /* looked at with CR4.PKE and 4-level paging only */
	uint8_t cpl;
	uint8_t maxphyaddr; /* bits, for reserved-bit faults */
	bool has_1g_pages;  /* where the CPU has none, PS of a PDPTE is a reserved bit */
	bool is_peek;       /* leaves accessed and dirty flags as they are: for who only looks */
};

enum pgwalk_access { PGWALK_READ, PGWALK_WRITE, PGWALK_FETCH };

/* Translates linear address `la`. 0 with `*gpa`; or -EFAULT with `*error_code` as the #PF that the
 * guest must get; or -ENXIO when a table lies outside guest RAM (the CPU would read all ones: the
 * VM's report says so). Does not cross a page: one byte is translated. A non-canonical `la` is the
 * caller's to refuse (#GP, not #PF). Accessed and dirty flags are set only when the access is
 * permitted. All data accesses are explicit ones, which EFLAGS.AC lets through SMAP. Any pCPU, also
 * while other vCPUs change the tables. */
int __must_check pgwalk(const struct gmem *gmem, const struct pgwalk_state *state, uint64_t la,
			enum pgwalk_access access, gpa_t *gpa, uint32_t *error_code);

#endif
