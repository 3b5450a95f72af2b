/* The audit of a VM's EPT. */
#include "vmx/ept_audit.h"

#include "vmx/ept.h"

#define EPT_LARGE       BIT_ULL(7)
#define EPT_ACCESSED    BIT_ULL(8)
#define EPT_DIRTY       BIT_ULL(9)
#define EPT_MEMORY_MASK (7ull << 3)
#define EPT_KNOWN                                                                                  \
	(PT_ADDRESS_MASK | EPT_READ | EPT_WRITE | EPT_EXECUTE | EPT_MEMORY_MASK | EPT_LARGE |      \
	 EPT_ACCESSED | EPT_DIRTY)

struct walk {
	const struct ept_plan *plan;
	struct ept_fault fault;
};

static const char *check_access_page(const struct ept_plan *plan, uint64_t hpa, uint64_t entry,
				     uint64_t size)
{
	if (!plan->access_page.v || size != PAGE_SIZE)
		return "it is no memory of the VM";
	if (hpa != plan->access_page.v)
		return "it is not the APIC-access page";
	return entry & EPT_EXECUTE ? "the APIC-access page is executable" : NULL;
}

static const char *check_leaf(const struct ept_plan *plan, uint64_t gpa, uint64_t entry,
			      uint64_t size)
{
	const struct gmem_chunk *chunk = gmem_find(plan->gmem, GPA(gpa));
	uint64_t hpa = entry & PT_ADDRESS_MASK & ~(size - 1);

	if ((entry & ~EPT_KNOWN) || (entry & PT_ADDRESS_MASK) != hpa ||
	    (entry & EPT_MEMORY_MASK) != EPT_MEMORY_WB ||
	    (entry & (EPT_READ | EPT_WRITE)) != (EPT_READ | EPT_WRITE))
		return "it has other bits than Carousel sets";
	if (!chunk)
		return gpa == plan->access_gpa.v ? check_access_page(plan, hpa, entry, size)
						 : "it is no memory of the VM";
	if (gpa - chunk->base.v + size > chunk->len)
		return "it reaches beyond its piece of the VM's memory";
	if (hpa != chunk->host.v + (gpa - chunk->base.v))
		return "it maps other memory than the VM's there";
	if (plan->is_split && size > PAGE_SIZE && (entry & EPT_EXECUTE))
		return "it is large and executable";
	return NULL;
}

static void visit(void *ctx, uint64_t gpa, uint64_t entry, uint64_t size)
{
	struct walk *walk = ctx;
	const char *why = walk->fault.why ? NULL : check_leaf(walk->plan, gpa, entry, size);

	if (why)
		walk->fault = (struct ept_fault){why, gpa, entry, size};
}

struct ept_fault ept_audit(const struct pt *ept, const struct ept_plan *plan)
{
	struct walk walk = {.plan = plan};

	pt_for_each_leaf(ept, visit, &walk);
	return walk.fault;
}
