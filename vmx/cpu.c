/* VMXON and VMXOFF on each pCPU. */
#include "vmx/cpu.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "vmx/probe.h"
#include "vmx/vmx.h"

#define CPUID_1_ECX_VMX        BIT(5)
#define FEATURE_CONTROL_LOCKED BIT(0)
#define FEATURE_CONTROL_VMX    BIT(2) /* VMX outside SMX operation */
#define CR4_VMXE               BIT(13)

/* See vmx/timer.c. */
#define SYNC_NS        10000
#define SYNC_TICKS_MIN 1000ull
#define IF0_BOUND_NS   50000

struct vmx_machine vmx_machine;

static struct vmx_pcpu pcpus[MAX_PCPUS];

void vmx_insn_failed(const char *insn, uint64_t operand)
{
	struct vmx_pcpu *p = this_vmx();
	/* VMfailValid leaves the number in the current VMCS. */
	int64_t error = p && p->current ? vmread_or_minus_1(VM_INSTRUCTION_ERROR) : -1;

	panic("%s 0x%lx failed: VM-instruction error %ld%s", insn, operand, error,
	      error < 0 ? " (VMfailInvalid: no current VMCS)" : "");
}

/* IA32_FEATURE_CONTROL: the firmware's lock. Unlocked, it is ours to set. */
static int unlock_vmx(void)
{
	uint64_t control;

	if (msr_read_safe(MSR_IA32_FEATURE_CONTROL, &control))
		return 0; /* a hypervisor below may not have it: VMXON tells */
	if (!(control & FEATURE_CONTROL_LOCKED)) {
		control |= FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX;
		if (msr_write_safe(MSR_IA32_FEATURE_CONTROL, control))
			return -ENODEV;
	}
	return control & FEATURE_CONTROL_VMX ? 0 : -ENODEV;
}

static int check_vmx(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX)) {
		log_error(
			"this CPU has no VMX: Carousel needs an Intel CPU with VT-x, switched on "
			"in "
			"the firmware; in QEMU use -enable-kvm -cpu host on a machine with nested "
			"virtualisation, or run it in Bochs");
		return -ENODEV;
	}
	if (unlock_vmx()) {
		log_error("VMX is locked off by the firmware on pCPU %u (IA32_FEATURE_CONTROL): "
			  "switch on "
			  "'Intel Virtualization Technology' or 'VT-x' in the firmware's setup and "
			  "power the machine off and on",
			  this_cpu_id());
		return -ENODEV;
	}
	return 0;
}

static int enter_vmx(void)
{
	struct vmx_pcpu *p = &pcpus[this_cpu_id()];
	const struct vmx_caps *caps = &vmx_machine.caps;
	uint32_t *region = page_alloc_zeroed();

	if (!region) {
		log_error("no memory for pCPU %u's VMXON region", this_cpu_id());
		return -ENOMEM;
	}
	region[0] = caps->revision;
	p->vmxon = ptr_to_hpa(region);
	list_init(&p->active);
	write_cr0((read_cr0() | caps->cr0_fixed0) & caps->cr0_fixed1);
	write_cr4((read_cr4() | CR4_VMXE | caps->cr4_fixed0) & caps->cr4_fixed1);
	this_cpu()->slot[PERCPU_VMX] = p;
	vmxon(p->vmxon);
	vmx_state_init_cpu(p);
	/* What an earlier user of VMX left in the TLB. */
	invept(INVEPT_ALL_CONTEXTS, 0);
	return 0;
}

/* The kick's interrupt handler: deadlines may have changed. */
static void kicked(void)
{
	struct vmx_pcpu *p = this_vmx();

	if (p && p->current)
		p->current->sync_at = 0;
}

