/* What this CPU's VMX can do, and the control words fitted to it. Pure: the capability MSRs are
 * read through a callback. */
#ifndef VMX_CAPS_H
#define VMX_CAPS_H

#include "cpu/insn.h"
#include "lib/types.h"

#define VMX_ERROR_MAX       384
#define VMX_DESCRIPTION_MAX 320

/* IA32_VMX_EPT_VPID_CAP: what an EPT pointer may say. */
#define EPT_CAP_WALK_4 BIT_ULL(6)
#define EPT_CAP_WALK_5 BIT_ULL(7)
#define EPT_CAP_UC     BIT_ULL(8)
#define EPT_CAP_WB     BIT_ULL(14)
#define EPT_CAP_AD     BIT_ULL(21)

struct vmx_caps {
	uint32_t revision;                             /* VMCS revision identifier */
	uint32_t pin, primary, secondary, exit, entry; /* the fitted control words */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint8_t preemption_shift; /* the timer counts TSC >> this */
	uint64_t ept_max_leaf;    /* PAGE_SIZE, SIZE_2M or SIZE_1G */
	bool has_ept_ad;
	bool has_invept_single; /* else all-context INVEPT */
	bool has_invvpid_single, has_invvpid_address;
	bool has_preemption_timer; /* pin control and 'save timer value' are both on */
	bool has_hlt_activity;     /* the HLT activity state can be entered */
	bool has_true_controls;
	/* An exit of INS or OUTS tells its address size. */
	bool has_ins_outs_information;
	/* TPR shadow, virtualised x2APIC mode and APIC accesses, APIC-register virtualisation and
	 * virtual-interrupt delivery are there, all of them, and CR8 exits can be off. They are not
	 * in the control words before vmx_caps_add_apicv. */
	bool has_apicv;

	/* As read: for each control word the bits that must be 1 (31:0) and that may be (63:32);
	 * IA32_VMX_BASIC, IA32_VMX_MISC, IA32_VMX_EPT_VPID_CAP. */
	uint64_t pin_allowed, primary_allowed, secondary_allowed, exit_allowed, entry_allowed;
	uint64_t basic, misc, ept_vpid;
	/* vmx_caps_read_cpuid's: widths of addresses; RTM; #DB by a bus lock */
	uint8_t physical_bits, linear_bits;
	bool has_rtm, has_bus_lock_debug;
};

/* A control word: (want & allowed-1) | allowed-0, where want is required | optional. The bits of
 * `required` that the capability MSR (allowed-0 in bits 31:0, allowed-1 in 63:32) does not have are
 * returned; `*word` is the word. (SDM, 'Algorithms for Determining VMX Capabilities'.) */
uint32_t vmx_fit_control(uint64_t capability, uint32_t required, uint32_t optional, uint32_t *word);

/* Reads the MSRs and fits all control words. 0; or -ENODEV and in `error` the SDM names of what is
 * missing. */
int __must_check vmx_caps_read(struct vmx_caps *caps, uint64_t (*read_msr)(uint32_t msr),
			       char *error, size_t error_size);

/* What VM entry's checks need to know of the CPU besides: widths and features, by CPUID. */
void vmx_caps_read_cpuid(struct vmx_caps *caps,
			 struct cpuid_regs (*ask)(uint32_t leaf, uint32_t subleaf));

/* Puts the controls of has_apicv into the words, but those that change with the APIC's mode. */
void vmx_caps_add_apicv(struct vmx_caps *caps);

/* What is used, and of what is missing the next best, for the boot's log. */
void vmx_caps_describe(const struct vmx_caps *caps, char *buf, size_t size);

/* The guest's CR0/CR4 as the CPU will have it: fixed bits forced, but PE and PG free (unrestricted
 * guest). */
uint64_t vmx_fix_cr0(const struct vmx_caps *caps, uint64_t cr0);
uint64_t vmx_fix_cr4(const struct vmx_caps *caps, uint64_t cr4);

#endif
