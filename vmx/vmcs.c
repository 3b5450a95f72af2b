/* VMCS ownership: a VMCS is active on at most one pCPU; VMPTRLD makes it current, VMCLEAR is the
 * only way to another pCPU (SDM, 'Software Use of Virtual-Machine Control Structures'). The VMCS
 * region itself is where the state goes: there is no VMPTRST. */
#include "cpu/apic.h"
#include "cpu/insn.h"
#include "vmx/vmx.h"

#ifdef CONFIG_DEBUG
void vmx_assert_current(void)
{
	struct vmx_vcpu *v = this_vmx()->current;

	if (v && v->loaded.pcpu != this_cpu_id())
		panic("VMCS of vCPU %u of VM '%s' is current on pCPU %u but active on %u",
		      v->vcpu.index, v->vcpu.vm->name, this_cpu_id(), v->loaded.pcpu);
}
#endif

void vmx_vmcs_clear(struct vmx_vcpu *v)
{
	struct vmx_pcpu *p = this_vmx();

	if (__atomic_load_n(&v->loaded.pcpu, __ATOMIC_ACQUIRE) != this_cpu_id())
		return;
	if (p->loaded == v) {
		vmx_state_save(v);
		p->loaded = NULL;
	}
	vmclear(v->loaded.vmcs);
	v->vmclears++;
	v->loaded.launched = false;
	list_remove(&v->loaded.node);
	if (p->current == v)
		p->current = NULL;
	__atomic_store_n(&v->loaded.pcpu, VMCS_NOT_ACTIVE, __ATOMIC_RELEASE);
}

static void clear_here(void *v)
{
	vmx_vmcs_clear(v);
}

void vmx_vmcs_release(struct vmx_vcpu *v)
{
	uint32_t pcpu = __atomic_load_n(&v->loaded.pcpu, __ATOMIC_ACQUIRE);

	if (pcpu == VMCS_NOT_ACTIVE)
		return;
	if (pcpu == this_cpu_id()) {
		uint64_t flags = irq_save();

		vmx_vmcs_clear(v);
		irq_restore(flags);
	} else {
		ipi_call(pcpu, clear_here, v);
	}
}

void vmx_vmcs_load(struct vmx_vcpu *v)
{
	struct vmx_pcpu *p = this_vmx();
	uint32_t pcpu = __atomic_load_n(&v->loaded.pcpu, __ATOMIC_ACQUIRE);
	uint64_t flags;

	if (pcpu != VMCS_NOT_ACTIVE && pcpu != this_cpu_id())
		ipi_call(pcpu, clear_here, v);

	flags = irq_save();
	if (p->current != v) {
		vmptrld(v->loaded.vmcs);
		v->vmptrlds++;
		p->current = v;
	}
	if (pcpu != this_cpu_id()) {
		__atomic_store_n(&v->loaded.pcpu, this_cpu_id(), __ATOMIC_RELEASE);
		list_push_back(&p->active, &v->loaded.node);
		v->migrations++;
		if (v->has_vmcs_host_state)
			vmx_setup_host_state();
	}
	irq_restore(flags);
}
