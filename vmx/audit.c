/* Audits before each entry; and the broken rule by name when one has failed. */
#include "vmx/audit.h"

#include "cpu/insn.h"
#include "lib/fault.h"
#include "lib/printf.h"
#include "vmx/check_entry.h"

/* Not vmread: this runs before each entry, and its VMCS is asserted once. */
static uint64_t read_current(const struct entry_input *in, enum vmcs_field field)
{
	(void)in;
	return (uint64_t)vmread_or_minus_1(field);
}

static const struct entry_input current = {.caps = &vmx_machine.caps, .read = read_current};

__cold void vmx_name_broken_rule(char *buf, size_t size)
{
	struct entry_breach breach = vmx_check_entry(&current, PART_ALL);

	if (breach.rule)
		vmx_describe_breach(&current, breach, buf, size);
	else
		fmt_snprintf(buf, size, "no rule that Carousel knows is broken");
}

#ifdef CONFIG_DEBUG

/* What guests change themselves, and is little: checked before each entry. The rest is what its CPU
 * has saved as it could load it again, unless it was written since. */
#define PART_ALWAYS (PART_EVENT | PART_RIP | PART_NON_REGISTER)

void vmx_note_write(enum vmcs_field field)
{
	struct vmx_vcpu *v = this_vmx()->current;

	vmx_assert_current();
	/* Of the primary controls the other parts need only the one that never changes. */
	if (v)
		v->unchecked |= field == PRIMARY_CONTROLS ? PART_CONTROLS : vmx_entry_parts(field);
}

void vmx_audit_init_vm(struct vmx_vm *vm)
{
	tlb_ept_init(&vm->tlb);
}

void vmx_audit_init_vcpu(struct vmx_vcpu *v)
{
	tlb_vpid_init(&v->tlb);
	vmx_audit_turn(v);
}

/* A VMCS that is current here but active elsewhere, another vCPU's MSRs and registers in the CPU.
 */
static void audit_ownership(const struct vmx_vcpu *v)
{
	ASSERT(this_vmx()->current == v && this_vmx()->loaded == v);
	ASSERT(v->loaded.pcpu == this_cpu_id());
	ASSERT(v->vcpu.se.state == SCHED_RUNNING && v->vcpu.se.pcpu == this_cpu_id());
}

static void audit_translations(const struct vmx_vcpu *v)
{
	struct vmx_vm *vm = v->vcpu.vm->arch;
	const char *why = tlb_ept_stale(&vm->tlb, this_cpu_id());

	if (why)
		panic("entry of '%s'.%u on pCPU %u with stale guest-physical translations: %s, and "
		      "no INVEPT",
		      v->vcpu.vm->name, v->vcpu.index, this_cpu_id(), why);
	/* Without VPIDs each entry flushes. */
	why = vmx_machine.caps.secondary & SECONDARY_ENABLE_VPID
		      ? tlb_vpid_stale(&v->tlb, this_cpu_id())
		      : NULL;
	if (why)
		panic("entry of '%s'.%u on pCPU %u with stale linear translations: %s, and no "
		      "INVVPID",
		      v->vcpu.vm->name, v->vcpu.index, this_cpu_id(), why);
}

static __cold void report_breach(struct vmx_vcpu *v, struct entry_breach breach)
{
	char text[ENTRY_BREACH_MAX];

	vmx_describe_breach(&current, breach, text, sizeof(text));
	if (vmx_entry_rules[breach.rule].part & PART_OF_HOST)
		panic("entry check of '%s'.%u: %s", v->vcpu.vm->name, v->vcpu.index, text);
	irq_enable();
	(void)vmx_end_vm(v, "entry check: %s", text);
}

bool vmx_audit_entry(struct vmx_vcpu *v)
{
	struct entry_breach breach;

	if (fault_is_due(FAULT_STATE))
		vmwrite(GUEST_RFLAGS, 0);
	if (fault_is_due(FAULT_HOST))
		vmwrite(HOST_CS_SELECTOR, 0);
	audit_ownership(v);
	audit_translations(v);
	breach = vmx_check_entry(&current, PART_ALWAYS | v->unchecked);
	v->unchecked = 0;
	if (likely(!breach.rule))
		return true;
	report_breach(v, breach);
	return false;
}

#endif
