/* guest/vcpu_arch.h's registers on VMX: guest state of the current VMCS. */
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "guest/vcpu_arch.h"
#include "vmx/audit.h"
#include "vmx/cr.h"
#include "vmx/vmx.h"

static bool is_current(const struct vmx_vcpu *v)
{
	return this_vmx()->current == v;
}

/* Fields that are one VMREAD or VMWRITE. 0 where there is none. */
static const uint16_t reg_field[] = {
	[VCPU_RIP] = GUEST_RIP,
	[VCPU_RSP] = GUEST_RSP,
	[VCPU_RFLAGS] = GUEST_RFLAGS,
	[VCPU_CR3] = GUEST_CR3,
	[VCPU_EFER] = GUEST_IA32_EFER,
	[VCPU_DR7] = GUEST_DR7,
	[VCPU_PAT] = GUEST_IA32_PAT,
	[VCPU_DEBUGCTL] = GUEST_IA32_DEBUGCTL,
	[VCPU_SYSENTER_CS] = GUEST_IA32_SYSENTER_CS,
	[VCPU_SYSENTER_ESP] = GUEST_IA32_SYSENTER_ESP,
	[VCPU_SYSENTER_EIP] = GUEST_IA32_SYSENTER_EIP,
	[VCPU_FS_BASE] = GUEST_FS_BASE,
	[VCPU_GS_BASE] = GUEST_GS_BASE,
	[VCPU_TSC_AUX] = 0,
};

/* In enum vcpu_reg's order from VCPU_KERNEL_GS_BASE. */
static const uint8_t reg_switched[] = {
	[VCPU_KERNEL_GS_BASE] = SWITCHED_KERNEL_GS_BASE,
	[VCPU_STAR] = SWITCHED_STAR,
	[VCPU_LSTAR] = SWITCHED_LSTAR,
	[VCPU_CSTAR] = SWITCHED_CSTAR,
	[VCPU_FMASK] = SWITCHED_FMASK,
	[VCPU_TSC_AUX] = SWITCHED_TSC_AUX,
};

uint64_t vcpu_arch_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
	struct vmx_vcpu *v = to_vmx(vcpu);

	ASSERT(is_current(v));
	switch (reg) {
	case VCPU_CR0: {
		uint64_t mask = vmread(CR0_GUEST_HOST_MASK);

		return (vmread(GUEST_CR0) & ~mask) | (vmread(CR0_READ_SHADOW) & mask);
	}
	case VCPU_CR4: {
		uint64_t mask = vmread(CR4_GUEST_HOST_MASK);

		return (vmread(GUEST_CR4) & ~mask) | (vmread(CR4_READ_SHADOW) & mask);
	}
	case VCPU_CR2:
		return this_vmx()->loaded == v ? read_cr2() : v->cr2;
	case VCPU_KERNEL_GS_BASE:
		return this_vmx()->loaded == v ? rdmsr(MSR_IA32_KERNEL_GS_BASE)
					       : v->msr[SWITCHED_KERNEL_GS_BASE];
	case VCPU_STAR:
	case VCPU_LSTAR:
	case VCPU_CSTAR:
	case VCPU_FMASK:
	case VCPU_TSC_AUX:
		return v->msr[reg_switched[reg]];
	default:
		return vmread(reg_field[reg]);
	}
}

void vcpu_arch_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	struct vmx_vcpu *v = to_vmx(vcpu);

	ASSERT(is_current(v));
	switch (reg) {
	case VCPU_CR0:
		vmx_set_guest_cr0(v, value);
		break;
	case VCPU_CR4:
		vmx_set_guest_cr4(v, value);
		break;
	case VCPU_CR2:
		v->cr2 = value;
		if (this_vmx()->loaded == v)
			write_cr2(value);
		break;
	case VCPU_KERNEL_GS_BASE:
	case VCPU_STAR:
	case VCPU_LSTAR:
	case VCPU_CSTAR:
	case VCPU_FMASK:
	case VCPU_TSC_AUX:
		vmx_state_write_msr(v, reg_switched[reg], value);
		break;
	default:
		vmwrite(reg_field[reg], value);
		break;
	}
}

