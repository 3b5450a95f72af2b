/* Control registers: moves to CR0 and CR4 that change a bit which the hypervisor owns, CR8, XSETBV.
 *
 * Owned in CR0: NE (VMX needs it 1), CD and NW (the guest's caching is EPT's business). Owned in
 * CR4: VMXE and MCE (1 in reality), OSXSAVE and PKE (CPUID follows them), and every bit that the
 * guest has not been told of. The guest sees its own values through the read shadows. */
#include "cpu/insn.h"
#include "guest/vcpu_arch.h"
#include "lib/bitmap.h"
#include "vmx/audit.h"
#include "vmx/vmx.h"
#include "vmx/cr.h"
#include "vmx/cr_rules.h"

enum { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };
enum { VECTOR_GP = 13 };

/* CR4 bits that the guest may set: those of its CPUID. */
static uint64_t cr4_allowed(const struct vcpu *vcpu)
{
	const struct {
		uint64_t cr4;
		uint8_t leaf, reg, bit;
	} by_cpuid[] = {
		{CR4_VME | CR4_PVI, 1, 3, 1}, {CR4_TSD, 1, 3, 4},      {CR4_DE, 1, 3, 2},
		{CR4_PSE, 1, 3, 3},           {CR4_PAE, 1, 3, 6},      {CR4_MCE, 1, 3, 7},
		{CR4_PGE, 1, 3, 13},          {CR4_OSFXSR, 1, 3, 24},  {CR4_OSXMMEXCPT, 1, 3, 25},
		{CR4_PCIDE, 1, 2, 17},        {CR4_OSXSAVE, 1, 2, 26}, {CR4_FSGSBASE, 7, 1, 0},
		{CR4_SMEP, 7, 1, 7},          {CR4_SMAP, 7, 1, 20},    {CR4_UMIP, 7, 2, 2},
		{CR4_PKE, 7, 2, 3},
	};
	uint64_t allowed = CR4_PCE;

	for (unsigned i = 0; i < ARRAY_SIZE(by_cpuid); i++)
		if (cpuid_has(&vcpu->cpuid, by_cpuid[i].leaf, 0, by_cpuid[i].reg, by_cpuid[i].bit))
			allowed |= by_cpuid[i].cr4;
	return allowed;
}

uint64_t vmx_cr4_owned(const struct vcpu *vcpu)
{
	return ~cr4_allowed(vcpu) | CR4_VMXE | CR4_OSXSAVE | CR4_PKE | CR4_MCE;
}

/* The four PDPTEs of PAE paging, loaded from CR3 by every MOV that can change them. False when one
 * has a reserved bit set or lies outside RAM: #GP. */
static bool load_pdptes(struct vmx_vcpu *v, uint64_t cr3)
{
	uint64_t pdpte[4];

	if (gmem_read(&v->vcpu.vm->gmem, GPA(cr3 & 0xffffffe0u), pdpte, sizeof(pdpte)) ||
	    !pdptes_are_legal(pdpte, cpuid_maxphyaddr(&v->vcpu.cpuid)))
		return false;
	vmwrite(GUEST_PDPTE0, pdpte[0]);
	vmwrite(GUEST_PDPTE1, pdpte[1]);
	vmwrite(GUEST_PDPTE2, pdpte[2]);
	vmwrite(GUEST_PDPTE3, pdpte[3]);
	return true;
}

static void set_lma(bool is_on)
{
	uint64_t efer = vmread(GUEST_IA32_EFER), entry = vmread(ENTRY_CONTROLS);

	vmwrite(GUEST_IA32_EFER, is_on ? efer | EFER_LMA : efer & ~(uint64_t)EFER_LMA);
	vmwrite(ENTRY_CONTROLS,
		is_on ? entry | ENTRY_IA32E_MODE_GUEST : entry & ~(uint64_t)ENTRY_IA32E_MODE_GUEST);
}

static struct cr_state read_state(void)
{
	return (struct cr_state){
		.cr0 = vmread(GUEST_CR0),
		.cr3 = vmread(GUEST_CR3),
		.cr4 = vmread(GUEST_CR4),
		.efer = vmread(GUEST_IA32_EFER),
		.cs_access = (uint32_t)vmread(GUEST_CS_ACCESS_RIGHTS),
		.tr_access = (uint32_t)vmread(GUEST_TR_ACCESS_RIGHTS),
	};
}

/* MOV to CR0: false for #GP. */
static bool write_guest_cr0(struct vmx_vcpu *v, uint64_t value)
{
	struct cr_state old = read_state();
	bool is_paging = value & CR0_PG;

	/* CD and NW are never set in reality. */
	old.cr0 |= vmread(CR0_READ_SHADOW) & (CR0_CD | CR0_NW);
	if (!cr0_is_legal(&old, value) ||
	    (cr0_loads_pdptes(&old, value) && !load_pdptes(v, old.cr3)))
		return false;
	if (is_paging != !!(old.cr0 & CR0_PG) && (old.efer & EFER_LME))
		set_lma(is_paging);
	vmx_set_guest_cr0(v, value);
	if (cr0_flushes(old.cr0, value))
		vcpu_arch_flush_tlb(&v->vcpu);
	return true;
}

