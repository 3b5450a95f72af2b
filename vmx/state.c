/* The guest state that VM entry and exit do not switch: MSRs, debug registers, CR2, XCR0 and the
 * XSAVE area. The hypervisor uses none of it (-mgeneral-regs-only, no SYSCALL, no breakpoints), so
 * it stays in the CPU across exits and is swapped between vCPUs only, and each register is
 * rewritten only when the next vCPU needs another value. */
#include "cpu/desc.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/page.h"
#include "vmx/vmx.h"

#define XCR0_X87_SSE            3ull
#define XCR0_AVX                BIT_ULL(2)
#define XCR0_AVX512             (7ull << 5)
#define XCR0_PKRU               BIT_ULL(9)
#define CPUID_1_ECX_XSAVE       BIT(26)
#define CPUID_D1_EAX_XSAVEC     BIT(1)
#define CPUID_D1_EAX_XSAVEOPT   BIT(0)
#define CPUID_7_EDX_MD_CLEAR    BIT(10)
#define CPUID_7_EDX_IBRS_IBPB   BIT(26)
#define CPUID_7_EDX_L1D_FLUSH   BIT(28)
#define CPUID_7_EDX_ARCH_CAP    BIT(29)
#define ARCH_CAP_RDCL_NO        BIT(0)
#define ARCH_CAP_SKIP_L1DFL     BIT(3)
#define ARCH_CAP_MDS_NO         BIT(5)
#define ARCH_CAP_PSCHANGE_MC_NO BIT(6)
#define CR4_OSXSAVE             BIT(18)
#define CR4_PKE                 BIT(22)

/* The XSAVE area: 512 legacy bytes, a header of 64, the extended components. */
#define XSAVE_HEADER       512u
#define XSAVE_EXTENDED     576u
#define AVX_COMPONENT_SIZE 256u
#define COMPACTED_MAX      4096u

static const uint32_t switched_msr[SWITCHED_MSRS] = {
	[SWITCHED_STAR] = MSR_IA32_STAR,       [SWITCHED_LSTAR] = MSR_IA32_LSTAR,
	[SWITCHED_CSTAR] = MSR_IA32_CSTAR,     [SWITCHED_FMASK] = MSR_IA32_FMASK,
	[SWITCHED_TSC_AUX] = MSR_IA32_TSC_AUX, [SWITCHED_KERNEL_GS_BASE] = MSR_IA32_KERNEL_GS_BASE,
};

/* CPUs without RDTSCP have no IA32_TSC_AUX. */
static bool has_tsc_aux(void)
{
	return cpuid(0x80000001, 0).edx & BIT(27);
}

/* Bochs 2.7's XSAVEC puts the AVX component at byte 416, into the legacy area, and XRSTOR looks for
 * it behind the header ('XSAVE Area': the first component of the compacted format is at 576): a
 * guest that used it would lose its registers. Loads a pattern into the AVX component by XRSTOR,
 * and looks where XSAVEC puts it. The host's own extended state is empty and stays so. */
static bool is_xsavec_broken(void)
{
	static uint8_t area[COMPACTED_MAX] __aligned(64), empty[COMPACTED_MAX] __aligned(64);
	uint64_t *xstate_bv = (uint64_t *)(void *)(area + XSAVE_HEADER);
	bool is_right;

	if (!(cpuid(0xd, 1).eax & CPUID_D1_EAX_XSAVEC) || !(vmx_machine.xcr0 & XCR0_AVX))
		return false;
	memset(area + XSAVE_EXTENDED, 0xa5, AVX_COMPONENT_SIZE);
	*xstate_bv = XCR0_AVX;
	xrstor(area);
	memset(area, 0, sizeof(area));
	xsavec(area);
	xrstor(empty); /* XSTATE_BV 0: every component as after reset */
	is_right = true;
	for (unsigned i = 0; i < AVX_COMPONENT_SIZE; i++)
		is_right &= area[XSAVE_EXTENDED + i] == 0xa5;
	return !is_right;
}

