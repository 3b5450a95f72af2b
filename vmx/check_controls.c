/* 'Checks on VMX Controls': VM-execution, VM-exit and VM-entry controls, and the event that is to
 * be injected. */
#include "vmx/check_entry.h"
#include "vmx/cr.h"

/* What Carousel sets, besides what a CPU insists on. */
#define PIN_USED                                                                                   \
	(PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER)
#define PRIMARY_USED                                                                               \
	(PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_USE_TSC_OFFSETTING | PRIMARY_HLT_EXITING |     \
	 PRIMARY_MWAIT_EXITING | PRIMARY_RDPMC_EXITING | PRIMARY_CR8_LOAD_EXITING |                \
	 PRIMARY_CR8_STORE_EXITING | PRIMARY_USE_TPR_SHADOW | PRIMARY_NMI_WINDOW_EXITING |         \
	 PRIMARY_MOV_DR_EXITING | PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS |               \
	 PRIMARY_MONITOR_EXITING | PRIMARY_SECONDARY_CONTROLS)
#define SECONDARY_USED                                                                             \
	(SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_RDTSCP |     \
	 SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_ENABLE_VPID | SECONDARY_WBINVD_EXITING |     \
	 SECONDARY_UNRESTRICTED_GUEST | SECONDARY_APIC_REGISTER_VIRTUALIZATION |                   \
	 SECONDARY_VIRTUAL_INTERRUPT_DELIVERY | SECONDARY_PAUSE_LOOP_EXITING |                     \
	 SECONDARY_RDRAND_EXITING | SECONDARY_ENABLE_INVPCID | SECONDARY_RDSEED_EXITING)
#define EXIT_USED                                                                                  \
	(EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_IA32_PAT |            \
	 EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER |                          \
	 EXIT_SAVE_PREEMPTION_TIMER)
#define ENTRY_USED                                                                                 \
	(ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_IA32_PAT |                \
	 ENTRY_LOAD_IA32_EFER)

#define APICV_CONTROLS                                                                             \
	(SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_APIC_REGISTER_VIRTUALIZATION |               \
	 SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)

#define EPTP_MEMORY_TYPE 7u
#define EPTP_WALK        (7u << 3)
#define EPTP_AD          BIT(6)
#define EPTP_RESERVED    0xf80u
#define MISC_LENGTH_0    BIT(30)
#define BASIC_ANY_ERROR  BIT_ULL(56)
#define LENGTH_MAX       15u

/* Bits that may not be 1, or may not be 0 ('Algorithms for Determining VMX Capabilities'). */
static bool is_reserved_broken(uint64_t allowed, uint64_t word)
{
	return (word & ~(allowed >> 32)) || (~word & (uint32_t)allowed);
}

static bool is_unused_set(uint64_t allowed, uint64_t word, uint32_t used)
{
	return word & ~((uint32_t)allowed | used);
}

static struct entry_breach check_words(const struct entry_input *in)
{
	const struct vmx_caps *caps = in->caps;
	const struct {
		enum vmcs_field field;
		uint64_t allowed;
		uint32_t used;
		enum entry_rule reserved, unused;
	} words[] = {
		{PIN_BASED_CONTROLS, caps->pin_allowed, PIN_USED, RULE_PIN_RESERVED,
		 RULE_PIN_UNUSED},
		{PRIMARY_CONTROLS, caps->primary_allowed, PRIMARY_USED, RULE_PRIMARY_RESERVED,
		 RULE_PRIMARY_UNUSED},
		{SECONDARY_CONTROLS, caps->secondary_allowed, SECONDARY_USED,
		 RULE_SECONDARY_RESERVED, RULE_SECONDARY_UNUSED},
		{EXIT_CONTROLS, caps->exit_allowed, EXIT_USED, RULE_EXIT_RESERVED,
		 RULE_EXIT_UNUSED},
		{ENTRY_CONTROLS, caps->entry_allowed, ENTRY_USED, RULE_ENTRY_RESERVED,
		 RULE_ENTRY_UNUSED},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		uint64_t word;

		if (words[i].field == SECONDARY_CONTROLS &&
		    !entry_has(in, PRIMARY_CONTROLS, PRIMARY_SECONDARY_CONTROLS))
			continue;
		word = entry_get(in, words[i].field);
		if (is_reserved_broken(words[i].allowed, word))
			return BREACH(words[i].reserved);
		if (is_unused_set(words[i].allowed, word, words[i].used))
			return BREACH(words[i].unused);
	}
	return BREACH_NONE;
}

/* 'Bits 11:0 of the address must be 0; the address should not set any bits beyond the processor's
 * physical-address width.' */
static bool is_page(const struct entry_input *in, enum vmcs_field field)
{
	uint64_t address = entry_get(in, field);

	return IS_ALIGNED(address, PAGE_SIZE) && entry_is_physical(in, address);
}