static const char *describe_apic(bool has_vid_defect)
{
	const struct vmx_machine *m = &vmx_machine;

	if (m->has_vid)
		return has_vid_defect ? "by virtual-interrupt delivery (vid=on), although it does "
					"not heed IF=0"
				      : "by virtual-interrupt delivery";
	if (!m->caps.has_apicv)
		return "in software (the CPU cannot)";
	return has_vid_defect ? "in software (virtual-interrupt delivery does not heed IF=0)"
			      : "in software (vid=off)";
}

static void log_machine(bool has_vid_defect)
{
	const struct vmx_machine *m = &vmx_machine;
	char caps[VMX_DESCRIPTION_MAX];

	vmx_caps_describe(&m->caps, caps, sizeof(caps));
	log_info("VMX: %s, local APIC %s%s", caps, describe_apic(has_vid_defect),
		 m->has_if0_defect ? ", no interrupt exits while IF=0 (bounded by the timer)" : "");
}

int vmx_init(const struct vmx_options *options)
{
	struct vmx_machine *m = &vmx_machine;
	struct vmx_caps without_vid;
	bool has_vid_defect;
	char error[VMX_ERROR_MAX];
	int ret = check_vmx();

	if (ret)
		return ret;
	if (vmx_caps_read(&m->caps, rdmsr, error, sizeof(error))) {
		log_error("this CPU's VMX lacks %s, which Carousel needs: use a CPU (or an "
			  "emulator's CPU "
			  "model) that has it, Westmere or newer",
			  error);
		return -ENODEV;
	}
	vmx_caps_read_cpuid(&m->caps, cpuid);
	without_vid = m->caps;
	m->has_vid = m->caps.has_apicv && options->vid != VMX_VID_OFF;
	if (m->has_vid)
		vmx_caps_add_apicv(&m->caps);
	m->tsc = options->tsc;
	m->is_eager = options->is_switch_eager;
	m->sync_ticks = MAX(ns_to_tsc(&m->tsc, SYNC_NS), SYNC_TICKS_MIN);
	m->if0_bound = ns_to_tsc(&m->tsc, IF0_BOUND_NS);
	ret = vmx_state_init(options->is_mitigations_off);
	if (ret)
		return ret;
	ret = enter_vmx();
	if (ret)
		return ret;
	sched_set_kick_hook(kicked);
	m->has_if0_defect = vmx_probe_if0_defect();
	has_vid_defect = vmx_probe_vid_defect();
	if (has_vid_defect && options->vid == VMX_VID_AUTO) {
		m->has_vid = false;
		m->caps = without_vid;
	}
	log_machine(has_vid_defect);
	return 0;
}

/* Are this pCPU's capabilities what the boot pCPU found, and uses? */
static bool has_same_caps(void)
{
	const struct vmx_caps *boot = &vmx_machine.caps;
	struct vmx_caps caps;
	char error[VMX_ERROR_MAX];

	if (vmx_caps_read(&caps, rdmsr, error, sizeof(error)) || caps.has_apicv != boot->has_apicv)
		return false;
	vmx_caps_read_cpuid(&caps, cpuid);
	if (vmx_machine.has_vid)
		vmx_caps_add_apicv(&caps);
	return caps.revision == boot->revision && caps.pin == boot->pin &&
	       caps.primary == boot->primary && caps.secondary == boot->secondary &&
	       caps.exit == boot->exit && caps.entry == boot->entry &&
	       caps.physical_bits == boot->physical_bits && caps.linear_bits == boot->linear_bits;
}

int vmx_init_cpu(void)
{
	int ret = check_vmx();

	if (ret)
		return ret;
	if (!has_same_caps()) {
		log_error("pCPU %u's VMX differs from the boot pCPU's", this_cpu_id());
		return -ENODEV;
	}
	return enter_vmx();
}

void vmx_leave_cpu(void)
{
	struct vmx_pcpu *p = this_vmx();

	if (!p)
		return;
	while (!list_is_empty(&p->active))
		vmx_vmcs_clear(list_entry(p->active.next, struct vmx_vcpu, loaded.node));
	vmxoff();
	write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
	this_cpu()->slot[PERCPU_VMX] = NULL;
}
