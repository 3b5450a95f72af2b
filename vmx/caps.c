/* VMX capabilities and control words. */
#include "vmx/caps.h"

#include "lib/errno.h"
#include "lib/printf.h"
#include "vmx/vmcs.h"

enum {
	MSR_VMX_BASIC = 0x480,
	MSR_VMX_PINBASED_CTLS = 0x481,
	MSR_VMX_PROCBASED_CTLS = 0x482,
	MSR_VMX_EXIT_CTLS = 0x483,
	MSR_VMX_ENTRY_CTLS = 0x484,
	MSR_VMX_MISC = 0x485,
	MSR_VMX_CR0_FIXED0 = 0x486,
	MSR_VMX_CR0_FIXED1 = 0x487,
	MSR_VMX_CR4_FIXED0 = 0x488,
	MSR_VMX_CR4_FIXED1 = 0x489,
	MSR_VMX_PROCBASED_CTLS2 = 0x48b,
	MSR_VMX_EPT_VPID_CAP = 0x48c,
	MSR_VMX_TRUE_PINBASED_CTLS = 0x48d,
	MSR_VMX_TRUE_PROCBASED_CTLS = 0x48e,
	MSR_VMX_TRUE_EXIT_CTLS = 0x48f,
	MSR_VMX_TRUE_ENTRY_CTLS = 0x490,
};

#define CPUID_7_EBX_RTM             BIT(11)
#define CPUID_7_ECX_BUS_LOCK_DETECT BIT(24)

#define BASIC_INS_OUTS     BIT_ULL(54)
#define BASIC_TRUE_CTLS    BIT_ULL(55)
#define MISC_ACTIVITY_HLT  BIT_ULL(6)
#define EPT_CAP_2M         BIT_ULL(16)
#define EPT_CAP_1G         BIT_ULL(17)
#define EPT_CAP_INVEPT     BIT_ULL(20)
#define EPT_CAP_INVEPT_ONE BIT_ULL(25)
#define EPT_CAP_INVEPT_ALL BIT_ULL(26)
#define VPID_CAP_INVVPID   BIT_ULL(32)
#define VPID_CAP_ADDRESS   BIT_ULL(40)
#define VPID_CAP_ONE       BIT_ULL(41)

/* What each control word must and may have. The names are for the message. */
struct control_bit {
	uint32_t bit;
	const char *name;
};

