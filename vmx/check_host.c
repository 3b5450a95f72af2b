/* 'Checks on Host-State Area', for a host in IA-32e mode. */
#include "vmx/check_entry.h"
#include "vmx/cr.h"

#define SELECTOR_TI_RPL 7u

static bool is_fixed(uint64_t value, uint64_t fixed0, uint64_t fixed1)
{
	return !(value & ~fixed1) && !(~value & fixed0);
}

static struct entry_breach check_registers(const struct entry_input *in)
{
	const struct vmx_caps *caps = in->caps;
	uint64_t cr0 = entry_get(in, HOST_CR0), cr4 = entry_get(in, HOST_CR4);

	if (!is_fixed(cr0, caps->cr0_fixed0, caps->cr0_fixed1))
		return BREACH(RULE_HOST_CR0);
	if (!is_fixed(cr4, caps->cr4_fixed0, caps->cr4_fixed1))
		return BREACH(RULE_HOST_CR4);
	if ((cr4 & CR4_CET) && !(cr0 & CR0_WP))
		return BREACH(RULE_HOST_CET);
	if (!entry_is_physical(in, entry_get(in, HOST_CR3)))
		return BREACH(RULE_HOST_CR3);
	return BREACH_NONE;
}

static struct entry_breach check_msrs(const struct entry_input *in)
{
	uint32_t exit = (uint32_t)entry_get(in, EXIT_CONTROLS);
	uint64_t mode = exit & EXIT_HOST_ADDRESS_SPACE_SIZE ? EFER_LMA | EFER_LME : 0;
	uint64_t efer = entry_get(in, HOST_IA32_EFER);

	if ((exit & EXIT_LOAD_IA32_PAT) && !entry_is_pat(entry_get(in, HOST_IA32_PAT)))
		return BREACH(RULE_HOST_PAT);
	if (!(exit & EXIT_LOAD_IA32_EFER))
		return BREACH_NONE;
	if (efer & ~(uint64_t)EFER_DEFINED)
		return BREACH(RULE_HOST_EFER_RESERVED);
	return (efer & (EFER_LMA | EFER_LME)) == mode ? BREACH_NONE : BREACH(RULE_HOST_EFER_MODE);
}

/* 'Checks on Host Segment and Descriptor-Table Registers' */
static struct entry_breach check_selectors(const struct entry_input *in)
{
	/* ES, CS, SS, DS, FS, GS, then TR, whose encoding has LDTR's place. */
	for (unsigned i = 0; i < 7; i++)
		if (entry_get(in, HOST_ES_SELECTOR + 2 * i) & SELECTOR_TI_RPL)
			return BREACH_OF(RULE_HOST_SELECTOR, i);
	if (!entry_get(in, HOST_CS_SELECTOR))
		return BREACH(RULE_HOST_CS);
	return entry_get(in, HOST_TR_SELECTOR) ? BREACH_NONE : BREACH(RULE_HOST_TR);
}

static struct entry_breach check_canonical(const struct entry_input *in)
{
	static const struct {
		enum vmcs_field field;
		enum entry_rule rule;
	} addresses[] = {
		{HOST_IA32_SYSENTER_ESP, RULE_HOST_SYSENTER_ESP},
		{HOST_IA32_SYSENTER_EIP, RULE_HOST_SYSENTER_EIP},
		{HOST_FS_BASE, RULE_HOST_FS_BASE},
		{HOST_GS_BASE, RULE_HOST_GS_BASE},
		{HOST_GDTR_BASE, RULE_HOST_GDTR_BASE},
		{HOST_IDTR_BASE, RULE_HOST_IDTR_BASE},
		{HOST_TR_BASE, RULE_HOST_TR_BASE},
		{HOST_RIP, RULE_HOST_RIP},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!entry_is_canonical(in, entry_get(in, addresses[i].field)))
			return BREACH(addresses[i].rule);
	return BREACH_NONE;
}

/* 'Checks Related to Address-Space Size', of a CPU that is in IA-32e mode. */
static struct entry_breach check_address_space(const struct entry_input *in)
{
	if (!entry_has(in, EXIT_CONTROLS, EXIT_HOST_ADDRESS_SPACE_SIZE))
		return BREACH(RULE_HOST_ADDRESS_SPACE);
	return entry_get(in, HOST_CR4) & CR4_PAE ? BREACH_NONE : BREACH(RULE_HOST_PAE);
}

struct entry_breach vmx_check_host(const struct entry_input *in)
{
	static struct entry_breach (*const checks[])(const struct entry_input *in) = {
		check_registers, check_address_space, check_msrs, check_selectors, check_canonical};
	struct entry_breach breach = BREACH_NONE;

	for (unsigned i = 0; i < ARRAY_SIZE(checks) && !breach.rule; i++)
		breach = checks[i](in);
	return breach;
}
