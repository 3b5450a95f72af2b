/* A vCPU's first state: power-up, INIT, SIPI, and the states in which loaders want it ('Processor
 * Initialization'). */
#include "guest/vcpu_arch.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "vmx/audit.h"
#include "vmx/cr.h"
#include "vmx/vmx.h"

#define RESET_CR0  0x60000010ull
#define RESET_PAT  0x0007040600070406ull
#define RFLAGS_ONE 0x2ull

/* Access rights: type, S, DPL, P, L, D/B, G. */
#define RIGHTS_CODE16 0x009bu
#define RIGHTS_DATA16 0x0093u
#define RIGHTS_CODE32 0xc09bu
#define RIGHTS_DATA32 0xc093u
#define RIGHTS_CODE64 0xa09bu
#define RIGHTS_LDT    0x0082u
#define RIGHTS_TSS    0x008bu

static void set_segment(unsigned selector_field, uint16_t selector, uint64_t base, uint32_t limit,
			uint32_t access)
{
	/* The encodings of a segment's fields run in parallel. */
	unsigned n = (selector_field - GUEST_ES_SELECTOR) / 2;

	vmwrite(selector_field, selector);
	vmwrite(GUEST_ES_BASE + 2 * n, base);
	vmwrite(GUEST_ES_LIMIT + 2 * n, limit);
	vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * n, access);
}

static void set_data_segments(uint16_t selector, uint32_t limit, uint32_t access)
{
	set_segment(GUEST_DS_SELECTOR, selector, 0, limit, access);
	set_segment(GUEST_ES_SELECTOR, selector, 0, limit, access);
	set_segment(GUEST_SS_SELECTOR, selector, 0, limit, access);
	set_segment(GUEST_FS_SELECTOR, selector, 0, limit, access);
	set_segment(GUEST_GS_SELECTOR, selector, 0, limit, access);
}

void vcpu_arch_reset(struct vcpu *vcpu, bool is_init)
{
	struct vmx_vcpu *v = to_vmx(vcpu);
	uint64_t cr0 = RESET_CR0;

	vmx_vmcs_load(v);
	/* What it has changed without an exit, and INIT keeps: x87 state, KERNEL_GS_BASE; and what
	 * the CPU holds is to be known before it is loaded with something else. */
	if (this_vmx()->loaded == v) {
		uint64_t flags = irq_save();

		vmx_state_save(v);
		irq_restore(flags);
	}
	if (is_init) /* CD and NW stay as they were */
		cr0 = (vmread(CR0_READ_SHADOW) & (CR0_CD | CR0_NW)) | CR0_ET;
	else
		vmx_setup_vmcs(v);
	vmwrite(CR0_GUEST_HOST_MASK, CR0_NE | CR0_CD | CR0_NW);
	vmwrite(CR4_GUEST_HOST_MASK, vmx_cr4_owned(vcpu));
	vmx_set_guest_cr0(v, cr0);
	vmx_set_guest_cr4(v, 0);
	vmwrite(GUEST_CR3, 0);
	vmwrite(GUEST_IA32_EFER, 0);
	vmx_audit_vpid_changed(v, is_init ? "INIT" : "reset");
	vmwrite(ENTRY_CONTROLS, vmread(ENTRY_CONTROLS) & ~(uint64_t)ENTRY_IA32E_MODE_GUEST);
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_RFLAGS, RFLAGS_ONE);
	vmwrite(GUEST_RIP, 0xfff0);
	vmwrite(GUEST_RSP, 0);
	set_segment(GUEST_CS_SELECTOR, 0xf000, 0xffff0000, 0xffff, RIGHTS_CODE16);
	set_data_segments(0, 0xffff, RIGHTS_DATA16);
	set_segment(GUEST_LDTR_SELECTOR, 0, 0, 0xffff, RIGHTS_LDT);
	set_segment(GUEST_TR_SELECTOR, 0, 0, 0xffff, RIGHTS_TSS);
	vmwrite(GUEST_GDTR_BASE, 0);
	vmwrite(GUEST_GDTR_LIMIT, 0xffff);
	vmwrite(GUEST_IDTR_BASE, 0);
	vmwrite(GUEST_IDTR_LIMIT, 0xffff);
	vmx_forget_events(v);
	vmwrite(GUEST_PDPTE0, 0);
	vmwrite(GUEST_PDPTE1, 0);
	vmwrite(GUEST_PDPTE2, 0);
	vmwrite(GUEST_PDPTE3, 0);
	if (!is_init) {
		vmwrite(GUEST_IA32_PAT, RESET_PAT);
		vmwrite(GUEST_IA32_DEBUGCTL, 0);
		vmwrite(GUEST_IA32_SYSENTER_CS, 0);
		vmwrite(GUEST_IA32_SYSENTER_ESP, 0);
		vmwrite(GUEST_IA32_SYSENTER_EIP, 0);
	}
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RDX] = vcpu->cpuid.basic[1].eax;
	vmx_state_reset(v, is_init);
	/* What an earlier life has left under its VPID. */
	vcpu_arch_flush_tlb(vcpu);
	v->sync_at = 0;
	if (this_vmx()->loaded == v) {
		uint64_t flags = irq_save();

		vmx_state_load(v);
		irq_restore(flags);
	}
	vmx_debug_reset(v);
}

void vcpu_arch_startup(struct vcpu *vcpu, uint8_t vector)
{
	set_segment(GUEST_CS_SELECTOR, (uint16_t)(vector << 8), (uint64_t)vector << 12, 0xffff,
		    RIGHTS_CODE16);
	vcpu_arch_set(vcpu, VCPU_RIP, 0);
}

static void start_real(const struct vcpu_start *start)
{
	uint16_t segment = (uint16_t)(start->rip >> 4);

	set_segment(GUEST_CS_SELECTOR, segment, (uint64_t)segment << 4, 0xffff, RIGHTS_CODE16);
	vmwrite(GUEST_RIP, start->rip & 0xf);
}

static void start_protected(struct vmx_vcpu *v, const struct vcpu_start *start)
{
	bool is_long = start->mode == 64;

	vmwrite(GUEST_GDTR_BASE, start->gdt_base);
	vmwrite(GUEST_GDTR_LIMIT, start->gdt_limit);
	set_segment(GUEST_CS_SELECTOR, start->cs, 0, UINT32_MAX,
		    is_long ? RIGHTS_CODE64 : RIGHTS_CODE32);
	set_data_segments(start->ds, UINT32_MAX, RIGHTS_DATA32);
	/* Without an IDT of its own the guest's first exception is a triple fault, not a wild jump.
	 */
	vmwrite(GUEST_IDTR_LIMIT, 0);
	if (is_long) {
		vmwrite(GUEST_CR3, start->cr3);
		vmx_set_guest_cr4(v, CR4_PAE);
		vmx_set_guest_cr0(v, CR0_PG | CR0_PE | CR0_ET | CR0_NE);
		vcpu_arch_set_efer(&v->vcpu, EFER_LME);
	} else {
		vmx_set_guest_cr0(v, CR0_PE | CR0_ET);
	}
	vmwrite(GUEST_RIP, start->rip);
}

void vcpu_arch_set_start(struct vcpu *vcpu, const struct vcpu_start *start)
{
	struct vmx_vcpu *v = to_vmx(vcpu);

	vmx_vmcs_load(v);
	vmwrite(GUEST_RSP, start->rsp);
	if (start->mode == 16)
		start_real(start);
	else
		start_protected(v, start);
	vcpu->activity = VCPU_ACTIVE;
	/* It may be picked by another pCPU: its VMCS must not stay active here. */
	vmx_vmcs_release(v);
}
