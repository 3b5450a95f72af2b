/* What VM entry checks (SDM, chapter 'VM Entries'), as pure code over the VMCS's fields: which rule
 * would an entry with this state break? Fields are read by their encoding through one function,
 * from the current VMCS, or from a unit test's table.
 *
 * Every rule is a row (vmx/check_rules.c) with the words of the SDM, in the order of its sections.
 * A control that Carousel sets on no CPU has no rules for its fields, but one that says so
 * (RULE_*_UNUSED).
 */
#ifndef VMX_CHECK_ENTRY_H
#define VMX_CHECK_ENTRY_H

#include "vmx/caps.h"
#include "vmx/vmcs.h"

/* The parts of the chapter. */
enum entry_part {
	PART_CONTROLS = 1u << 0, /* 'Checks on VMX Controls', but what is next */
	PART_EVENT = 1u << 1,    /* 'VM-Entry Control Fields': what is injected */
	PART_HOST = 1u << 2,     /* 'Checks on Host-State Area' */
	PART_REGISTERS =
		1u << 3, /* 'Checks on Guest Control Registers, Debug Registers, and MSRs' */
	PART_SEGMENTS = 1u << 4, /* '… Guest Segment Registers', '… Descriptor-Table Registers' */
	PART_RIP = 1u << 5,      /* 'Checks on Guest RIP, RFLAGS, and SSP' */
	PART_NON_REGISTER = 1u << 6, /* 'Checks on Guest Non-Register State' */
	PART_PDPTES = 1u << 7,       /* 'Checks on Guest Page-Directory-Pointer-Table Entries' */
	PART_ALL = 0xff,
};

/* What only the host can have broken: a guest has no way to these fields. */
#define PART_OF_HOST (PART_CONTROLS | PART_HOST)

enum entry_rule {
	RULE_NONE, /* none is broken */

	RULE_PIN_RESERVED,
	RULE_PIN_UNUSED,
	RULE_PRIMARY_RESERVED,
	RULE_PRIMARY_UNUSED,
	RULE_SECONDARY_RESERVED,
	RULE_SECONDARY_UNUSED,
	RULE_CR3_TARGET_COUNT,
	RULE_IO_BITMAP_A,
	RULE_IO_BITMAP_B,
	RULE_MSR_BITMAP,
	RULE_VIRTUAL_APIC_ADDRESS,
	RULE_TPR_THRESHOLD,
	RULE_TPR_SHADOW_ALONE,
	RULE_VIRTUAL_NMIS,
	RULE_NMI_WINDOW,
	RULE_APIC_ACCESS_ADDRESS,
	RULE_APICV_WITHOUT_TPR_SHADOW,
	RULE_X2APIC_AND_APIC_ACCESSES,
	RULE_VIRTUAL_INTERRUPT_DELIVERY,
	RULE_VPID,
	RULE_EPTP_MEMORY_TYPE,
	RULE_EPTP_WALK,
	RULE_EPTP_ACCESSED_DIRTY,
	RULE_EPTP_RESERVED,
	RULE_UNRESTRICTED_GUEST,
	RULE_EXIT_RESERVED,
	RULE_EXIT_UNUSED,
	RULE_SAVE_PREEMPTION_TIMER,
	RULE_EXIT_MSR_STORE,
	RULE_EXIT_MSR_LOAD,
	RULE_ENTRY_RESERVED,
	RULE_ENTRY_UNUSED,
	RULE_ENTRY_MSR_LOAD,

	RULE_EVENT_TYPE,
	RULE_EVENT_NMI_VECTOR,
	RULE_EVENT_EXCEPTION_VECTOR,
	RULE_EVENT_OTHER_VECTOR,
	RULE_EVENT_NO_ERROR_CODE,
	RULE_EVENT_ERROR_CODE,
	RULE_EVENT_RESERVED,
	RULE_EVENT_ERROR_CODE_VALUE,
	RULE_EVENT_LENGTH,

