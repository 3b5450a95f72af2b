/* EPT. */
#include "vmx/ept.h"

static const struct pt_format ept_format = {
	.present_mask = EPT_READ | EPT_WRITE | EPT_EXECUTE,
	.table_flags = EPT_READ | EPT_WRITE | EPT_EXECUTE,
	.leaf_large = BIT_ULL(7),
	.has_1g = true,
};

int ept_init(struct pt *ept)
{
	return pt_init(ept, &ept_format);
}

int ept_map_ram(struct pt *ept, gpa_t gpa, hpa_t hpa, uint64_t len, uint64_t max_leaf,
		bool is_executable)
{
	return pt_map(ept, gpa.v, hpa.v, len,
		      EPT_READ | EPT_WRITE | (is_executable ? EPT_EXECUTE : 0) | EPT_MEMORY_WB,
		      max_leaf);
}
