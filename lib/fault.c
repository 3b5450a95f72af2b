/* Faults of the host on purpose. */
#include "lib/fault.h"

#include "lib/string.h"

#ifdef CONFIG_DEBUG

static const char *const names[FAULT_KINDS] = {
	[FAULT_PAGE] = "page",         [FAULT_VM_PAGE] = "vm-page", [FAULT_IPI_LOST] = "ipi-lost",
	[FAULT_IPI_LATE] = "ipi-late", [FAULT_VMREAD] = "vmread",   [FAULT_CONTROL] = "control",
	[FAULT_GUEST] = "guest",       [FAULT_MC] = "mc",           [FAULT_NMI] = "nmi",
	[FAULT_STOP] = "stop",         [FAULT_LOG] = "log",         [FAULT_STATE] = "state",
	[FAULT_HOST] = "host",         [FAULT_FLUSH] = "flush",     [FAULT_LEAF] = "leaf",
};

static struct {
	enum fault_kind kind; /* (i) once the other pCPUs run */
	uint64_t n;           /* (i) the same */
	uint64_t left;        /* (a) occasions that are still to come, up to the fault */
} fault;

bool fault_parse(const char *text, size_t len, enum fault_kind *kind, uint64_t *n)
{
	const char *colon = memchr(text, ':', len);
	size_t name_len = colon ? (size_t)(colon - text) : len;
	uint64_t number;

	if (!colon || parse_u64(colon + 1, len - name_len - 1, false, &number) || !number)
		return false;
	for (unsigned i = FAULT_NONE + 1; i < FAULT_KINDS; i++) {
		if (strlen(names[i]) != name_len || memcmp(names[i], text, name_len) != 0)
			continue;
		*kind = (enum fault_kind)i;
		*n = number;
		return true;
	}
	return false;
}

void fault_set(enum fault_kind kind, uint64_t n)
{
	fault.kind = kind;
	fault.n = n;
	__atomic_store_n(&fault.left, n, __ATOMIC_RELAXED);
}

uint64_t fault_n(enum fault_kind kind)
{
	return kind == fault.kind ? fault.n : 0;
}

bool fault_is_due(enum fault_kind kind)
{
	if (likely(kind != fault.kind) || !__atomic_load_n(&fault.left, __ATOMIC_RELAXED))
		return false;
	/* Below 0 it stays there: a count of 2^64 occasions more. */
	return __atomic_fetch_sub(&fault.left, 1, __ATOMIC_RELAXED) == 1;
}

#endif
