/* The probe guest: one real-mode page, no devices. */
#include "vmx/probe.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "vmx/vmx.h"

#define INTERRUPT_AFTER_NS 20000
#define BOUND_NS           200000

/* Enters the probe's vCPU until something other than its code page's first fetch ends it; the exit
 * reason. */
static uint32_t run(struct vmx_vcpu *v)
{
	const struct tsc_rate *tsc = &vmx_machine.tsc;
	uint64_t bound = ns_to_tsc(tsc, BOUND_NS) >> vmx_machine.caps.preemption_shift;
	uint32_t reason;

	vmx_vmcs_load(v);
	do {
		irq_disable();
		vmwrite(PREEMPTION_TIMER_VALUE, bound);
		apic_timer_arm(rdtsc() + ns_to_tsc(tsc, INTERRUPT_AFTER_NS));
		if (vmx_enter(v))
			vmx_insn_failed("VMLAUNCH of the probe guest", v->loaded.vmcs.v);
		v->loaded.launched = true;
		reason = (uint32_t)vmread(EXIT_REASON);
		irq_enable();
	} while (reason == EXIT_REASON_EPT_VIOLATION && vmx_handle_ept_violation(v) == EXIT_RESUME);
	apic_timer_arm(DEADLINE_NEVER);
	vmx_vmcs_release(v);
	return reason;
}

bool vmx_probe_if0_defect(void)
{
	static const uint8_t jump_to_itself[] = {0xeb, 0xfe};
	const struct vm_params params = {
		.name = "probe", .mem = MIB(1), .vcpus = 1, .topology = {1, 1, 1}};
	const struct vcpu_start start = {.mode = 16, .rip = 0x1000};
	uint32_t reason;
	struct vm *vm;
	char error[64];

	if (!vmx_machine.caps.has_preemption_timer)
		return false;
	if (vm_create(&params, &vm, error, sizeof(error))) {
		log_warn("the probe guest cannot be made: %s", error);
		return false;
	}
	reason = UINT32_MAX;
	if (!gmem_write(&vm->gmem, GPA(start.rip), jump_to_itself, sizeof(jump_to_itself))) {
		vcpu_arch_set_start(vm->vcpu[0], &start);
		reason = run(to_vmx(vm->vcpu[0]));
	}
	vm_destroy(vm);
	if (reason != EXIT_REASON_EXTERNAL_INTERRUPT && reason != EXIT_REASON_PREEMPTION_TIMER)
		log_warn("the probe guest ended with exit reason %#x", reason);
	return reason == EXIT_REASON_PREEMPTION_TIMER;
}
