/* The hardware state of vCPUs in the unit tests: guest/vcpu_arch.h over a plain struct. */
#ifndef FAKES_VCPU_ARCH_H
#define FAKES_VCPU_ARCH_H

#include "guest/vcpu_arch.h"
#include "guest/vm.h"

#define FAKE_REGS         (VCPU_TSC_AUX + 1)
#define FAKE_EXIT_REASONS 2 /* CPUID and HLT */

struct fake_vcpu {
	struct vcpu vcpu;
	uint64_t reg[FAKE_REGS];
	struct vcpu_segment segment[SEG_GS + 1];
	uint64_t pdpte[4];
	uint64_t tsc_offset;
	unsigned deadline_changes, tlb_flushes;
	uint64_t exits[FAKE_EXIT_REASONS + 1];
	struct vcpu_debug_control debug;
	uint32_t pkru;
	/* The last exception that the guest was given, and how many there were. */
	unsigned exceptions;
	uint8_t vector;
	bool has_error;
	uint32_t error;
};

static inline struct fake_vcpu *fake_vcpu(struct vcpu *vcpu)
{
	return container_of(vcpu, struct fake_vcpu, vcpu);
}

/* Flat 64-bit code at CPL 0 with paging off in EFER and CR0's eyes: PE, LMA and CS.L are set, PG is
 * not, so that linear addresses are guest-physical ones. */
void fake_vcpu_set_mode_64(struct vcpu *vcpu);
/* Flat 32-bit code at CPL 0, and real mode with all bases 0; no paging. */
void fake_vcpu_set_mode_32(struct vcpu *vcpu);
void fake_vcpu_set_mode_16(struct vcpu *vcpu);
void fake_vcpu_set_cpl(struct vcpu *vcpu, unsigned cpl);

/* A machine of one pCPU, with 64 MiB for its VMs, a TSC of 1 GHz that stands at `tsc`, and a CPUID
 * of its own; and what belongs to it. */
void fake_machine_start(uint64_t tsc);
void fake_machine_end(void);

/* A VM of this machine with a MiB or more of RAM. Panics where vm_create refuses. */
struct vm *fake_vm_create(uint64_t mem, uint32_t vcpus);

/* How often a VM has ended (vm_machine.on_end). */
unsigned fake_machine_ends(void);

#endif
