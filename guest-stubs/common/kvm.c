/* Hypercalls from other modes. */
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/paging.h"

#define UPPER 0xdead000000000000ull

int64_t hypercall_at_cpl3(uint64_t nr);
void hypercall_back(void);
uint64_t hypercall_32(const uint64_t args[5]);

int64_t kvm_call_at_cpl3(uint64_t nr)
{
	/* SYSCALL: CS 0x08, SS 0x10. SYSRET: CS 0x33, SS 0x2b, which no descriptor backs. */
	wrmsr(MSR_STAR, 0x0023000800000000ull);
	wrmsr(MSR_LSTAR, (uint64_t)hypercall_back);
	wrmsr(MSR_FMASK, 0);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	paging_allow_user((uint64_t)hypercall_at_cpl3);
	return hypercall_at_cpl3(nr);
}

uint64_t kvm_call_32(uint32_t nr, uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3)
{
	const uint64_t args[5] = {UPPER | nr, UPPER | a0, UPPER | a1, UPPER | a2, UPPER | a3};

	return hypercall_32(args);
}