static struct entry_breach check_pages(const struct entry_input *in)
{
	uint32_t primary = (uint32_t)entry_get(in, PRIMARY_CONTROLS);

	if ((primary & PRIMARY_USE_IO_BITMAPS) && !is_page(in, IO_BITMAP_A))
		return BREACH(RULE_IO_BITMAP_A);
	if ((primary & PRIMARY_USE_IO_BITMAPS) && !is_page(in, IO_BITMAP_B))
		return BREACH(RULE_IO_BITMAP_B);
	if ((primary & PRIMARY_USE_MSR_BITMAPS) && !is_page(in, MSR_BITMAP))
		return BREACH(RULE_MSR_BITMAP);
	if ((primary & PRIMARY_USE_TPR_SHADOW) && !is_page(in, VIRTUAL_APIC_ADDRESS))
		return BREACH(RULE_VIRTUAL_APIC_ADDRESS);
	if ((entry_secondary(in) & SECONDARY_VIRTUALIZE_APIC_ACCESSES) &&
	    !is_page(in, APIC_ACCESS_ADDRESS))
		return BREACH(RULE_APIC_ACCESS_ADDRESS);
	return BREACH_NONE;
}

static struct entry_breach check_interrupts(const struct entry_input *in)
{
	uint32_t pin = (uint32_t)entry_get(in, PIN_BASED_CONTROLS);
	uint32_t primary = (uint32_t)entry_get(in, PRIMARY_CONTROLS);
	uint32_t secondary = entry_secondary(in);
	bool has_shadow = primary & PRIMARY_USE_TPR_SHADOW;
	bool has_delivery = secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY;

	if (has_shadow && !has_delivery && (entry_get(in, TPR_THRESHOLD) & ~0xfull))
		return BREACH(RULE_TPR_THRESHOLD);
	if (has_shadow && !has_delivery)
		return BREACH(RULE_TPR_SHADOW_ALONE);
	if (!(pin & PIN_NMI_EXITING) && (pin & PIN_VIRTUAL_NMIS))
		return BREACH(RULE_VIRTUAL_NMIS);
	if (!(pin & PIN_VIRTUAL_NMIS) && (primary & PRIMARY_NMI_WINDOW_EXITING))
		return BREACH(RULE_NMI_WINDOW);
	if (!has_shadow && (secondary & APICV_CONTROLS))
		return BREACH(RULE_APICV_WITHOUT_TPR_SHADOW);
	if ((secondary & SECONDARY_VIRTUALIZE_X2APIC_MODE) &&
	    (secondary & SECONDARY_VIRTUALIZE_APIC_ACCESSES))
		return BREACH(RULE_X2APIC_AND_APIC_ACCESSES);
	if (has_delivery && !(pin & PIN_EXTERNAL_INTERRUPT_EXITING))
		return BREACH(RULE_VIRTUAL_INTERRUPT_DELIVERY);
	return BREACH_NONE;
}

static struct entry_breach check_eptp(const struct entry_input *in)
{
	uint64_t eptp = entry_get(in, EPT_POINTER), cap = in->caps->ept_vpid;
	uint64_t type = eptp & EPTP_MEMORY_TYPE, walk = eptp & EPTP_WALK;

	if (!((type == 0 && (cap & EPT_CAP_UC)) || (type == 6 && (cap & EPT_CAP_WB))))
		return BREACH(RULE_EPTP_MEMORY_TYPE);
	if (!((walk == 3u << 3 && (cap & EPT_CAP_WALK_4)) ||
	      (walk == 4u << 3 && (cap & EPT_CAP_WALK_5))))
		return BREACH(RULE_EPTP_WALK);
	if ((eptp & EPTP_AD) && !(cap & EPT_CAP_AD))
		return BREACH(RULE_EPTP_ACCESSED_DIRTY);
	if ((eptp & EPTP_RESERVED) || !entry_is_physical(in, eptp))
		return BREACH(RULE_EPTP_RESERVED);
	return BREACH_NONE;
}

static struct entry_breach check_translation(const struct entry_input *in)
{
	uint32_t secondary = entry_secondary(in);

	if ((secondary & SECONDARY_ENABLE_VPID) && !entry_get(in, VPID))
		return BREACH(RULE_VPID);
	if ((secondary & SECONDARY_UNRESTRICTED_GUEST) && !(secondary & SECONDARY_ENABLE_EPT))
		return BREACH(RULE_UNRESTRICTED_GUEST);
	return secondary & SECONDARY_ENABLE_EPT ? check_eptp(in) : BREACH_NONE;
}

