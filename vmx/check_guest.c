/* 'Checks on the Guest State Area', but segments: control registers, debug registers and MSRs, RIP
 * and RFLAGS, non-register state, PDPTEs. */
#include "vmx/check_entry.h"
#include "vmx/cr.h"

#define DEBUGCTL_RESERVED 0xffffffffffff0038ull
#define DEBUGCTL_BLD      BIT(2)  /* bus-lock detection's */
#define DEBUGCTL_RTM      BIT(15) /* advanced debugging of RTM regions */
#define RFLAGS_RESERVED   0xffffffffffc08028ull
#define RFLAGS_ONE        BIT(1)
#define RFLAGS_TF         BIT(8)
#define RFLAGS_IF         BIT(9)
#define RFLAGS_VM         BIT(17)
#define DEBUGCTL_BTF      BIT(1)

/* Pending debug exceptions: B0-B3, a bus lock, 'enabled breakpoint', BS, RTM. */
#define PENDING_BUS_LOCK BIT(11)
#define PENDING_ENABLED  BIT(12)
#define PENDING_BS       BIT(14)
#define PENDING_RTM      BIT(16)
#define PENDING_RESERVED (~(0xfull | PENDING_BUS_LOCK | PENDING_ENABLED | PENDING_BS | PENDING_RTM))

#define MISC_ACTIVITY_SHIFT 5 /* of HLT, the first after active, which is always supported */
#define PDPTE_P             BIT_ULL(0)
#define PDPTE_RESERVED      0x1e6ull

/* --- registers -----------------------------------------------------------------------------------
 */

/* 'The CR0 field must not set any bit to a value not supported in VMX operation', but PE and PG of
 * an unrestricted guest; 'bit 29 (NW) and bit 30 (CD) are never checked'. */
static struct entry_breach check_cr0(const struct entry_input *in)
{
	uint64_t cr0 = entry_get(in, GUEST_CR0), free = CR0_NW | CR0_CD;

	if (entry_secondary(in) & SECONDARY_UNRESTRICTED_GUEST)
		free |= CR0_PE | CR0_PG;
	if ((cr0 & ~(in->caps->cr0_fixed1 | free)) || (~cr0 & in->caps->cr0_fixed0 & ~free))
		return BREACH(RULE_CR0);
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		return BREACH(RULE_CR0_PAGING);
	return BREACH_NONE;
}

static struct entry_breach check_cr4(const struct entry_input *in)
{
	uint64_t cr4 = entry_get(in, GUEST_CR4), cr0 = entry_get(in, GUEST_CR0);
	bool is_ia32e = entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);

	if ((cr4 & ~in->caps->cr4_fixed1) || (~cr4 & in->caps->cr4_fixed0))
		return BREACH(RULE_CR4);
	if ((cr4 & CR4_CET) && !(cr0 & CR0_WP))
		return BREACH(RULE_CET);
	if (is_ia32e && !(cr0 & CR0_PG))
		return BREACH(RULE_IA32E_PAGING);
	if (is_ia32e && !(cr4 & CR4_PAE))
		return BREACH(RULE_IA32E_PAE);
	if (!is_ia32e && (cr4 & CR4_PCIDE))
		return BREACH(RULE_PCIDE);
	return BREACH_NONE;
}

static struct entry_breach check_efer(const struct entry_input *in)
{
	uint64_t efer = entry_get(in, GUEST_IA32_EFER);
	bool is_lma = efer & EFER_LMA, is_lme = efer & EFER_LME;

	if (!entry_has(in, ENTRY_CONTROLS, ENTRY_LOAD_IA32_EFER))
		return BREACH_NONE;
	if (efer & ~(uint64_t)EFER_DEFINED)
		return BREACH(RULE_EFER_RESERVED);
	if (is_lma != entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST))
		return BREACH(RULE_EFER_LMA);
	if ((entry_get(in, GUEST_CR0) & CR0_PG) && is_lma != is_lme)
		return BREACH(RULE_EFER_LME);
	return BREACH_NONE;
}

static struct entry_breach check_others(const struct entry_input *in)
{
	uint32_t entry = (uint32_t)entry_get(in, ENTRY_CONTROLS);
	uint64_t reserved = DEBUGCTL_RESERVED | (in->caps->has_bus_lock_debug ? 0 : DEBUGCTL_BLD) |
			    (in->caps->has_rtm ? 0 : DEBUGCTL_RTM);

