/* Faults of the host on purpose: `fault=KIND:N` of debug builds. Whoever can fail asks
 * fault_is_due() where it would; in release builds that is false and costs nothing. Pure.
 *
 * docs/security.md, 'Faults of the host', says what must come of each. */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

#include "lib/types.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_PAGE,     /* page:N: allocation N of pages, from the boot on, finds none */
	FAULT_VM_PAGE,  /* vm-page:N: the same, from the building of the first VM on */
	FAULT_IPI_LOST, /* ipi-lost:N: interrupt N from one pCPU to another is not sent */
	FAULT_IPI_LATE, /* ipi-late:N: it is sent when the sender takes its next interrupt */
	FAULT_VMREAD,   /* vmread:N: VMREAD N names a field that no CPU has */
	FAULT_CONTROL,  /* control:N: VM entry N injects what no CPU delivers */
	FAULT_GUEST,    /* guest:N: VM entry N has a guest state that the CPU refuses */
	FAULT_MC,       /* mc:N: a machine check before VM entry N */
	FAULT_NMI,      /* nmi:N: so many NMIs hit the boot pCPU, at odd intervals */
	FAULT_STOP,     /* stop:N: pCPU N, not the boot pCPU, stops for good, and takes no NMI */
	FAULT_LOG,      /* log:N: the console's port is not ready for N looks */
	FAULT_STATE,    /* state:N: guest:N, but before the audit, which is to find it */
	FAULT_HOST,     /* host:N: before VM entry N its HOST_CS_SELECTOR becomes 0 */
	FAULT_FLUSH,    /* flush:N: INVVPID or INVEPT N is forgotten */
	FAULT_LEAF,     /* leaf:N: the EPT of VM N (the probes' first) maps its page 1 at page 0 */
	FAULT_KINDS
};

/* The names of the kinds, for messages. */
#define FAULT_TAKES                                                                                \
	"page, vm-page, ipi-lost, ipi-late, vmread, control, guest, mc, nmi, stop, log, state, "   \
	"host, flush or leaf, a colon and a number from 1 on"

#ifdef CONFIG_DEBUG

/* KIND:N, N at least 1. False for anything else; then nothing has changed. Boot pCPU. */
bool fault_parse(const char *text, size_t len, enum fault_kind *kind, uint64_t *n);

/* From here on. `n` is at least 1. Boot pCPU, before the others run. */
void fault_set(enum fault_kind kind, uint64_t n);

/* The N of `fault=KIND:N`; 0 when another kind, or none, was asked for. Any context. */
uint64_t fault_n(enum fault_kind kind);

/* Counts one occasion for a fault of this kind; true for number N. Any context. */
bool fault_is_due(enum fault_kind kind);

#else

static inline void fault_set(enum fault_kind kind, uint64_t n)
{
	(void)kind;
	(void)n;
}

static inline uint64_t fault_n(enum fault_kind kind)
{
	(void)kind;
	return 0;
}

static inline bool fault_is_due(enum fault_kind kind)
{
	(void)kind;
	return false;
}

#endif
#endif