	RULE_HOST_CR0,
	RULE_HOST_CR4,
	RULE_HOST_CET,
	RULE_HOST_CR3,
	RULE_HOST_SYSENTER_ESP,
	RULE_HOST_SYSENTER_EIP,
	RULE_HOST_PAT,
	RULE_HOST_EFER_RESERVED,
	RULE_HOST_EFER_MODE,
	RULE_HOST_SELECTOR,
	RULE_HOST_CS,
	RULE_HOST_TR,
	RULE_HOST_FS_BASE,
	RULE_HOST_GS_BASE,
	RULE_HOST_GDTR_BASE,
	RULE_HOST_IDTR_BASE,
	RULE_HOST_TR_BASE,
	RULE_HOST_ADDRESS_SPACE,
	RULE_HOST_PAE,
	RULE_HOST_RIP,

	RULE_CR0,
	RULE_CR0_PAGING,
	RULE_CR4,
	RULE_CET,
	RULE_DEBUGCTL,
	RULE_IA32E_PAGING,
	RULE_IA32E_PAE,
	RULE_PCIDE,
	RULE_CR3,
	RULE_DR7,
	RULE_SYSENTER_ESP,
	RULE_SYSENTER_EIP,
	RULE_PAT,
	RULE_EFER_RESERVED,
	RULE_EFER_LMA,
	RULE_EFER_LME,

	RULE_TR_TI,
	RULE_LDTR_TI,
	RULE_SS_RPL,
	RULE_V8086_BASE,
	RULE_V8086_LIMIT,
	RULE_V8086_ACCESS,
	RULE_BASE_CANONICAL,
	RULE_CS_BASE,
	RULE_DATA_BASE,
	RULE_CS_TYPE,
	RULE_SS_TYPE,
	RULE_DATA_ACCESSED,
	RULE_DATA_READABLE,
	RULE_SEGMENT_S,
	RULE_CS_DPL_DATA,
	RULE_CS_DPL_NON_CONFORMING,
	RULE_CS_DPL_CONFORMING,
	RULE_SS_DPL_RPL,
	RULE_SS_DPL_REAL,
	RULE_DATA_DPL,
	RULE_SEGMENT_P,
	RULE_SEGMENT_RESERVED,
	RULE_CS_DB,
	RULE_SEGMENT_G_SMALL,
	RULE_SEGMENT_G_LARGE,
	RULE_SEGMENT_HIGH,
	RULE_TR_TYPE,
	RULE_TR_TYPE_IA32E,
	RULE_TR_UNUSABLE,
	RULE_LDTR_TYPE,
	RULE_SYSTEM_S,
	RULE_GDTR_BASE,
	RULE_IDTR_BASE,
	RULE_GDTR_LIMIT,
	RULE_IDTR_LIMIT,

	RULE_RIP_HIGH,
	RULE_RIP_IDENTICAL,
	RULE_RFLAGS_RESERVED,
	RULE_RFLAGS_VM,
	RULE_RFLAGS_IF,

	RULE_ACTIVITY,
	RULE_ACTIVITY_HLT_DPL,
	RULE_ACTIVITY_BLOCKING,
	RULE_ACTIVITY_HLT_EVENT,
	RULE_ACTIVITY_SHUTDOWN_EVENT,
	RULE_ACTIVITY_SIPI_EVENT,
	RULE_BLOCKING_RESERVED,
	RULE_BLOCKING_BOTH,
	RULE_BLOCKING_STI_IF,
	RULE_BLOCKING_INTERRUPT,
	RULE_BLOCKING_MOV_SS_NMI,
	RULE_BLOCKING_SMI,
	RULE_BLOCKING_STI_NMI,
	RULE_BLOCKING_NMI,
	RULE_BLOCKING_ENCLAVE,
	RULE_PENDING_RESERVED,
	RULE_PENDING_BS_MISSING,
	RULE_PENDING_BS,
	RULE_PENDING_RTM,
	RULE_PENDING_RTM_MOV_SS,
	RULE_LINK_POINTER,