	if ((entry & ENTRY_LOAD_DEBUG_CONTROLS) && (entry_get(in, GUEST_IA32_DEBUGCTL) & reserved))
		return BREACH(RULE_DEBUGCTL);
	if ((entry & ENTRY_LOAD_DEBUG_CONTROLS) && (entry_get(in, GUEST_DR7) >> 32))
		return BREACH(RULE_DR7);
	if (!entry_is_physical(in, entry_get(in, GUEST_CR3)))
		return BREACH(RULE_CR3);
	if (!entry_is_canonical(in, entry_get(in, GUEST_IA32_SYSENTER_ESP)))
		return BREACH(RULE_SYSENTER_ESP);
	if (!entry_is_canonical(in, entry_get(in, GUEST_IA32_SYSENTER_EIP)))
		return BREACH(RULE_SYSENTER_EIP);
	if ((entry & ENTRY_LOAD_IA32_PAT) && !entry_is_pat(entry_get(in, GUEST_IA32_PAT)))
		return BREACH(RULE_PAT);
	return BREACH_NONE;
}

struct entry_breach vmx_check_registers(const struct entry_input *in)
{
	struct entry_breach breach = check_cr0(in);

	if (!breach.rule)
		breach = check_cr4(in);
	if (!breach.rule)
		breach = check_others(in);
	return breach.rule ? breach : check_efer(in);
}

/* --- RIP and RFLAGS ------------------------------------------------------------------------------
 */

/* 'The CPU's N linear-address bits … bits 63:N must be identical': RIP may thus be the address
 * behind the last canonical one, as an instruction that is skipped there leaves it; the fetch is
 * the guest's #GP. */
static struct entry_breach check_ip(const struct entry_input *in)
{
	uint64_t rip = entry_get(in, GUEST_RIP);
	int64_t high = (int64_t)rip >> in->caps->linear_bits;

	if (!entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST) ||
	    !entry_has(in, GUEST_CS_ACCESS_RIGHTS, ACCESS_RIGHTS_L))
		return rip >> 32 ? BREACH(RULE_RIP_HIGH) : BREACH_NONE;
	return high == 0 || high == -1 ? BREACH_NONE : BREACH(RULE_RIP_IDENTICAL);
}

struct entry_breach vmx_check_rip(const struct entry_input *in)
{
	uint64_t rflags = entry_get(in, GUEST_RFLAGS);
	uint32_t info = (uint32_t)entry_get(in, ENTRY_INTERRUPTION_INFORMATION);

	if ((rflags & RFLAGS_RESERVED) || !(rflags & RFLAGS_ONE))
		return BREACH(RULE_RFLAGS_RESERVED);
	if ((rflags & RFLAGS_VM) && (entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST) ||
				     !(entry_get(in, GUEST_CR0) & CR0_PE)))
		return BREACH(RULE_RFLAGS_VM);
	if ((info & INTR_INFO_VALID) && (info & INTR_INFO_TYPE) == INTR_TYPE_EXTERNAL &&
	    !(rflags & RFLAGS_IF))
		return BREACH(RULE_RFLAGS_IF);
	return check_ip(in);
}

/* --- non-register state --------------------------------------------------------------------------
 */

/* 'The interruption to be delivered … must not be one that would normally be blocked while a
 * logical processor is in the activity state' */
static struct entry_breach check_activity_event(uint64_t activity, uint32_t info)
{
	uint32_t type = info & INTR_INFO_TYPE, vector = info & INTR_INFO_VECTOR;
	bool is_exception = type == INTR_TYPE_HARDWARE_EXCEPTION;

	if (activity == ACTIVITY_HLT && type != INTR_TYPE_EXTERNAL && type != INTR_TYPE_NMI &&
	    !(is_exception && (vector == 1 || vector == 18)) &&
	    !(type == INTR_TYPE_OTHER_EVENT && !vector))
		return BREACH(RULE_ACTIVITY_HLT_EVENT);
	if (activity == ACTIVITY_SHUTDOWN && type != INTR_TYPE_NMI &&
	    !(is_exception && vector == 18))
		return BREACH(RULE_ACTIVITY_SHUTDOWN_EVENT);
	if (activity == ACTIVITY_WAIT_FOR_SIPI)
		return BREACH(RULE_ACTIVITY_SIPI_EVENT);
	return BREACH_NONE;
}

static struct entry_breach check_activity(const struct entry_input *in, uint64_t activity,
					  uint64_t blocking, uint32_t info)
{
	uint64_t supported = (in->caps->misc >> MISC_ACTIVITY_SHIFT & 0xe) | BIT(ACTIVITY_ACTIVE);

	if (activity > ACTIVITY_WAIT_FOR_SIPI || !(supported & BIT(activity)))
		return BREACH(RULE_ACTIVITY);
	if (activity == ACTIVITY_HLT && (entry_get(in, GUEST_SS_ACCESS_RIGHTS) & ACCESS_RIGHTS_DPL))
		return BREACH(RULE_ACTIVITY_HLT_DPL);
	if (activity != ACTIVITY_ACTIVE && (blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)))
		return BREACH(RULE_ACTIVITY_BLOCKING);
	return info & INTR_INFO_VALID ? check_activity_event(activity, info) : BREACH_NONE;
}