static struct entry_breach check_counts(const struct entry_input *in)
{
	if (entry_get(in, CR3_TARGET_COUNT) > (in->caps->misc >> 16 & 0x1ff))
		return BREACH(RULE_CR3_TARGET_COUNT);
	if (!entry_has(in, PIN_BASED_CONTROLS, PIN_PREEMPTION_TIMER) &&
	    entry_has(in, EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER))
		return BREACH(RULE_SAVE_PREEMPTION_TIMER);
	if (entry_get(in, EXIT_MSR_STORE_COUNT))
		return BREACH(RULE_EXIT_MSR_STORE);
	if (entry_get(in, EXIT_MSR_LOAD_COUNT))
		return BREACH(RULE_EXIT_MSR_LOAD);
	if (entry_get(in, ENTRY_MSR_LOAD_COUNT))
		return BREACH(RULE_ENTRY_MSR_LOAD);
	return BREACH_NONE;
}

struct entry_breach vmx_check_controls(const struct entry_input *in)
{
	static struct entry_breach (*const checks[])(const struct entry_input *in) = {
		check_words, check_pages, check_interrupts, check_translation, check_counts};
	struct entry_breach breach = BREACH_NONE;

	for (unsigned i = 0; i < ARRAY_SIZE(checks) && !breach.rule; i++)
		breach = checks[i](in);
	return breach;
}

/* --- event injection -----------------------------------------------------------------------------
 */

/* 'One of those exceptions that normally deliver an error code' */
static bool has_error_code(unsigned vector)
{
	return vector < 32 &&
	       (BIT(vector) & (BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17)));
}

static struct entry_breach check_vector(const struct entry_input *in, uint32_t type,
					unsigned vector)
{
	bool has_trap_flag = in->caps->primary_allowed >> 32 & PRIMARY_MONITOR_TRAP_FLAG;

	if (type == INTR_TYPE_RESERVED || (type == INTR_TYPE_OTHER_EVENT && !has_trap_flag))
		return BREACH(RULE_EVENT_TYPE);
	if (type == INTR_TYPE_NMI && vector != 2)
		return BREACH(RULE_EVENT_NMI_VECTOR);
	if (type == INTR_TYPE_HARDWARE_EXCEPTION && vector > 31)
		return BREACH(RULE_EVENT_EXCEPTION_VECTOR);
	if (type == INTR_TYPE_OTHER_EVENT && vector)
		return BREACH(RULE_EVENT_OTHER_VECTOR);
	return BREACH_NONE;
}

static struct entry_breach check_error_code(const struct entry_input *in, uint32_t info)
{
	bool is_protected = !(entry_secondary(in) & SECONDARY_UNRESTRICTED_GUEST) ||
			    (entry_get(in, GUEST_CR0) & CR0_PE);
	bool may = is_protected && (info & INTR_INFO_TYPE) == INTR_TYPE_HARDWARE_EXCEPTION;
	bool must = may && has_error_code(info & INTR_INFO_VECTOR);

	/* 'Software may … deliver any hardware exception with or without an error code' */
	if (in->caps->basic & BASIC_ANY_ERROR)
		must = false;
	else
		may = must;
	if ((info & INTR_INFO_ERROR_CODE) && !may)
		return BREACH(RULE_EVENT_NO_ERROR_CODE);
	if (!(info & INTR_INFO_ERROR_CODE) && must)
		return BREACH(RULE_EVENT_ERROR_CODE);
	return BREACH_NONE;
}

static bool is_software_event(uint32_t type)
{
	return type == INTR_TYPE_SOFTWARE_INTERRUPT || type == INTR_TYPE_SOFTWARE_EXCEPTION ||
	       type == INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION;
}

struct entry_breach vmx_check_event(const struct entry_input *in)
{
	uint32_t info = (uint32_t)entry_get(in, ENTRY_INTERRUPTION_INFORMATION);
	uint32_t type = info & INTR_INFO_TYPE;
	struct entry_breach breach;

	if (!(info & INTR_INFO_VALID))
		return BREACH_NONE;
	breach = check_vector(in, type, info & INTR_INFO_VECTOR);
	if (!breach.rule)
		breach = check_error_code(in, info);
	if (breach.rule)
		return breach;
	if (info & ~(INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_INFO_TYPE | INTR_INFO_VECTOR))
		return BREACH(RULE_EVENT_RESERVED);
	if ((info & INTR_INFO_ERROR_CODE) && (entry_get(in, ENTRY_EXCEPTION_ERROR_CODE) >> 16))
		return BREACH(RULE_EVENT_ERROR_CODE_VALUE);
	if (is_software_event(type)) {
		uint64_t length = entry_get(in, ENTRY_INSTRUCTION_LENGTH);

		if (length > LENGTH_MAX || (!length && !(in->caps->misc & MISC_LENGTH_0)))
			return BREACH(RULE_EVENT_LENGTH);
	}
	return BREACH_NONE;
}
