/* The audit of a VM's EPT: every leaf maps the VM's own memory, as it is to be mapped. Pure. */
#ifndef VMX_EPT_AUDIT_H
#define VMX_EPT_AUDIT_H

#include "guest/gmem.h"
#include "mm/pt.h"

/* What may be in a VM's EPT. */
struct ept_plan {
	const struct gmem *gmem; /* its memory */
	gpa_t access_gpa;        /* of the APIC-access page, if there is one */
	hpa_t access_page;       /* 0: there is none */
	bool is_split;           /* an executable leaf is one of 4K (vmx/exit_ept.c) */
};

/* The first leaf that is wrong, and why. */
struct ept_fault {
	const char *why; /* NULL: none is wrong */
	uint64_t gpa, entry, size;
};

/* Walks all leaves: each lies in one chunk of `gmem` and maps what the chunk says, readable,
 * writable, write-back, and with no bit that Carousel does not set; or is the APIC-access page.
 * Nobody changes the tables meanwhile. */
struct ept_fault ept_audit(const struct pt *ept, const struct ept_plan *plan);

#endif
