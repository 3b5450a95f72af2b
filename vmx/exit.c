/* The exit table: a row for each exit reason that the controls can produce, and the short handlers.
 */
#include "cpu/insn.h"
#include "guest/emulate.h"
#include "guest/hypercall.h"
#include "guest/msr.h"
#include "guest/vcpu_arch.h"
#include "lib/printf.h"
#include "vmx/events.h"
#include "vmx/vmx.h"

/* Exceptions that handlers raise. */
enum { VECTOR_DB = 1, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_AC = 17 };

void vmx_end_shadow(uint64_t blocking)
{
	vmwrite(GUEST_INTERRUPTIBILITY_STATE,
		blocking & ~(uint64_t)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
}

void vmx_pend_single_step(void)
{
	/* With BTF only branches trap, and none of those exits. */
	if (!(vmread(GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF))
		vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS,
			vmread(GUEST_PENDING_DEBUG_EXCEPTIONS) | PENDING_DEBUG_BS);
}

uint64_t vmx_wrap_rip(uint64_t next)
{
	return event_next_rip(next, vcpu_arch_is_64bit(&this_vmx()->current->vcpu));
}

enum exit_verdict vmx_end_vm(struct vmx_vcpu *v, const char *fmt, ...)
{
	char reason[VM_REASON_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	vm_end(v->vcpu.vm, false, "%s", reason);
	/* Where another has ended it, its request may still be on the way. */
	__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_STOP, __ATOMIC_SEQ_CST);
	return EXIT_STOP;
}

static enum exit_verdict inject_fault(struct vmx_vcpu *v, uint8_t vector)
{
	vcpu_arch_inject_exception(&v->vcpu, vector, vector == VECTOR_GP, 0);
	return EXIT_RESUME;
}

static enum exit_verdict handle_undefined(struct vmx_vcpu *v)
{
	return inject_fault(v, VECTOR_UD);
}

static enum exit_verdict handle_general_protection(struct vmx_vcpu *v)
{
	return inject_fault(v, VECTOR_GP);
}

static enum exit_verdict handle_nothing(struct vmx_vcpu *v)
{
	(void)v;
	return EXIT_RESUME;
}

static enum exit_verdict handle_skip(struct vmx_vcpu *v)
{
	(void)v;
	return EXIT_SKIP;
}

static enum exit_verdict handle_unexpected(struct vmx_vcpu *v)
{
	return vmx_end_vm(
		v, "exit '%s', which the guest should not be able to cause; qualification 0x%lx",
		vcpu_arch_exit_name(vcpu_last_exit(&v->vcpu)->reason), vmread(EXIT_QUALIFICATION));
}

/* #UD is intercepted for VMMCALL: a guest may take the other vendor's instruction for hypercalls.
 * Every other #UD is the guest's own. */
static enum exit_verdict handle_invalid_opcode(struct vmx_vcpu *v)
{
	static const uint8_t vmmcall[] = {0x0f, 0x01, 0xd9};

	if (!emulate_is_at(&v->vcpu, vmmcall, sizeof(vmmcall))) {
		vmx_raise(v, VECTOR_UD | INTR_TYPE_HARDWARE_EXCEPTION, 0, 0);
		return EXIT_RESUME;
	}
	hypercall(&v->vcpu);
	vmx_advance_rip(vmread(GUEST_RIP), sizeof(vmmcall));
	return EXIT_RESUME;
}

static enum exit_verdict handle_debug_exception(struct vmx_vcpu *v, uint32_t info)
{
	/* The qualification has what DR6 would get; DR7.GD is cleared as delivery does. */
	const uint64_t causes = 0x600f;
	uint64_t found = vmread(EXIT_QUALIFICATION) & causes;

	write_dr6((read_dr6() & ~(uint64_t)0xf) | found);
	vmwrite(GUEST_DR7, vmread(GUEST_DR7) & ~(uint64_t)BIT(13));
	if ((info & INTR_INFO_TYPE) == INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION)
		vmx_raise(v, VECTOR_DB | INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION, 0,
			  (uint32_t)vmread(EXIT_INSTRUCTION_LENGTH));
	else
		vmx_raise(v, VECTOR_DB | INTR_TYPE_HARDWARE_EXCEPTION, 0, 0);
	return EXIT_RESUME;
}

/* #DB and #AC: intercepted against endless delivery, given to the guest once. */
static enum exit_verdict handle_exception(struct vmx_vcpu *v)
{
	uint32_t info = (uint32_t)vmread(EXIT_INTERRUPTION_INFORMATION);
	enum exit_verdict verdict = EXIT_RESUME;

	if (!vmx_debug_takes(v, info)) {
		switch (info & INTR_INFO_VECTOR) {
		case VECTOR_UD:
			verdict = handle_invalid_opcode(v);
			break;
		case VECTOR_DB:
			verdict = handle_debug_exception(v, info);
			break;
		case VECTOR_AC:
			vmx_raise(v, VECTOR_AC | INTR_TYPE_HARDWARE_EXCEPTION, 0, 0);
			break;
		default:
			return handle_unexpected(v);
		}
	}
	/* A single-step trap is in the exit's qualification, and not in the pending debug
	 * exceptions, where entry wants it behind an STI. */
	vmx_fit_state();
	return verdict;
}

static enum exit_verdict handle_triple_fault(struct vmx_vcpu *v)
{
	return vmx_end_vm(v, "triple fault at RIP 0x%lx", vmread(GUEST_RIP));
}

static enum exit_verdict handle_task_switch(struct vmx_vcpu *v)
{
	return vmx_end_vm(
		v,
		"task switch to selector 0x%lx: Carousel does not emulate hardware task switches",
		vmread(EXIT_QUALIFICATION) & 0xffff);
}

/* The window is open: look again. The control is switched off by the next evaluation. */
static enum exit_verdict handle_window(struct vmx_vcpu *v)
{
	__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
	return EXIT_RESUME;
}

static enum exit_verdict handle_preemption_timer(struct vmx_vcpu *v)
{
	v->sync_at = 0;
	return EXIT_RESUME;
}

static inline enum exit_verdict answer_cpuid(uint64_t *gpr, const struct cpuid_regs *r)
{
	gpr[GPR_RAX] = r->eax;
	gpr[GPR_RBX] = r->ebx;
	gpr[GPR_RCX] = r->ecx;
	gpr[GPR_RDX] = r->edx;
	return EXIT_SKIP;
}

static __attribute__((noinline)) enum exit_verdict handle_other_cpuid(struct vmx_vcpu *v)
{
	uint64_t *gpr = v->vcpu.regs.gpr;
	struct cpuid_regs r =
		cpuid_lookup_slow(&v->vcpu.cpuid, (uint32_t)gpr[GPR_RAX], (uint32_t)gpr[GPR_RCX]);

	return answer_cpuid(gpr, &r);
}

static enum exit_verdict handle_cpuid(struct vmx_vcpu *v)
{
	uint64_t *gpr = v->vcpu.regs.gpr;
	const struct cpuid_table *table = &v->vcpu.cpuid;
	uint32_t leaf = (uint32_t)gpr[GPR_RAX];

	return likely(cpuid_is_plain(table, leaf)) ? answer_cpuid(gpr, &table->basic[leaf])
						   : handle_other_cpuid(v);
}

static enum exit_verdict handle_hlt(struct vmx_vcpu *v)
{
	(void)v;
	return EXIT_HALT;
}

static enum exit_verdict handle_vmcall(struct vmx_vcpu *v)
{
	hypercall(&v->vcpu);
	return EXIT_SKIP;
}

/* A loop of PAUSEs: the guest spins, perhaps for a vCPU that is not running. */
static enum exit_verdict handle_pause(struct vmx_vcpu *v)
{
	vcpu_spins(&v->vcpu);
	return EXIT_SKIP;
}

static enum exit_verdict handle_rdmsr(struct vmx_vcpu *v)
{
	uint64_t *gpr = v->vcpu.regs.gpr, value;

	if (msr_read(&v->vcpu, (uint32_t)gpr[GPR_RCX], &value))
		return inject_fault(v, VECTOR_GP);
	gpr[GPR_RAX] = (uint32_t)value;
	gpr[GPR_RDX] = value >> 32;
	return EXIT_SKIP;
}

static enum exit_verdict handle_wrmsr(struct vmx_vcpu *v)
{
	uint64_t *gpr = v->vcpu.regs.gpr;
	uint64_t value = (uint32_t)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;

	if (msr_write(&v->vcpu, (uint32_t)gpr[GPR_RCX], value))
		return inject_fault(v, VECTOR_GP);
	return EXIT_SKIP;
}

static enum exit_verdict handle_ept_misconfiguration(struct vmx_vcpu *v)
{
	return vmx_end_vm(v, "EPT misconfiguration at guest-physical 0x%lx (a defect of Carousel)",
			  vmread(GUEST_PHYSICAL_ADDRESS));
}

#define ROW(number, sdm_name, handler) [number] = {.name = (sdm_name), .handle = (handler)}
/* Reasons that can interrupt the delivery of an event. */
#define ROW_V(number, sdm_name, handler)                                                           \
	[number] = {.name = (sdm_name), .handle = (handler), .is_marked = true}

const struct exit_row vmx_exit_table[EXIT_REASONS] = {
	[EXIT_REASON_EXCEPTION_NMI] = {.name = "exception or NMI",
				       .handle = handle_exception,
				       .is_marked = true,
				       .may_be_host_event = true},
	ROW_V(EXIT_REASON_EXTERNAL_INTERRUPT, "external interrupt", handle_nothing),
	ROW_V(EXIT_REASON_TRIPLE_FAULT, "triple fault", handle_triple_fault),
	ROW_V(EXIT_REASON_INIT_SIGNAL, "INIT signal", handle_unexpected),
	ROW_V(EXIT_REASON_SIPI_SIGNAL, "start-up IPI", handle_unexpected),
	ROW_V(5, "I/O system-management interrupt", handle_unexpected),
	ROW_V(6, "other system-management interrupt", handle_unexpected),
	ROW_V(EXIT_REASON_INTERRUPT_WINDOW, "interrupt window", handle_window),
	ROW_V(EXIT_REASON_NMI_WINDOW, "NMI window", handle_window),
	ROW_V(EXIT_REASON_TASK_SWITCH, "task switch", handle_task_switch),
	ROW(EXIT_REASON_CPUID, "CPUID", handle_cpuid),
	ROW(11, "GETSEC", handle_undefined),
	ROW(EXIT_REASON_HLT, "HLT", handle_hlt),
	ROW(EXIT_REASON_INVD, "INVD", handle_skip),
	ROW(EXIT_REASON_INVLPG, "INVLPG", handle_unexpected),
	ROW(EXIT_REASON_RDPMC, "RDPMC", handle_general_protection),
	ROW(EXIT_REASON_RDTSC, "RDTSC", handle_unexpected),
	ROW_V(17, "RSM", handle_unexpected),
	ROW(EXIT_REASON_VMCALL, "VMCALL", handle_vmcall),
	ROW(EXIT_REASON_VMCLEAR, "VMCLEAR", handle_undefined),
	ROW(EXIT_REASON_VMLAUNCH, "VMLAUNCH", handle_undefined),
	ROW(EXIT_REASON_VMPTRLD, "VMPTRLD", handle_undefined),
	ROW(EXIT_REASON_VMPTRST, "VMPTRST", handle_undefined),
	ROW(EXIT_REASON_VMREAD, "VMREAD", handle_undefined),
	ROW(EXIT_REASON_VMRESUME, "VMRESUME", handle_undefined),
	ROW(EXIT_REASON_VMWRITE, "VMWRITE", handle_undefined),
	ROW(EXIT_REASON_VMOFF, "VMXOFF", handle_undefined),
	ROW(EXIT_REASON_VMON, "VMXON", handle_undefined),
	ROW(EXIT_REASON_CR_ACCESS, "control-register access", vmx_handle_cr_access),
	ROW(EXIT_REASON_DR_ACCESS, "MOV DR", vmx_handle_dr_access),
	ROW(EXIT_REASON_IO_INSTRUCTION, "I/O instruction", vmx_handle_io),
	ROW(EXIT_REASON_MSR_READ, "RDMSR", handle_rdmsr),
	ROW(EXIT_REASON_MSR_WRITE, "WRMSR", handle_wrmsr),
	ROW_V(EXIT_REASON_INVALID_STATE, "VM-entry failure: invalid guest state",
	      handle_unexpected),
	ROW_V(EXIT_REASON_MSR_LOAD_FAIL, "VM-entry failure: MSR loading", handle_unexpected),
	ROW_V(35, "reserved", handle_unexpected),
	ROW(EXIT_REASON_MWAIT_INSTRUCTION, "MWAIT", handle_undefined),
	ROW_V(EXIT_REASON_MONITOR_TRAP_FLAG, "monitor trap flag", handle_unexpected),
	ROW_V(38, "reserved", handle_unexpected),
	ROW(EXIT_REASON_MONITOR_INSTRUCTION, "MONITOR", handle_undefined),
	ROW(EXIT_REASON_PAUSE_INSTRUCTION, "PAUSE", handle_pause),
	ROW_V(EXIT_REASON_MCE_DURING_VMENTRY, "machine check during VM entry", handle_unexpected),
	ROW_V(42, "reserved", handle_unexpected),
	ROW_V(EXIT_REASON_TPR_BELOW_THRESHOLD, "TPR below threshold", handle_unexpected),
	ROW_V(EXIT_REASON_APIC_ACCESS, "APIC access", vmx_handle_apic_access),
	ROW_V(EXIT_REASON_EOI_INDUCED, "virtualized EOI", vmx_handle_virtualized_eoi),
	ROW_V(EXIT_REASON_GDTR_IDTR, "access to GDTR or IDTR", handle_unexpected),
	ROW_V(EXIT_REASON_LDTR_TR, "access to LDTR or TR", handle_unexpected),
	ROW_V(EXIT_REASON_EPT_VIOLATION, "EPT violation", vmx_handle_ept_violation),
	ROW_V(EXIT_REASON_EPT_MISCONFIG, "EPT misconfiguration", handle_ept_misconfiguration),
	ROW(EXIT_REASON_INVEPT, "INVEPT", handle_undefined),
	ROW(EXIT_REASON_RDTSCP, "RDTSCP", handle_undefined),
	ROW_V(EXIT_REASON_PREEMPTION_TIMER, "preemption timer", handle_preemption_timer),
	ROW(EXIT_REASON_INVVPID, "INVVPID", handle_undefined),
	ROW(EXIT_REASON_WBINVD, "WBINVD", handle_skip),
	ROW(EXIT_REASON_XSETBV, "XSETBV", vmx_handle_xsetbv),
	ROW_V(EXIT_REASON_APIC_WRITE, "APIC write", vmx_handle_apic_write),
	ROW(EXIT_REASON_RDRAND, "RDRAND", handle_undefined),
	ROW(EXIT_REASON_INVPCID, "INVPCID", handle_undefined),
	ROW(EXIT_REASON_VMFUNC, "VMFUNC", handle_undefined),
	ROW(EXIT_REASON_ENCLS, "ENCLS", handle_undefined),
	ROW(EXIT_REASON_RDSEED, "RDSEED", handle_undefined),
	ROW_V(EXIT_REASON_PML_FULL, "page-modification log full", handle_unexpected),
	ROW(EXIT_REASON_XSAVES, "XSAVES", handle_undefined),
	ROW(EXIT_REASON_XRSTORS, "XRSTORS", handle_undefined),
	ROW(65, "PCONFIG", handle_undefined),
	ROW_V(66, "SPP-related event", handle_unexpected),
	ROW(EXIT_REASON_UMWAIT, "UMWAIT", handle_undefined),
	ROW(EXIT_REASON_TPAUSE, "TPAUSE", handle_undefined),
	ROW(69, "LOADIWKEY", handle_undefined),
};

uint32_t vcpu_arch_exit_reasons(void)
{
	return EXIT_REASONS;
}

const char *vcpu_arch_exit_name(uint32_t reason)
{
	if (reason == EXIT_TURN)
		return "start of a turn";
	return reason < EXIT_REASONS ? vmx_exit_table[reason].name : "unknown";
}

uint64_t vcpu_arch_exit_count(const struct vcpu *vcpu, uint32_t reason)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu)->exits[reason].count;
}

uint64_t vcpu_arch_exit_ticks(const struct vcpu *vcpu, uint32_t reason)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu)->exits[reason].ticks;
}

uint32_t vcpu_arch_exit_cost(const struct vcpu *vcpu, uint32_t reason, uint32_t bucket)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu)->exits[reason].cost[bucket];
}
