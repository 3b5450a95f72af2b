/* Looking at a vCPU's hardware state without stopping it: on the pCPU where its VMCS is active, in
 * an interrupt handler. That of another vCPU may be current there, between two of its VMREADs even.
 */
#include "cpu/apic.h"
#include "guest/vcpu_arch.h"
#include "vmx/vmx.h"

struct look {
	struct vmx_vcpu *v;
	void (*look)(struct vcpu *vcpu, void *arg);
	void *arg;
	bool is_done;
};

/* Nobody changes what is current, or loaded.pcpu away from this pCPU, but here with interrupts off.
 */
static void look_here(void *arg)
{
	struct look *look = arg;
	struct vmx_pcpu *p = this_vmx();
	struct vmx_vcpu *v = look->v, *current = p->current;

	if (__atomic_load_n(&v->loaded.pcpu, __ATOMIC_ACQUIRE) != this_cpu_id())
		return;
	if (current != v) {
		vmptrld(v->loaded.vmcs);
		p->current = v;
	}
	look->look(&v->vcpu, look->arg);
	if (current && current != v) {
		vmptrld(current->loaded.vmcs);
		p->current = current;
	}
	look->is_done = true;
}

bool vcpu_arch_look(struct vcpu *vcpu, void (*look)(struct vcpu *vcpu, void *arg), void *arg)
{
	struct look call = {.v = to_vmx(vcpu), .look = look, .arg = arg};
	uint32_t pcpu = __atomic_load_n(&call.v->loaded.pcpu, __ATOMIC_ACQUIRE);

	if (pcpu != VMCS_NOT_ACTIVE)
		ipi_call(pcpu, look_here, &call);
	return call.is_done;
}
