/* A new VMCS's fields: controls as fitted, host state, and what no reset changes. */
#include "cpu/desc.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "mm/hostmap.h"
#include "vmx/vmx.h"

/* #DB and #AC: their delivery can loop for ever in a hostile guest, without an interrupt window.
 * #MC is the host's. */
#define EXCEPTIONS_INTERCEPTED (BIT(1) | BIT(17) | BIT(18))
#define EXCEPTION_UD           BIT(6) /* for VMMCALL */

/* Bits of PRIMARY_CONTROLS that change while a vCPU lives; all others are as fitted. */
#define PRIMARY_DYNAMIC                                                                            \
	(PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING | PRIMARY_MOV_DR_EXITING)

/* The same of EXCEPTION_BITMAP: #BP, for a debugger. */
#define EXCEPTIONS_DYNAMIC BIT(3)

/* The same of SECONDARY_CONTROLS: they follow the mode of the local APIC. */
#define SECONDARY_DYNAMIC (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE)

/* KVM's: PAUSEs no further apart than the gap are one loop, which exits after the window (TSC
 * ticks). An entry starts it anew: where the TSC is slow, as in an emulator, it must still end
 * before other exits come. */
#define PLE_GAP_TICKS    128
#define PLE_WINDOW_TICKS 4096u
#define PLE_WINDOW_NS    20000

extern char vmx_exit_entry[];

void vmx_write_primary(struct vmx_vcpu *v, uint32_t primary)
{
	ASSERT(!((primary ^ v->primary) & ~PRIMARY_DYNAMIC));
	v->primary = primary;
	vmwrite(PRIMARY_CONTROLS, primary);
}

void vmx_set_secondary(struct vmx_vcpu *v, uint32_t mask, uint32_t bits)
{
	uint32_t secondary = (v->secondary & ~mask) | bits;

	ASSERT(!((mask | bits) & ~SECONDARY_DYNAMIC));
	if (secondary == v->secondary)
		return;
	v->secondary = secondary;
	vmwrite(SECONDARY_CONTROLS, secondary);
}

void vmx_set_exceptions(uint32_t bits, bool is_on)
{
	uint64_t bitmap = vmread(EXCEPTION_BITMAP);

	ASSERT(!(bits & ~EXCEPTIONS_DYNAMIC));
	vmwrite(EXCEPTION_BITMAP, is_on ? bitmap | bits : bitmap & ~(uint64_t)bits);
}

void vmx_setup_host_state(void)
{
	struct descriptor_pointer idtr;

	sidt(&idtr);
	vmwrite(HOST_IDTR_BASE, idtr.base);
	vmwrite(HOST_GDTR_BASE, desc_gdt_base());
	vmwrite(HOST_TR_BASE, desc_tss_base());
	vmwrite(HOST_GS_BASE, (uint64_t)(uintptr_t)this_cpu());
}

static void setup_controls(struct vmx_vcpu *v)
{
	const struct vmx_caps *caps = &vmx_machine.caps;
	struct vmx_vm *vm = v->vcpu.vm->arch;
	uint32_t secondary = caps->secondary & ~(uint32_t)SECONDARY_DYNAMIC;

	/* A spinning vCPU can only wait for another one of its VM. */
	if (v->vcpu.vm->params.vcpus == 1)
		secondary &= ~(uint32_t)SECONDARY_PAUSE_LOOP_EXITING;
	v->secondary = secondary;
	v->primary = caps->primary & ~(uint32_t)PRIMARY_DYNAMIC;
	/* The CPU then halts in the guest, in the HLT activity state, which exits and entries keep.
	 */
	if (v->vcpu.vm->params.is_hlt_exit_off && caps->has_hlt_activity)
		v->primary &= ~(uint32_t)PRIMARY_HLT_EXITING;
	vmwrite(PIN_BASED_CONTROLS, caps->pin);
	vmwrite(PRIMARY_CONTROLS, v->primary);
	vmwrite(SECONDARY_CONTROLS, secondary);
	vmwrite(EXIT_CONTROLS, caps->exit);
	vmwrite(ENTRY_CONTROLS, caps->entry);
	vmwrite(EXCEPTION_BITMAP,
		EXCEPTIONS_INTERCEPTED | (v->vcpu.vm->params.is_kvm_off ? 0 : EXCEPTION_UD));
	/* With bit 14 of the bitmap clear, #PF exits when mask and match disagree: 0 and 0, never.
	 */
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmwrite(CR3_TARGET_COUNT, 0);
	vmwrite(EXIT_MSR_STORE_COUNT, 0);
	vmwrite(EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(ENTRY_INTERRUPTION_INFORMATION, 0);
	vmwrite(IO_BITMAP_A, ptr_to_hpa(vm->io_bitmap).v);
	vmwrite(IO_BITMAP_B, ptr_to_hpa(vm->io_bitmap).v + PAGE_SIZE);
	vmwrite(MSR_BITMAP, ptr_to_hpa(vm->msr_bitmap).v);
	vmwrite(EPT_POINTER, vm->eptp);
	if (secondary & SECONDARY_ENABLE_VPID)
		vmwrite(VPID, v->vpid);
	if (vmx_machine.has_vid)
		vmx_apicv_setup(v);
	vmwrite(TSC_OFFSET, v->vcpu.vm->tsc_offset + v->vcpu.tsc_adjust);
	if (secondary & SECONDARY_PAUSE_LOOP_EXITING) {
		vmwrite(PLE_GAP, PLE_GAP_TICKS);
		vmwrite(PLE_WINDOW,
			MIN(PLE_WINDOW_TICKS, ns_to_tsc(&vmx_machine.tsc, PLE_WINDOW_NS)));
	}
	vmwrite(VMCS_LINK_POINTER, UINT64_MAX);
	if (caps->has_preemption_timer)
		vmwrite(PREEMPTION_TIMER_VALUE, UINT32_MAX);
}

static void setup_host(void)
{
	vmwrite(HOST_CR0, read_cr0());
	vmwrite(HOST_CR3, read_cr3());
	vmwrite(HOST_CR4, read_cr4());
	vmwrite(HOST_CS_SELECTOR, SEL_CODE);
	vmwrite(HOST_SS_SELECTOR, SEL_DATA);
	vmwrite(HOST_DS_SELECTOR, 0);
	vmwrite(HOST_ES_SELECTOR, 0);
	vmwrite(HOST_FS_SELECTOR, 0);
	vmwrite(HOST_GS_SELECTOR, 0);
	vmwrite(HOST_TR_SELECTOR, SEL_TSS);
	vmwrite(HOST_FS_BASE, 0);
	vmwrite(HOST_IA32_SYSENTER_CS, 0);
	vmwrite(HOST_IA32_SYSENTER_ESP, 0);
	vmwrite(HOST_IA32_SYSENTER_EIP, 0);
	vmwrite(HOST_IA32_PAT, rdmsr(MSR_IA32_PAT));
	vmwrite(HOST_IA32_EFER, rdmsr(MSR_IA32_EFER));
	vmwrite(HOST_RIP, (uint64_t)(uintptr_t)vmx_exit_entry);
	vmx_setup_host_state();
}

void vmx_setup_vmcs(struct vmx_vcpu *v)
{
	setup_controls(v);
	setup_host();
	v->has_vmcs_host_state = true;
	/* Where an exit's registers are pushed: entry.S. */
	vmwrite(HOST_RSP, (uint64_t)(uintptr_t)(&v->vcpu.regs + 1));
}
