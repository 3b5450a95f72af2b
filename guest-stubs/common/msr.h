/* MSR numbers, by the SDM's IA32_ names. KVM's own are in asm/kvm_para.h. */
#ifndef GUEST_STUBS_COMMON_MSR_H
#define GUEST_STUBS_COMMON_MSR_H

#define MSR_TSC            0x10u
#define MSR_APIC_BASE      0x1bu
#define MSR_MTRRCAP        0xfeu
#define MSR_SYSENTER_CS    0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_MCG_CAP        0x179u
#define MSR_MCG_STATUS     0x17au
#define MSR_MISC_ENABLE    0x1a0u
#define MSR_PAT            0x277u
#define MSR_MTRR_DEF_TYPE  0x2ffu
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC         0x800u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_FMASK          0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u

#define APIC_BASE_BSP    (1ul << 8)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)

#define EFER_SCE (1ull << 0)
#define EFER_LME (1ul << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NX  (1ull << 11)

/* IA32_PAT after reset. */
#define PAT_RESET 0x0007040600070406ull

#endif
