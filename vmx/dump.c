/* VMX's part of a panic's report: what each pCPU's vCPU did last, and the current VMCS. */
#include <asm/vmx.h>

#include "cpu/insn.h"
#include "guest/exit_log.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "vmx/report.h"
#include "vmx/vmx.h"

#define CR4_VMXE BIT(13)

#define EXITS_A_PCPU 4
#define LINE_MAX     128

static void dump_pcpu(uint32_t id)
{
	const struct vmx_pcpu *p = percpu_get(id)->slot[PERCPU_VMX];
	const struct vcpu *vcpu;
	char line[LINE_MAX];
	int len;

	if (!p || !p->current) {
		log_info("pCPU %u: no vCPU", id);
		return;
	}
	vcpu = &p->current->vcpu;
	len = fmt_snprintf(line, sizeof(line), "pCPU %u: %s.%u, last exits", id,
			   vcpu->vm ? vcpu->vm->name : "(probe)", vcpu->index);
	for (uint32_t age = 0; age < EXITS_A_PCPU && len < LINE_MAX; age++)
		len += fmt_snprintf(line + len, LINE_MAX - (size_t)len, "%s %s", age ? "," : "",
				    vcpu_arch_exit_name(vcpu_past_exit(vcpu, age)->reason));
	log_info("%s", line);
}

#define FIELD(name)                                                                                \
	{                                                                                          \
		name, #name                                                                        \
	}

static const struct {
	enum vmcs_field field;
	const char *name;
} dumped[] = {
	FIELD(EXIT_REASON),
	FIELD(EXIT_QUALIFICATION),
	FIELD(EXIT_INTERRUPTION_INFORMATION),
	FIELD(IDT_VECTORING_INFORMATION),
	FIELD(GUEST_PHYSICAL_ADDRESS),
	FIELD(VM_INSTRUCTION_ERROR),
	FIELD(ENTRY_INTERRUPTION_INFORMATION),
	FIELD(GUEST_INTERRUPTIBILITY_STATE),
	FIELD(GUEST_ACTIVITY_STATE),
	FIELD(GUEST_RFLAGS),
	FIELD(GUEST_RIP),
	FIELD(GUEST_RSP),
	FIELD(GUEST_CR0),
	FIELD(GUEST_CR3),
	FIELD(GUEST_CR4),
	FIELD(GUEST_IA32_EFER),
	FIELD(PIN_BASED_CONTROLS),
	FIELD(PRIMARY_CONTROLS),
	FIELD(SECONDARY_CONTROLS),
	FIELD(EXIT_CONTROLS),
	FIELD(ENTRY_CONTROLS),
	FIELD(EPT_POINTER),
	FIELD(HOST_RIP),
	FIELD(HOST_RSP),
};
_Static_assert(ARRAY_SIZE(dumped) % 2 == 0, "they are printed in pairs");

/* What led here, the oldest first: a screen has lost these when the end is on it. */
static void dump_exits(const struct vcpu *vcpu)
{
	struct exit_run run[VCPU_EXIT_LOG];
	uint32_t count = exit_log_runs(vcpu, EXIT_REASON_IO_INSTRUCTION, run);

	for (uint32_t i = 0; i < count; i++)
		log_info(" exit %s, guest rip %#lx, info %#x, %u times",
			 vcpu_arch_exit_name((uint16_t)run[i].exit.reason), run[i].exit.rip,
			 run[i].exit.info, run[i].times);
}

/* VMREAD may be what failed: a field that cannot be read is all ones. */
static void dump_vmcs(struct vmx_pcpu *p)
{
	log_info("current VMCS: %s.%u, launched %d",
		 p->current->vcpu.vm ? p->current->vcpu.vm->name : "(probe)",
		 p->current->vcpu.index, p->current->loaded.launched);
	for (unsigned i = 0; i < ARRAY_SIZE(dumped); i += 2)
		log_info(" %-30s %016lx  %-30s %016lx", dumped[i].name,
			 vmread_or_minus_1(dumped[i].field), dumped[i + 1].name,
			 vmread_or_minus_1(dumped[i + 1].field));
}

/* 'Restrictions on VMX Operation': INIT is blocked in it, and what resets a machine may be that. */
void vmx_leave_in_panic(void)
{
	if (!(read_cr4() & CR4_VMXE))
		return;
	vmxoff_fixup();
	write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
}

void vmx_dump(void)
{
	struct vmx_pcpu *p = this_vmx();

	if (p && p->current)
		dump_exits(&p->current->vcpu);
	for (uint32_t id = 0; id < percpu_count(); id++)
		dump_pcpu(id);
	if (p && p->current)
		dump_vmcs(p);
}
