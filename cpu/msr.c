/* MSR access that survives #GP: through the fixup table. */
#include "cpu/insn.h"
#include "cpu/msr.h"

int msr_read_safe(uint32_t msr, uint64_t *value)
{
	return rdmsr_fixup(msr, value);
}

int msr_write_safe(uint32_t msr, uint64_t value)
{
	return wrmsr_fixup(msr, value);
}
