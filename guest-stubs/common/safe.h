/* Instructions that may fault on purpose. Each gives NO_FAULT or the vector of the fault;
 * last_fault (trap.h) has the rest. */
#ifndef GUEST_STUBS_COMMON_SAFE_H
#define GUEST_STUBS_COMMON_SAFE_H

#include "guest-stubs/common/trap.h"

/* `value` is 0 after a fault. */
static inline int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;

	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: rdmsr\n"
			 "2:\n" EXPECT_FAULT
			 : "+a"(lo), "+d"(hi)
			 : "c"(msr)
			 : "memory");
	*value = last_fault.vector == NO_FAULT ? (uint64_t)hi << 32 | lo : 0;
	return last_fault.vector;
}

static inline int wrmsr_safe(uint32_t msr, uint64_t value)
{
	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: wrmsr\n"
			 "2:\n" EXPECT_FAULT
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return last_fault.vector;
}

static inline int xsetbv_safe(uint32_t xcr, uint64_t value)
{
	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: xsetbv\n"
			 "2:\n" EXPECT_FAULT
			 :
			 : "c"(xcr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return last_fault.vector;
}

static inline int write_cr4_safe(uint64_t value)
{
	last_fault.vector = NO_FAULT;
	__asm__ volatile("1: mov %0, %%cr4\n"
			 "2:\n" EXPECT_FAULT
			 :
			 : "r"(value)
			 : "memory");
	return last_fault.vector;
}

#endif