/* What is about to be injected, against what blocks it. */
static struct entry_breach check_blocked_event(const struct entry_input *in, uint64_t blocking,
					       uint32_t info)
{
	uint32_t type = info & INTR_INFO_TYPE;
	bool has_virtual_nmis = entry_has(in, PIN_BASED_CONTROLS, PIN_VIRTUAL_NMIS);

	if (type == INTR_TYPE_EXTERNAL && (blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)))
		return BREACH(RULE_BLOCKING_INTERRUPT);
	if (type != INTR_TYPE_NMI)
		return BREACH_NONE;
	if (blocking & BLOCKING_BY_MOV_SS)
		return BREACH(RULE_BLOCKING_MOV_SS_NMI);
	if (blocking & BLOCKING_BY_STI)
		return BREACH(RULE_BLOCKING_STI_NMI);
	return (blocking & BLOCKING_BY_NMI) && has_virtual_nmis ? BREACH(RULE_BLOCKING_NMI)
								: BREACH_NONE;
}

static struct entry_breach check_blocking(const struct entry_input *in, uint64_t blocking,
					  uint32_t info)
{
	if (blocking & ~0x1full)
		return BREACH(RULE_BLOCKING_RESERVED);
	if ((blocking & BLOCKING_BY_STI) && (blocking & BLOCKING_BY_MOV_SS))
		return BREACH(RULE_BLOCKING_BOTH);
	if ((blocking & BLOCKING_BY_STI) && !(entry_get(in, GUEST_RFLAGS) & RFLAGS_IF))
		return BREACH(RULE_BLOCKING_STI_IF);
	if (blocking & BLOCKING_BY_SMI)
		return BREACH(RULE_BLOCKING_SMI);
	if (blocking & BLOCKING_ENCLAVE)
		return BREACH(RULE_BLOCKING_ENCLAVE);
	return info & INTR_INFO_VALID ? check_blocked_event(in, blocking, info) : BREACH_NONE;
}

static struct entry_breach check_pending(const struct entry_input *in, uint64_t activity,
					 uint64_t blocking)
{
	uint64_t pending = entry_get(in, GUEST_PENDING_DEBUG_EXCEPTIONS), rflags, debugctl;
	bool is_step;

	if ((pending & PENDING_RESERVED) ||
	    ((pending & PENDING_BUS_LOCK) && !in->caps->has_bus_lock_debug))
		return BREACH(RULE_PENDING_RESERVED);
	if ((pending & PENDING_RTM) && (!in->caps->has_rtm || !(pending & PENDING_ENABLED) ||
					(pending & ~(uint64_t)(PENDING_RTM | PENDING_ENABLED))))
		return BREACH(RULE_PENDING_RTM);
	if ((pending & PENDING_RTM) && (blocking & BLOCKING_BY_MOV_SS))
		return BREACH(RULE_PENDING_RTM_MOV_SS);
	if (activity != ACTIVITY_HLT && !(blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)))
		return BREACH_NONE;
	rflags = entry_get(in, GUEST_RFLAGS);
	debugctl = entry_get(in, GUEST_IA32_DEBUGCTL);
	is_step = (rflags & RFLAGS_TF) && !(debugctl & DEBUGCTL_BTF);
	if (is_step && !(pending & PENDING_BS))
		return BREACH(RULE_PENDING_BS_MISSING);
	return !is_step && (pending & PENDING_BS) ? BREACH(RULE_PENDING_BS) : BREACH_NONE;
}

struct entry_breach vmx_check_non_register(const struct entry_input *in)
{
	uint64_t activity = entry_get(in, GUEST_ACTIVITY_STATE);
	uint64_t blocking = entry_get(in, GUEST_INTERRUPTIBILITY_STATE);
	uint32_t info = (uint32_t)entry_get(in, ENTRY_INTERRUPTION_INFORMATION);
	struct entry_breach breach = check_activity(in, activity, blocking, info);

	if (!breach.rule)
		breach = check_blocking(in, blocking, info);
	if (!breach.rule)
		breach = check_pending(in, activity, blocking);
	if (!breach.rule && entry_get(in, VMCS_LINK_POINTER) != UINT64_MAX)
		breach = BREACH(RULE_LINK_POINTER);
	return breach;
}

/* --- PDPTEs --------------------------------------------------------------------------------------
 */

/* 'If a VM entry is to a guest that uses PAE paging': with EPT, the fields are checked. */
struct entry_breach vmx_check_pdptes(const struct entry_input *in)
{
	bool is_pae = (entry_get(in, GUEST_CR0) & CR0_PG) && (entry_get(in, GUEST_CR4) & CR4_PAE) &&
		      !entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);

	if (!is_pae || !(entry_secondary(in) & SECONDARY_ENABLE_EPT))
		return BREACH_NONE;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t pdpte = entry_get(in, GUEST_PDPTE0 + 2 * i);

		if ((pdpte & PDPTE_P) &&
		    ((pdpte & PDPTE_RESERVED) || !entry_is_physical(in, pdpte)))
			return BREACH_OF(RULE_PDPTE, i);
	}
	return BREACH_NONE;
}
