/* The audit of translations: what makes cached translations stale is written down where it happens,
 * as are the flushes, and an entry that could use a stale one is found (SDM, 'Caching Translation
 * Information', 'Guidelines for Use of the INVVPID Instruction', '… of the INVEPT Instruction').
 * Pure: events and pCPU numbers in, a verdict out. An emulator flushes at each entry, so a
 * forgotten INVVPID or INVEPT shows nowhere else. Debug builds only: vmx/audit.h. */
#ifndef VMX_TLB_AUDIT_H
#define VMX_TLB_AUDIT_H

#include "lib/types.h"

/* Of a vCPU: what is tagged with its VPID (linear and combined translations). Its owner pCPU only.
 */
struct tlb_vpid_audit {
	uint32_t changes, flushed; /* changes that there were; that there were at the last flush */
	uint32_t flushed_on;       /* the pCPU of that flush */
	const char *why;           /* the last change */
};

/* Of a VM: what is tagged with its EPT pointer (guest-physical and combined translations). Any
 * pCPU. */
struct tlb_ept_audit {
	uint32_t changes;            /* (a) */
	uint32_t changer;            /* (a) the pCPU of the last one */
	uint32_t required;           /* (a) what each pCPU must have flushed before it enters */
	uint32_t flushed[MAX_PCPUS]; /* (a) changes that there were at each one's last flush */
	const char *why;
};

/* A new one: nothing was flushed anywhere, and what an earlier user of the tag left may be. */
void tlb_vpid_init(struct tlb_vpid_audit *a);
void tlb_ept_init(struct tlb_ept_audit *a);

/* What may be cached is no longer true, by `why` (a string constant). */
void tlb_vpid_changed(struct tlb_vpid_audit *a, const char *why);
void tlb_ept_changed(struct tlb_ept_audit *a, uint32_t pcpu, const char *why);

/* Before INVVPID or INVEPT on `pcpu`: what changes afterwards is not covered by it. */
void tlb_vpid_flushes(struct tlb_vpid_audit *a, uint32_t pcpu);
void tlb_ept_flushes(struct tlb_ept_audit *a, uint32_t pcpu);

/* Before an entry on `pcpu`: NULL; or what has changed without a flush there. A pCPU that has
 * changed the EPT and enters its VM again must have had all pCPUs flush before, or have seen to it
 * that they flush before they enter: from then on an entry without is found on each of them. */
const char *tlb_vpid_stale(const struct tlb_vpid_audit *a, uint32_t pcpu);
const char *tlb_ept_stale(struct tlb_ept_audit *a, uint32_t pcpu);

/* MOV to CR0 and CR4, and IA32_EFER: what that changed, if it makes translations stale; else NULL
 * ('Operations that Invalidate TLBs and Paging-Structure Caches'; for EFER.NXE, what Carousel
 * demands of itself). */
const char *tlb_cr0_change(uint64_t old, uint64_t value);
const char *tlb_cr4_change(uint64_t old, uint64_t value);
const char *tlb_efer_change(uint64_t old, uint64_t value);

#endif