static void find_mitigations(bool is_off)
{
	struct vmx_machine *m = &vmx_machine;
	uint32_t edx = cpuid(0, 0).eax >= 7 ? cpuid(7, 0).edx : 0;
	uint64_t caps = 0;

	if ((edx & CPUID_7_EDX_ARCH_CAP) && msr_read_safe(MSR_IA32_ARCH_CAPABILITIES, &caps))
		caps = 0;
	m->has_ibpb = !is_off && (edx & CPUID_7_EDX_IBRS_IBPB);
	m->has_md_clear = !is_off && (edx & CPUID_7_EDX_MD_CLEAR) && !(caps & ARCH_CAP_MDS_NO);
	m->has_l1d_flush = !is_off && (edx & CPUID_7_EDX_L1D_FLUSH) &&
			   !(caps & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL));
	m->has_entry_mitigation = m->has_md_clear || m->has_l1d_flush;
	/* CPUs that say nothing about it are taken to have it. */
	m->has_split_executable =
		!is_off && !(caps & ARCH_CAP_PSCHANGE_MC_NO) && m->caps.ept_max_leaf > PAGE_SIZE;
	log_info("mitigations: %s; IBPB between VMs %s, VERW on entry %s, L1D flush on entry %s, "
		 "executable pages split %s",
		 is_off ? "switched off on the command line" : "as the CPU needs and offers them",
		 m->has_ibpb ? "on" : "off", m->has_md_clear ? "on" : "off",
		 m->has_l1d_flush ? "on" : "off", m->has_split_executable ? "on" : "off");
}

int vmx_state_init(bool is_mitigations_off)
{
	struct vmx_machine *m = &vmx_machine;
	uint64_t offered;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) {
		log_error("this CPU has no XSAVE, which Carousel needs to switch its guests' "
			  "registers");
		return -ENODEV;
	}
	write_cr4(read_cr4() | CR4_OSXSAVE);
	offered = cpuid(0xd, 0).eax;
	m->xcr0 = offered & (XCR0_X87_SSE | XCR0_AVX);
	/* The three AVX-512 components come together or not at all, and not without AVX. */
	if ((m->xcr0 & XCR0_AVX) && (offered & XCR0_AVX512) == XCR0_AVX512)
		m->xcr0 |= XCR0_AVX512;
	m->xcr0 |= offered & XCR0_PKRU;
	vm_machine.xcr0 = m->xcr0;
	xsetbv(0, m->xcr0);
	m->xsave_size = cpuid(0xd, 0).ebx; /* for the components that XCR0 enables now */
	m->has_xsaveopt = cpuid(0xd, 1).eax & CPUID_D1_EAX_XSAVEOPT;
	vm_machine.is_xsavec_broken = is_xsavec_broken();
	if (vm_machine.is_xsavec_broken)
		log_info("XSAVEC of this CPU loses state: guests are not told of it");
	find_mitigations(is_mitigations_off);
	return 0;
}

void vmx_state_init_cpu(struct vmx_pcpu *p)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, vmx_machine.xcr0);
	p->xcr0 = vmx_machine.xcr0;
	p->dr[0] = read_dr0();
	p->dr[1] = read_dr1();
	p->dr[2] = read_dr2();
	p->dr[3] = read_dr3();
	p->dr6 = read_dr6();
	p->cr2 = read_cr2();
	p->last_vm = UINT32_MAX;
	for (unsigned i = 0; i < SWITCHED_MSRS; i++) {
		if (i == SWITCHED_TSC_AUX && !has_tsc_aux())
			continue;
		wrmsr(switched_msr[i], 0);
		p->msr[i] = 0;
	}
}

static void set_xcr0(struct vmx_pcpu *p, uint64_t xcr0)
{
	if (p->xcr0 != xcr0) {
		xsetbv(0, xcr0);
		p->xcr0 = xcr0;
	}
}

