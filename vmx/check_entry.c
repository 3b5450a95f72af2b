/* VM entry's checks: all parts in their order, which fields they read, and a broken rule in words.
 */
#include "vmx/check_entry.h"

#include "lib/printf.h"

struct entry_breach vmx_check_entry(const struct entry_input *in, uint32_t parts)
{
	static struct entry_breach (*const checks[])(const struct entry_input *in) = {
		vmx_check_controls, vmx_check_event, vmx_check_host,         vmx_check_registers,
		vmx_check_segments, vmx_check_rip,   vmx_check_non_register, vmx_check_pdptes};

	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
		struct entry_breach breach = parts & BIT(i) ? checks[i](in) : BREACH_NONE;

		if (breach.rule)
			return breach;
	}
	return BREACH_NONE;
}

/* --- fields --------------------------------------------------------------------------------------
 */

/* An encoding without its gaps: width, type, and an index below 32 ('Field Encoding in VMCS'). */
#define INDEX(field) (((field) >> 13 & 3) << 7 | ((field) >> 10 & 3) << 5 | ((field) >> 1 & 31))
#define INDICES      512u

#define FIELD(field, parts_) [INDEX(field)] = {.name = #field, .parts = (parts_)}

#define CON PART_CONTROLS
#define EVT PART_EVENT
#define HST PART_HOST
#define REG PART_REGISTERS
#define SEG PART_SEGMENTS
#define RIP PART_RIP
#define NON PART_NON_REGISTER
#define PDP PART_PDPTES

