/* Faults of the host on purpose. */
#include "lib/fault.h"

#include "lib/string.h"

#ifdef CONFIG_DEBUG

static const struct {
	const char *name;
	bool is_count; /* N counts occasions, and 0 is none of them */
} kinds[FAULT_KINDS] = {
	[FAULT_PAGE] = {"page", true},         [FAULT_VM_PAGE] = {"vm-page", true},
	[FAULT_IPI_LOST] = {"ipi-lost", true}, [FAULT_IPI_LATE] = {"ipi-late", true},
	[FAULT_VMREAD] = {"vmread", true},     [FAULT_CONTROL] = {"control", true},
	[FAULT_GUEST] = {"guest", true},       [FAULT_MC] = {"mc", true},
	[FAULT_NMI] = {"nmi", true},           [FAULT_STOP] = {"stop", false},
	[FAULT_LOG] = {"log", true},           [FAULT_STATE] = {"state", true},
	[FAULT_HOST] = {"host", true},         [FAULT_FLUSH] = {"flush", true},
	[FAULT_LEAF] = {"leaf", true},
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

	if (!colon || parse_u64(colon + 1, len - name_len - 1, false, &number))
		return false;
	for (unsigned i = FAULT_NONE + 1; i < FAULT_KINDS; i++) {
		if (strlen(kinds[i].name) != name_len || memcmp(kinds[i].name, text, name_len) ||
		    (kinds[i].is_count && !number))
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
