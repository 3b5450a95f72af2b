/* Bits of CR0, CR4 and IA32_EFER, and how vmx/ sets the guest's. */
#ifndef VMX_CR_H
#define VMX_CR_H

#include <asm/processor-flags.h>

#include "lib/types.h"

#define CR0_PE ((uint64_t)X86_CR0_PE)
#define CR0_ET ((uint64_t)X86_CR0_ET)
#define CR0_NE ((uint64_t)X86_CR0_NE)
#define CR0_WP ((uint64_t)X86_CR0_WP)
#define CR0_NW ((uint64_t)X86_CR0_NW)
#define CR0_CD ((uint64_t)X86_CR0_CD)
#define CR0_PG ((uint64_t)X86_CR0_PG)

#define CR4_VME        ((uint64_t)X86_CR4_VME)
#define CR4_PVI        ((uint64_t)X86_CR4_PVI)
#define CR4_TSD        ((uint64_t)X86_CR4_TSD)
#define CR4_DE         ((uint64_t)X86_CR4_DE)
#define CR4_PSE        ((uint64_t)X86_CR4_PSE)
#define CR4_PAE        ((uint64_t)X86_CR4_PAE)
#define CR4_MCE        ((uint64_t)X86_CR4_MCE)
#define CR4_PGE        ((uint64_t)X86_CR4_PGE)
#define CR4_PCE        ((uint64_t)X86_CR4_PCE)
#define CR4_OSFXSR     ((uint64_t)X86_CR4_OSFXSR)
#define CR4_OSXMMEXCPT ((uint64_t)X86_CR4_OSXMMEXCPT)
#define CR4_UMIP       ((uint64_t)X86_CR4_UMIP)
#define CR4_VMXE       ((uint64_t)X86_CR4_VMXE)
#define CR4_FSGSBASE   ((uint64_t)X86_CR4_FSGSBASE)
#define CR4_PCIDE      ((uint64_t)X86_CR4_PCIDE)
#define CR4_OSXSAVE    ((uint64_t)X86_CR4_OSXSAVE)
#define CR4_SMEP       ((uint64_t)X86_CR4_SMEP)
#define CR4_SMAP       ((uint64_t)X86_CR4_SMAP)
#define CR4_PKE        ((uint64_t)X86_CR4_PKE)
#define CR4_CET        ((uint64_t)X86_CR4_CET)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NX  BIT(11)

/* All that a CPU with VMX has; the others are reserved. */
#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)

struct vcpu;
struct vmx_vcpu;

/* CR0 and CR4 as the guest means them: fixed bits are added, the read shadow shows `value`. VMCS
 * current. */
void vmx_set_guest_cr0(struct vmx_vcpu *v, uint64_t value);
void vmx_set_guest_cr4(struct vmx_vcpu *v, uint64_t value);

/* The CR4 bits whose change exits. */
uint64_t vmx_cr4_owned(const struct vcpu *vcpu);

#endif
