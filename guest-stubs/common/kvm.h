/* KVM hypercalls, in all the ways in which a guest can make them. */
#ifndef GUEST_STUBS_COMMON_KVM_H
#define GUEST_STUBS_COMMON_KVM_H

#include "guest-stubs/common/stub.h"

static inline int64_t hypercall4(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	int64_t answer;

	__asm__ volatile("vmcall"
			 : "=a"(answer)
			 : "0"(nr), "b"(a0), "c"(a1), "d"(a2), "S"(a3)
			 : "memory");
	return answer;
}

/* By the other vendor's instruction. */
static inline int64_t hypercall_vmmcall(uint64_t nr)
{
	int64_t answer;

	__asm__ volatile("vmmcall" : "=a"(answer) : "0"(nr) : "memory");
	return answer;
}

/* From CPL 3. Interrupts off. */
int64_t kvm_call_at_cpl3(uint64_t nr);

/* From 32-bit code: number, a0-a3, whose upper halves are set and do not count. What RAX holds. */
uint64_t kvm_call_32(uint32_t nr, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3);

#endif