static const struct control_bit pin_required[] = {
	{PIN_EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting"},
	{PIN_NMI_EXITING, "NMI exiting"},
	{PIN_VIRTUAL_NMIS, "virtual NMIs"},
	{0, NULL},
};
static const struct control_bit primary_required[] = {
	{PRIMARY_USE_TSC_OFFSETTING, "use TSC offsetting"},
	{PRIMARY_HLT_EXITING, "HLT exiting"},
	{PRIMARY_MWAIT_EXITING, "MWAIT exiting"},
	{PRIMARY_MONITOR_EXITING, "MONITOR exiting"},
	{PRIMARY_RDPMC_EXITING, "RDPMC exiting"},
	{PRIMARY_CR8_LOAD_EXITING, "CR8-load exiting"},
	{PRIMARY_CR8_STORE_EXITING, "CR8-store exiting"},
	{PRIMARY_USE_IO_BITMAPS, "use I/O bitmaps"},
	{PRIMARY_USE_MSR_BITMAPS, "use MSR bitmaps"},
	{PRIMARY_SECONDARY_CONTROLS, "activate secondary controls"},
	{0, NULL},
};
static const struct control_bit secondary_required[] = {
	{SECONDARY_ENABLE_EPT, "enable EPT"},
	{SECONDARY_UNRESTRICTED_GUEST, "unrestricted guest"},
	{0, NULL},
};
static const struct control_bit exit_required[] = {
	{EXIT_SAVE_DEBUG_CONTROLS, "save debug controls"},
	{EXIT_HOST_ADDRESS_SPACE_SIZE, "host address-space size"},
	{EXIT_SAVE_IA32_PAT, "save IA32_PAT"},
	{EXIT_LOAD_IA32_PAT, "load IA32_PAT (exit)"},
	{EXIT_SAVE_IA32_EFER, "save IA32_EFER"},
	{EXIT_LOAD_IA32_EFER, "load IA32_EFER (exit)"},
	{0, NULL},
};
static const struct control_bit entry_required[] = {
	{ENTRY_LOAD_DEBUG_CONTROLS, "load debug controls"},
	{ENTRY_LOAD_IA32_PAT, "load IA32_PAT (entry)"},
	{ENTRY_LOAD_IA32_EFER, "load IA32_EFER (entry)"},
	{0, NULL},
};

#define SECONDARY_OPTIONAL                                                                         \
	(SECONDARY_ENABLE_RDTSCP | SECONDARY_ENABLE_VPID | SECONDARY_WBINVD_EXITING |              \
	 SECONDARY_ENABLE_INVPCID | SECONDARY_PAUSE_LOOP_EXITING)

#define SECONDARY_APICV                                                                            \
	(SECONDARY_APIC_REGISTER_VIRTUALIZATION | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)
#define SECONDARY_APICV_MODES                                                                      \
	(SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE)
#define PRIMARY_CR8_EXITING (PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING)

uint32_t vmx_fit_control(uint64_t capability, uint32_t required, uint32_t optional, uint32_t *word)
{
	uint32_t must_be_1 = (uint32_t)capability, may_be_1 = (uint32_t)(capability >> 32);

	*word = ((required | optional) & may_be_1) | must_be_1;
	return required & ~may_be_1;
}

struct missing {
	char *text;
	size_t size, len;
	bool is_any;
};

static void fit(struct missing *missing, uint64_t capability, const struct control_bit *required,
		uint32_t optional, uint32_t *word)
{
	uint32_t bits = 0, absent;

	for (const struct control_bit *c = required; c->name; c++)
		bits |= c->bit;
	absent = vmx_fit_control(capability, bits, optional, word);
	for (const struct control_bit *c = required; c->name; c++) {
		if (!(absent & c->bit))
			continue;
		if (missing->len < missing->size)
			missing->len += (size_t)fmt_snprintf(missing->text + missing->len,
							     missing->size - missing->len, "%s'%s'",
							     missing->is_any ? ", " : "", c->name);
		missing->is_any = true;
	}
}

static void read_ept_vpid(struct vmx_caps *caps, uint64_t cap)
{
	caps->ept_max_leaf = cap & EPT_CAP_1G ? SIZE_1G : cap & EPT_CAP_2M ? SIZE_2M : PAGE_SIZE;
	caps->has_ept_ad = cap & EPT_CAP_AD;
	caps->has_invept_single = cap & EPT_CAP_INVEPT_ONE;
	caps->has_invvpid_single = (cap & VPID_CAP_INVVPID) && (cap & VPID_CAP_ONE);
	caps->has_invvpid_address = (cap & VPID_CAP_INVVPID) && (cap & VPID_CAP_ADDRESS);
	/* Without INVVPID a VPID could never be flushed: do without. */
	if (!caps->has_invvpid_single)
		caps->secondary &= ~SECONDARY_ENABLE_VPID;
}

static bool find_apicv(uint64_t primary, uint64_t secondary)
{
	uint32_t word;

	return !vmx_fit_control(primary, PRIMARY_USE_TPR_SHADOW, 0, &word) &&
	       !(word & PRIMARY_CR8_EXITING) &&
	       !vmx_fit_control(secondary, SECONDARY_APICV | SECONDARY_APICV_MODES, 0, &word);
}

void vmx_caps_add_apicv(struct vmx_caps *caps)
{
	caps->primary = (caps->primary & ~PRIMARY_CR8_EXITING) | PRIMARY_USE_TPR_SHADOW;
	caps->secondary |= SECONDARY_APICV;
}

int vmx_caps_read(struct vmx_caps *caps, uint64_t (*read_msr)(uint32_t msr), char *error,
		  size_t error_size)
{
	struct missing missing = {.text = error, .size = error_size};
	uint64_t basic = read_msr(MSR_VMX_BASIC), ept;
	bool is_true = basic & BASIC_TRUE_CTLS;

	*caps = (struct vmx_caps){
		.revision = (uint32_t)basic & 0x7fffffff,
		.cr0_fixed0 = read_msr(MSR_VMX_CR0_FIXED0),
		.cr0_fixed1 = read_msr(MSR_VMX_CR0_FIXED1),
		.cr4_fixed0 = read_msr(MSR_VMX_CR4_FIXED0),
		.cr4_fixed1 = read_msr(MSR_VMX_CR4_FIXED1),
		.basic = basic,
		.misc = read_msr(MSR_VMX_MISC),
		.has_true_controls = is_true,
		.has_ins_outs_information = basic & BASIC_INS_OUTS,
	};
	caps->preemption_shift = caps->misc & 0x1f;
	caps->has_hlt_activity = caps->misc & MISC_ACTIVITY_HLT;
	error[0] = '\0';
	caps->pin_allowed = read_msr(is_true ? MSR_VMX_TRUE_PINBASED_CTLS : MSR_VMX_PINBASED_CTLS);
	fit(&missing, caps->pin_allowed, pin_required, PIN_PREEMPTION_TIMER, &caps->pin);
	caps->primary_allowed =
		read_msr(is_true ? MSR_VMX_TRUE_PROCBASED_CTLS : MSR_VMX_PROCBASED_CTLS);
	fit(&missing, caps->primary_allowed, primary_required, 0, &caps->primary);
	/* Without 'activate secondary controls' there is no MSR for them, and none of them. */
	if (caps->primary & PRIMARY_SECONDARY_CONTROLS)
		caps->secondary_allowed = read_msr(MSR_VMX_PROCBASED_CTLS2);
	fit(&missing, caps->secondary_allowed, secondary_required, SECONDARY_OPTIONAL,
	    &caps->secondary);
	caps->has_apicv = find_apicv(caps->primary_allowed, caps->secondary_allowed);
	caps->exit_allowed = read_msr(is_true ? MSR_VMX_TRUE_EXIT_CTLS : MSR_VMX_EXIT_CTLS);
	fit(&missing, caps->exit_allowed, exit_required, EXIT_SAVE_PREEMPTION_TIMER, &caps->exit);
	caps->entry_allowed = read_msr(is_true ? MSR_VMX_TRUE_ENTRY_CTLS : MSR_VMX_ENTRY_CTLS);
	fit(&missing, caps->entry_allowed, entry_required, 0, &caps->entry);
	if (missing.is_any)
		return -ENODEV;

	ept = read_msr(MSR_VMX_EPT_VPID_CAP);
	caps->ept_vpid = ept;
	if (!(ept & EPT_CAP_WALK_4) || !(ept & EPT_CAP_WB) || !(ept & EPT_CAP_INVEPT) ||
	    !(ept & (EPT_CAP_INVEPT_ONE | EPT_CAP_INVEPT_ALL))) {
		fmt_snprintf(error, error_size,
			     "'EPT with a 4-level walk, write-back tables and INVEPT'");
		return -ENODEV;
	}
	read_ept_vpid(caps, ept);

	/* Both or none: the timer must count on where it stopped (see vmx/timer.c). */
	caps->has_preemption_timer =
		(caps->pin & PIN_PREEMPTION_TIMER) && (caps->exit & EXIT_SAVE_PREEMPTION_TIMER);
	if (!caps->has_preemption_timer) {
		caps->pin &= ~PIN_PREEMPTION_TIMER;
		caps->exit &= ~EXIT_SAVE_PREEMPTION_TIMER;
	}
	return 0;
}

void vmx_caps_read_cpuid(struct vmx_caps *caps,
			 struct cpuid_regs (*ask)(uint32_t leaf, uint32_t subleaf))
{
	struct cpuid_regs widths = ask(0x80000008, 0);
	bool has_leaf_7 = ask(0, 0).eax >= 7;

	caps->physical_bits = widths.eax & 0xff;
	caps->linear_bits = widths.eax >> 8 & 0xff;
	caps->has_rtm = has_leaf_7 && (ask(7, 0).ebx & CPUID_7_EBX_RTM);
	caps->has_bus_lock_debug = has_leaf_7 && (ask(7, 0).ecx & CPUID_7_ECX_BUS_LOCK_DETECT);
}

uint64_t vmx_fix_cr0(const struct vmx_caps *caps, uint64_t cr0)
{
	const uint64_t pe_pg = BIT_ULL(0) | BIT_ULL(31);

	return (cr0 | (caps->cr0_fixed0 & ~pe_pg)) & caps->cr0_fixed1;
}

uint64_t vmx_fix_cr4(const struct vmx_caps *caps, uint64_t cr4)
{
	return (cr4 | caps->cr4_fixed0) & caps->cr4_fixed1;
}

static const char *describe_leaves(const struct vmx_caps *caps)
{
	return caps->ept_max_leaf == SIZE_1G ? "1G" : caps->ept_max_leaf == SIZE_2M ? "2M" : "4K";
}

void vmx_caps_describe(const struct vmx_caps *caps, char *buf, size_t size)
{
	const struct {
		bool is_there;
		const char *text, *instead;
	} parts[] = {
		{caps->has_ept_ad, " with A/D", ""},
		{caps->secondary & SECONDARY_ENABLE_VPID, ", VPID",
		 ", no VPID (TLB flushed at each switch)"},
		{caps->has_preemption_timer, ", preemption timer",
		 ", no preemption timer (LAPIC timer instead)"},
		{caps->has_invept_single, "", ", no single-context INVEPT (all VMs flushed)"},
		{caps->secondary & SECONDARY_PAUSE_LOOP_EXITING, "",
		 ", no pause-loop exiting (who spins keeps its slice)"},
		{caps->has_hlt_activity, "", ", no HLT activity state (hlt-exit=off does nothing)"},
	};
	size_t len = (size_t)fmt_snprintf(buf, size, "EPT leaves up to %s", describe_leaves(caps));

	for (unsigned i = 0; i < ARRAY_SIZE(parts) && len < size; i++)
		len += (size_t)fmt_snprintf(buf + len, size - len, "%s",
					    parts[i].is_there ? parts[i].text : parts[i].instead);
}
