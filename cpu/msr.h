/* MSR numbers that the hypervisor itself uses (the SDM's IA32_ names), and access that survives
 * #GP. */
#ifndef CPU_MSR_H
#define CPU_MSR_H

#include "lib/types.h"

#define MSR_IA32_TSC               0x010u
#define MSR_IA32_APIC_BASE         0x01bu
#define MSR_IA32_FEATURE_CONTROL   0x03au
#define MSR_IA32_TSC_ADJUST        0x03bu
#define MSR_IA32_SPEC_CTRL         0x048u
#define MSR_IA32_PRED_CMD          0x049u
#define MSR_IA32_BIOS_SIGN_ID      0x08bu
#define MSR_IA32_MTRRCAP           0x0feu
#define MSR_IA32_ARCH_CAPABILITIES 0x10au
#define MSR_IA32_FLUSH_CMD         0x10bu
#define MSR_IA32_SYSENTER_CS       0x174u
#define MSR_IA32_SYSENTER_ESP      0x175u
#define MSR_IA32_SYSENTER_EIP      0x176u
#define MSR_IA32_MCG_CAP           0x179u
#define MSR_IA32_MCG_STATUS        0x17au
#define MSR_IA32_MCG_CTL           0x17bu
#define MSR_IA32_MISC_ENABLE       0x1a0u
#define MSR_IA32_DEBUGCTL          0x1d9u
#define MSR_IA32_PAT               0x277u
#define MSR_IA32_MTRR_DEF_TYPE     0x2ffu
#define MSR_IA32_VMX_BASIC         0x480u
#define MSR_IA32_TSC_DEADLINE      0x6e0u
#define MSR_IA32_X2APIC_BASE       0x800u
#define MSR_IA32_XSS               0xda0u
#define MSR_IA32_EFER              0xc0000080u
#define MSR_IA32_STAR              0xc0000081u
#define MSR_IA32_LSTAR             0xc0000082u
#define MSR_IA32_CSTAR             0xc0000083u
#define MSR_IA32_FMASK             0xc0000084u
#define MSR_IA32_FS_BASE           0xc0000100u
#define MSR_IA32_GS_BASE           0xc0000101u
#define MSR_IA32_KERNEL_GS_BASE    0xc0000102u
#define MSR_IA32_TSC_AUX           0xc0000103u

/* 0, or -EIO when the CPU answers with #GP. Any pCPU, any context. */
int __must_check msr_read_safe(uint32_t msr, uint64_t *value);
int __must_check msr_write_safe(uint32_t msr, uint64_t value);

#endif