static const struct {
	uint16_t selector, base, limit, access;
} segment_field[] = {
	[SEG_ES] = {GUEST_ES_SELECTOR, GUEST_ES_BASE, GUEST_ES_LIMIT, GUEST_ES_ACCESS_RIGHTS},
	[SEG_CS] = {GUEST_CS_SELECTOR, GUEST_CS_BASE, GUEST_CS_LIMIT, GUEST_CS_ACCESS_RIGHTS},
	[SEG_SS] = {GUEST_SS_SELECTOR, GUEST_SS_BASE, GUEST_SS_LIMIT, GUEST_SS_ACCESS_RIGHTS},
	[SEG_DS] = {GUEST_DS_SELECTOR, GUEST_DS_BASE, GUEST_DS_LIMIT, GUEST_DS_ACCESS_RIGHTS},
	[SEG_FS] = {GUEST_FS_SELECTOR, GUEST_FS_BASE, GUEST_FS_LIMIT, GUEST_FS_ACCESS_RIGHTS},
	[SEG_GS] = {GUEST_GS_SELECTOR, GUEST_GS_BASE, GUEST_GS_LIMIT, GUEST_GS_ACCESS_RIGHTS},
};

void vcpu_arch_get_segment(struct vcpu *vcpu, enum insn_segment seg, struct vcpu_segment *out)
{
	ASSERT(is_current(to_vmx(vcpu)));
	out->selector = (uint16_t)vmread(segment_field[seg].selector);
	out->base = vmread(segment_field[seg].base);
	out->limit = (uint32_t)vmread(segment_field[seg].limit);
	out->access = (uint32_t)vmread(segment_field[seg].access);
}

/* CPL is the DPL of SS ('Guest Register State'). */
uint8_t vcpu_arch_cpl(struct vcpu *vcpu)
{
	DEBUG_ASSERT(is_current(to_vmx(vcpu)));
	return vmread(GUEST_SS_ACCESS_RIGHTS) >> 5 & 3;
}

bool vcpu_arch_is_64bit(struct vcpu *vcpu)
{
	DEBUG_ASSERT(is_current(to_vmx(vcpu)));
	return (vmread(GUEST_CS_ACCESS_RIGHTS) & ACCESS_RIGHTS_L) &&
	       (vmread(GUEST_IA32_EFER) & EFER_LMA);
}

void vcpu_arch_get_pdptes(struct vcpu *vcpu, uint64_t pdpte[4])
{
	ASSERT(is_current(to_vmx(vcpu)));
	pdpte[0] = vmread(GUEST_PDPTE0);
	pdpte[1] = vmread(GUEST_PDPTE1);
	pdpte[2] = vmread(GUEST_PDPTE2);
	pdpte[3] = vmread(GUEST_PDPTE3);
}

void vcpu_arch_set_efer(struct vcpu *vcpu, uint64_t value)
{
	bool is_lma = (value & EFER_LME) && (vmread(GUEST_CR0) & CR0_PG);
	uint64_t entry = vmread(ENTRY_CONTROLS), old = vmread(GUEST_IA32_EFER);

	ASSERT(is_current(to_vmx(vcpu)));
	vmx_audit_vpid_changed(to_vmx(vcpu), tlb_efer_change(old, value));
	vmwrite(GUEST_IA32_EFER, is_lma ? value | EFER_LMA : value & ~(uint64_t)EFER_LMA);
	vmwrite(ENTRY_CONTROLS, is_lma ? entry | ENTRY_IA32E_MODE_GUEST
				       : entry & ~(uint64_t)ENTRY_IA32E_MODE_GUEST);
	/* What bit 63 of an entry means. */
	if ((old ^ value) & EFER_NX)
		vmx_flush_vpid(to_vmx(vcpu));
}

void vcpu_arch_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	ASSERT(is_current(to_vmx(vcpu)));
	vmwrite(TSC_OFFSET, offset);
}

void vcpu_arch_flush_tlb(struct vcpu *vcpu)
{
	vmx_flush_vpid(to_vmx(vcpu));
}

void vcpu_arch_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	struct vmx_vcpu *v = to_vmx(vcpu);
	uint64_t rflags = vmread(GUEST_RFLAGS);

	/* A fault sets RF in the saved flags, so that a code breakpoint does not fire twice. */
	vmwrite(GUEST_RFLAGS, rflags | BIT(16));
	/* Behind MOV SS an emulator may have saved a trap that BTF does not let come. */
	if (unlikely(rflags & RFLAGS_TF))
		vmx_fit_state();
	vmx_raise(v, vector | INTR_TYPE_HARDWARE_EXCEPTION, has_error ? error : 0, 0);
}
