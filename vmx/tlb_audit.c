/* The audit of translations. */
#include "vmx/tlb_audit.h"

#include "vmx/cr.h"

#define NO_PCPU UINT32_MAX

void tlb_vpid_init(struct tlb_vpid_audit *a)
{
	*a = (struct tlb_vpid_audit){.changes = 1, .flushed_on = NO_PCPU, .why = "a new VPID"};
}

void tlb_ept_init(struct tlb_ept_audit *a)
{
	*a = (struct tlb_ept_audit){
		.changes = 1, .required = 1, .changer = NO_PCPU, .why = "a new EPT"};
}

void tlb_vpid_changed(struct tlb_vpid_audit *a, const char *why)
{
	a->changes++;
	a->why = why;
}

void tlb_vpid_flushes(struct tlb_vpid_audit *a, uint32_t pcpu)
{
	a->flushed = a->changes;
	a->flushed_on = pcpu;
}

const char *tlb_vpid_stale(const struct tlb_vpid_audit *a, uint32_t pcpu)
{
	if (a->flushed != a->changes)
		return a->why;
	return a->flushed_on == pcpu ? NULL : "it has run on another pCPU";
}

void tlb_ept_changed(struct tlb_ept_audit *a, uint32_t pcpu, const char *why)
{
	__atomic_store_n(&a->why, why, __ATOMIC_RELAXED);
	__atomic_store_n(&a->changer, pcpu, __ATOMIC_RELAXED);
	__atomic_fetch_add(&a->changes, 1, __ATOMIC_SEQ_CST);
}

void tlb_ept_flushes(struct tlb_ept_audit *a, uint32_t pcpu)
{
	__atomic_store_n(&a->flushed[pcpu], __atomic_load_n(&a->changes, __ATOMIC_SEQ_CST),
			 __ATOMIC_SEQ_CST);
}

const char *tlb_ept_stale(struct tlb_ept_audit *a, uint32_t pcpu)
{
	if (__atomic_load_n(&a->changer, __ATOMIC_RELAXED) == pcpu)
		__atomic_store_n(&a->required, __atomic_load_n(&a->changes, __ATOMIC_SEQ_CST),
				 __ATOMIC_SEQ_CST);
	return __atomic_load_n(&a->flushed[pcpu], __ATOMIC_SEQ_CST) <
			       __atomic_load_n(&a->required, __ATOMIC_SEQ_CST)
		       ? __atomic_load_n(&a->why, __ATOMIC_RELAXED)
		       : NULL;
}

const char *tlb_cr0_change(uint64_t old, uint64_t value)
{
	return (old ^ value) & CR0_PG ? "CR0.PG" : NULL;
}

const char *tlb_cr4_change(uint64_t old, uint64_t value)
{
	if ((old ^ value) & CR4_PGE)
		return "CR4.PGE";
	if ((old ^ value) & CR4_PAE)
		return "CR4.PAE";
	if ((old & ~value) & CR4_PCIDE)
		return "CR4.PCIDE";
	return (value & ~old) & CR4_SMEP ? "CR4.SMEP" : NULL;
}

const char *tlb_efer_change(uint64_t old, uint64_t value)
{
	return (old ^ value) & EFER_NX ? "EFER.NXE" : NULL;
}