void vmx_state_save(struct vmx_vcpu *v)
{
	struct vmx_pcpu *p = this_vmx();

	/* All components, whatever the guest has enabled just now: what it has switched off keeps
	 * its contents, for it and never for the next guest. */
	set_xcr0(p, vmx_machine.xcr0);
	if (vmx_machine.has_xsaveopt)
		xsaveopt(v->xsave);
	else
		xsave(v->xsave);
	v->msr[SWITCHED_KERNEL_GS_BASE] = rdmsr(MSR_IA32_KERNEL_GS_BASE);
	p->msr[SWITCHED_KERNEL_GS_BASE] = v->msr[SWITCHED_KERNEL_GS_BASE];
	p->dr[0] = v->dr[0] = read_dr0();
	p->dr[1] = v->dr[1] = read_dr1();
	p->dr[2] = v->dr[2] = read_dr2();
	p->dr[3] = v->dr[3] = read_dr3();
	p->dr6 = v->dr6 = read_dr6();
	p->cr2 = v->cr2 = read_cr2();
}

static void load_debug_registers(struct vmx_pcpu *p, const struct vmx_vcpu *v)
{
	if (p->dr[0] != v->dr[0])
		write_dr0(v->dr[0]);
	if (p->dr[1] != v->dr[1])
		write_dr1(v->dr[1]);
	if (p->dr[2] != v->dr[2])
		write_dr2(v->dr[2]);
	if (p->dr[3] != v->dr[3])
		write_dr3(v->dr[3]);
	if (p->dr6 != v->dr6)
		write_dr6(v->dr6);
}

void vmx_state_load(struct vmx_vcpu *v)
{
	struct vmx_pcpu *p = this_vmx();

	set_xcr0(p, vmx_machine.xcr0);
	xrstor(v->xsave);
	set_xcr0(p, v->vcpu.xcr0);
	for (unsigned i = 0; i < SWITCHED_MSRS; i++) {
		if (p->msr[i] != v->msr[i]) {
			wrmsr(switched_msr[i], v->msr[i]);
			p->msr[i] = v->msr[i];
		}
	}
	load_debug_registers(p, v);
	if (p->cr2 != v->cr2)
		write_cr2(v->cr2);
	if (vmx_machine.has_ibpb && p->last_vm != v->vcpu.vm->id)
		wrmsr(MSR_IA32_PRED_CMD, 1);
	p->last_vm = v->vcpu.vm->id;
}

void vmx_state_write_msr(struct vmx_vcpu *v, enum switched_msr which, uint64_t value)
{
	struct vmx_pcpu *p = this_vmx();

	v->msr[which] = value;
	if (p && p->loaded == v) {
		wrmsr(switched_msr[which], value);
		p->msr[which] = value;
	}
}

/* RDPKRU wants CR4.PKE, which the CPU takes from us if it has taken it from the guest. Our own
 * pages are all supervisor ones: keys do not apply to them. */
uint32_t vcpu_arch_pkru(struct vcpu *vcpu)
{
	uint64_t flags, cr4;
	uint32_t value;

	ASSERT(this_vmx()->loaded == to_vmx(vcpu));
	if (!(vmread(GUEST_CR4) & CR4_PKE))
		return 0;
	flags = irq_save();
	cr4 = read_cr4();
	write_cr4(cr4 | CR4_PKE);
	value = rdpkru();
	write_cr4(cr4);
	irq_restore(flags);
	return value;
}

void vmx_state_reset(struct vmx_vcpu *v, bool is_init)
{
	/* 'Processor State after Reset': INIT leaves the x87, SSE and extended state and the MSRs.
	 */
	for (unsigned i = 0; i < ARRAY_SIZE(v->dr); i++)
		v->dr[i] = 0;
	v->dr6 = 0xffff0ff0;
	v->cr2 = 0;
	if (is_init)
		return;
	memset(v->xsave, 0, vmx_machine.xsave_size);
	/* XSTATE_BV 0: XRSTOR puts every component in its initial state. MXCSR is always loaded. */
	*(uint16_t *)(void *)(v->xsave + 0) = 0x37f;
	*(uint32_t *)(void *)(v->xsave + 24) = 0x1f80;
	for (unsigned i = 0; i < SWITCHED_MSRS; i++)
		v->msr[i] = 0;
	v->vcpu.xcr0 = 1;
}

void vmx_before_entry_mitigations(void)
{
	if (vmx_machine.has_l1d_flush)
		wrmsr(MSR_IA32_FLUSH_CMD, 1);
	else if (vmx_machine.has_md_clear)
		verw(SEL_DATA);
}