	RULE_PDPTE,

	ENTRY_RULES
};

/* A rule's row. */
struct entry_rule_row {
	uint8_t part;      /* of enum entry_part */
	const char *words; /* the SDM's, shortened; how it ends what no entry may do */
	uint16_t field[4]; /* what it is about, as far as not 0; of ES where it is about segments */
};
extern const struct entry_rule_row vmx_entry_rules[ENTRY_RULES];

/* What is checked. */
struct entry_input {
	const struct vmx_caps *caps; /* of the pCPU that enters */
	uint64_t (*read)(const struct entry_input *in, enum vmcs_field field);
};

/* The rule that is broken, and for one about segments which: ES 0, CS, SS, DS, FS, GS, LDTR, TR 7,
 * in the order of the encodings. */
struct entry_breach {
	enum entry_rule rule;
	uint8_t segment;
};

/* The first rule of these parts, in their order, that an entry would break; RULE_NONE: the CPU will
 * enter. Reads the fields of these parts (vmx_entry_parts). Any context. */
struct entry_breach vmx_check_entry(const struct entry_input *in, uint32_t parts);

/* The parts whose rules read this field: what is to be checked again after it was written. */
uint8_t vmx_entry_parts(enum vmcs_field field);

/* The SDM's name of a field that VM entry looks at, in capitals; "?" for others. */
const char *vmx_field_name(enum vmcs_field field);

#define ENTRY_BREACH_MAX 256

/* Its words, and the fields that it is about with their values, for a message. */
void vmx_describe_breach(const struct entry_input *in, struct entry_breach breach, char *buf,
			 size_t size);

/* The parts; vmx/check_*.c. */
struct entry_breach vmx_check_controls(const struct entry_input *in);
struct entry_breach vmx_check_event(const struct entry_input *in);
struct entry_breach vmx_check_host(const struct entry_input *in);
struct entry_breach vmx_check_registers(const struct entry_input *in);
struct entry_breach vmx_check_segments(const struct entry_input *in);
struct entry_breach vmx_check_rip(const struct entry_input *in);
struct entry_breach vmx_check_non_register(const struct entry_input *in);
struct entry_breach vmx_check_pdptes(const struct entry_input *in);

/* --- for vmx/check_*.c ---------------------------------------------------------------------------
 */

static inline uint64_t entry_get(const struct entry_input *in, enum vmcs_field field)
{
	return in->read(in, field);
}

static inline bool entry_has(const struct entry_input *in, enum vmcs_field field, uint32_t bits)
{
	return entry_get(in, field) & bits;
}

/* The secondary controls count only if a primary one says so. */
static inline uint32_t entry_secondary(const struct entry_input *in)
{
	return entry_has(in, PRIMARY_CONTROLS, PRIMARY_SECONDARY_CONTROLS)
		       ? (uint32_t)entry_get(in, SECONDARY_CONTROLS)
		       : 0;
}

/* 'Beyond the processor's physical-address width' */
static inline bool entry_is_physical(const struct entry_input *in, uint64_t address)
{
	return !(address >> in->caps->physical_bits);
}

/* Bits 63:N-1 identical, of the N linear-address bits that the CPU has. */
static inline bool entry_is_canonical(const struct entry_input *in, uint64_t address)
{
	unsigned unused = 64u - in->caps->linear_bits;

	return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* 'Each of the eight bytes … must have one of the values 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB), or
 * 7 (UC-)' */
static inline bool entry_is_pat(uint64_t pat)
{
	for (; pat; pat >>= 8)
		if ((uint8_t)pat > 7 || (uint8_t)pat == 2 || (uint8_t)pat == 3)
			return false;
	return true;
}

#define BREACH(broken) ((struct entry_breach){.rule = (broken)})
#define BREACH_NONE    BREACH(RULE_NONE)
#define BREACH_OF(broken, which)                                                                   \
	((struct entry_breach){.rule = (broken), .segment = (uint8_t)(which)})

#endif