void vmx_set_guest_cr0(struct vmx_vcpu *v, uint64_t value)
{
	vmx_audit_vpid_changed(v, tlb_cr0_change(vmread(GUEST_CR0), value));
	vmwrite(CR0_READ_SHADOW, value | CR0_ET);
	vmwrite(GUEST_CR0, vmx_fix_cr0(&vmx_machine.caps, (value | CR0_ET) & ~(CR0_CD | CR0_NW)));
	vmx_refit_injection(v);
}

void vmx_set_guest_cr4(struct vmx_vcpu *v, uint64_t value)
{
	vmx_audit_vpid_changed(v, tlb_cr4_change(vmread(GUEST_CR4), value));
	vmwrite(CR4_READ_SHADOW, value);
	vmwrite(GUEST_CR4, vmx_fix_cr4(&vmx_machine.caps, value | CR4_VMXE | CR4_MCE));
	cpuid_update_osxsave(&v->vcpu.cpuid, value & CR4_OSXSAVE);
	cpuid_update_ospke(&v->vcpu.cpuid, value & CR4_PKE);
}

static bool write_guest_cr4(struct vmx_vcpu *v, uint64_t value)
{
	const struct cr_state old = read_state();

	if (!cr4_is_legal(&old, value, cr4_allowed(&v->vcpu)) ||
	    (cr4_loads_pdptes(&old, value) && !load_pdptes(v, old.cr3)))
		return false;
	vmx_set_guest_cr4(v, value);
	if (cr4_flushes(old.cr4, value))
		vcpu_arch_flush_tlb(&v->vcpu);
	return true;
}

enum exit_verdict vmx_handle_cr_access(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	unsigned cr = qualification & 0xf, type = qualification >> 4 & 3;
	unsigned reg = qualification >> 8 & 0xf;
	uint64_t value = reg == GPR_RSP ? vmread(GUEST_RSP) : v->vcpu.regs.gpr[reg];
	bool is_legal = false;

	/* 'In 64-bit mode, the [...] operand size is fixed at 64 bits'; else, compatibility mode
	 * included, at 32. */
	if (!vcpu_arch_is_64bit(&v->vcpu))
		value = (uint32_t)value;
	if (type == CR_MOV_TO && cr == 0) {
		is_legal = write_guest_cr0(v, value);
	} else if (type == CR_MOV_TO && cr == 4) {
		is_legal = write_guest_cr4(v, value);
	} else if (type == CR_MOV_TO && cr == 8) {
		is_legal = value <= 0xf;
		if (is_legal)
			lapic_set_tpr(&v->vcpu.lapic, (uint8_t)(value << 4));
		/* A lower priority may let something through. */
		__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
	} else if (type == CR_MOV_FROM && cr == 8) {
		value = lapic_tpr(&v->vcpu.lapic) >> 4;
		if (reg == GPR_RSP)
			vmwrite(GUEST_RSP, value);
		else
			v->vcpu.regs.gpr[reg] = value;
		is_legal = true;
	} else {
		return vmx_end_vm(v, "control-register access not expected: qualification 0x%lx",
				  qualification);
	}
	if (!is_legal) {
		vcpu_arch_inject_exception(&v->vcpu, VECTOR_GP, true, 0);
		return EXIT_RESUME;
	}
	return EXIT_SKIP;
}

/* XSETBV ('XCR0'): x87 always; AVX needs SSE; the AVX-512 three come together and need AVX. */
static bool is_xcr0_legal(const struct vcpu *vcpu, uint64_t value)
{
	const uint64_t avx512 = 7ull << 5;

	if ((value & ~cpuid_xcr0_allowed(&vcpu->cpuid)) || !(value & 1))
		return false;
	if ((value & 4) && !(value & 2))
		return false;
	if ((value & avx512) && ((value & avx512) != avx512 || !(value & 4)))
		return false;
	return true;
}

enum exit_verdict vmx_handle_xsetbv(struct vmx_vcpu *v)
{
	const uint64_t *gpr = v->vcpu.regs.gpr;
	uint64_t value = (uint32_t)gpr[GPR_RAX] | gpr[GPR_RDX] << 32;

	/* CPL 0 and CR4.OSXSAVE the CPU has checked before the exit; not the register number. */
	if ((uint32_t)gpr[GPR_RCX] != 0 || vcpu_arch_cpl(&v->vcpu) != 0 ||
	    !is_xcr0_legal(&v->vcpu, value)) {
		vcpu_arch_inject_exception(&v->vcpu, VECTOR_GP, true, 0);
		return EXIT_RESUME;
	}
	v->vcpu.xcr0 = value;
	this_vmx()->xcr0 = value;
	xsetbv(0, value);
	cpuid_update_xcr0(&v->vcpu.cpuid, value, 0);
	return EXIT_SKIP;
}