#define SEGMENT_FIELDS(n)                                                                          \
	FIELD(GUEST_##n##_SELECTOR, SEG), FIELD(GUEST_##n##_BASE, SEG),                            \
		FIELD(GUEST_##n##_LIMIT, SEG)

/* Which parts read a field: the unit test holds this against what they do read. */
static const struct {
	const char *name;
	uint8_t parts;
} fields[INDICES] = {
	FIELD(PIN_BASED_CONTROLS, CON | NON),
	FIELD(PRIMARY_CONTROLS, CON | EVT | REG | SEG | PDP),
	FIELD(SECONDARY_CONTROLS, CON | EVT | REG | SEG | PDP),
	FIELD(EXIT_CONTROLS, CON | HST),
	FIELD(ENTRY_CONTROLS, CON | REG | SEG | RIP | PDP),
	FIELD(CR3_TARGET_COUNT, CON),
	FIELD(IO_BITMAP_A, CON),
	FIELD(IO_BITMAP_B, CON),
	FIELD(MSR_BITMAP, CON),
	FIELD(VIRTUAL_APIC_ADDRESS, CON),
	FIELD(APIC_ACCESS_ADDRESS, CON),
	FIELD(TPR_THRESHOLD, CON),
	FIELD(VPID, CON),
	FIELD(EPT_POINTER, CON),
	FIELD(EXIT_MSR_STORE_COUNT, CON),
	FIELD(EXIT_MSR_LOAD_COUNT, CON),
	FIELD(ENTRY_MSR_LOAD_COUNT, CON),
	FIELD(ENTRY_INTERRUPTION_INFORMATION, EVT | RIP | NON),
	FIELD(ENTRY_EXCEPTION_ERROR_CODE, EVT),
	FIELD(ENTRY_INSTRUCTION_LENGTH, EVT),
	FIELD(HOST_CR0, HST),
	FIELD(HOST_CR3, HST),
	FIELD(HOST_CR4, HST),
	FIELD(HOST_ES_SELECTOR, HST),
	FIELD(HOST_CS_SELECTOR, HST),
	FIELD(HOST_SS_SELECTOR, HST),
	FIELD(HOST_DS_SELECTOR, HST),
	FIELD(HOST_FS_SELECTOR, HST),
	FIELD(HOST_GS_SELECTOR, HST),
	FIELD(HOST_TR_SELECTOR, HST),
	FIELD(HOST_FS_BASE, HST),
	FIELD(HOST_GS_BASE, HST),
	FIELD(HOST_TR_BASE, HST),
	FIELD(HOST_GDTR_BASE, HST),
	FIELD(HOST_IDTR_BASE, HST),
	FIELD(HOST_IA32_SYSENTER_ESP, HST),
	FIELD(HOST_IA32_SYSENTER_EIP, HST),
	FIELD(HOST_IA32_PAT, HST),
	FIELD(HOST_IA32_EFER, HST),
	FIELD(HOST_RIP, HST),
	FIELD(GUEST_CR0, EVT | REG | SEG | RIP | PDP),
	FIELD(GUEST_CR3, REG),
	FIELD(GUEST_CR4, REG | PDP),
	FIELD(GUEST_DR7, REG),
	FIELD(GUEST_IA32_DEBUGCTL, REG | NON),
	FIELD(GUEST_IA32_SYSENTER_ESP, REG),
	FIELD(GUEST_IA32_SYSENTER_EIP, REG),
	FIELD(GUEST_IA32_PAT, REG),
	FIELD(GUEST_IA32_EFER, REG),
	SEGMENT_FIELDS(ES),
	SEGMENT_FIELDS(CS),
	SEGMENT_FIELDS(SS),
	SEGMENT_FIELDS(DS),
	SEGMENT_FIELDS(FS),
	SEGMENT_FIELDS(GS),
	SEGMENT_FIELDS(LDTR),
	SEGMENT_FIELDS(TR),
	FIELD(GUEST_ES_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_CS_ACCESS_RIGHTS, SEG | RIP),
	FIELD(GUEST_SS_ACCESS_RIGHTS, SEG | NON),
	FIELD(GUEST_DS_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_FS_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_GS_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_LDTR_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_TR_ACCESS_RIGHTS, SEG),
	FIELD(GUEST_GDTR_BASE, SEG),
	FIELD(GUEST_IDTR_BASE, SEG),
	FIELD(GUEST_GDTR_LIMIT, SEG),
	FIELD(GUEST_IDTR_LIMIT, SEG),
	FIELD(GUEST_RIP, RIP),
	FIELD(GUEST_RFLAGS, SEG | RIP | NON),
	FIELD(GUEST_ACTIVITY_STATE, NON),
	FIELD(GUEST_INTERRUPTIBILITY_STATE, NON),
	FIELD(GUEST_PENDING_DEBUG_EXCEPTIONS, NON),
	FIELD(VMCS_LINK_POINTER, NON),
	FIELD(GUEST_PDPTE0, PDP),
	FIELD(GUEST_PDPTE1, PDP),
	FIELD(GUEST_PDPTE2, PDP),
	FIELD(GUEST_PDPTE3, PDP),
};

uint8_t vmx_entry_parts(enum vmcs_field field)
{
	return fields[INDEX(field)].parts;
}

const char *vmx_field_name(enum vmcs_field field)
{
	const char *name = fields[INDEX(field)].name;

	return name ? name : "?";
}

/* --- in words ------------------------------------------------------------------------------------
 */

/* The first of fields whose encodings run in parallel stands for that of `segment`. */
static enum vmcs_field field_of(enum vmcs_field field, unsigned segment)
{
	switch (field) {
	case GUEST_ES_SELECTOR:
	case GUEST_ES_BASE:
	case GUEST_ES_LIMIT:
	case GUEST_ES_ACCESS_RIGHTS:
	case HOST_ES_SELECTOR:
	case GUEST_PDPTE0:
		return field + 2 * segment;
	default:
		return field;
	}
}

void vmx_describe_breach(const struct entry_input *in, struct entry_breach breach, char *buf,
			 size_t size)
{
	const struct entry_rule_row *row = &vmx_entry_rules[breach.rule];
	size_t len = (size_t)fmt_snprintf(buf, size, "%s", row->words);

	for (unsigned i = 0; i < ARRAY_SIZE(row->field) && row->field[i] && len < size; i++) {
		enum vmcs_field field = field_of(row->field[i], breach.segment);

		len += (size_t)fmt_snprintf(buf + len, size - len, "%s %s 0x%lx", i ? "," : ":",
					    vmx_field_name(field), entry_get(in, field));
	}
}
