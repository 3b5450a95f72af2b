/* INVVPID and INVEPT: the flushes that entries of a guest need, noted for the audit (vmx/audit.h).
 */
#include "cpu/apic.h"
#include "lib/bitmap.h"
#include "lib/fault.h"
#include "vmx/audit.h"
#include "vmx/vmx.h"

void vmx_flush_vpid(struct vmx_vcpu *v)
{
	if (fault_is_due(FAULT_FLUSH))
		return;
	vmx_audit_vpid_flushes(v);
	/* Without VPIDs each entry and exit flushes ('Invalidation of Translation Caches'). */
	if (vmx_machine.caps.secondary & SECONDARY_ENABLE_VPID)
		invvpid(INVVPID_SINGLE_CONTEXT, v->vpid, 0);
}

void vmx_flush_ept_here(struct vmx_vm *vm)
{
	if (fault_is_due(FAULT_FLUSH))
		return;
	vmx_audit_ept_flushes(vm);
	if (vmx_machine.caps.has_invept_single)
		invept(INVEPT_SINGLE_CONTEXT, vm->eptp);
	else
		invept(INVEPT_ALL_CONTEXTS, 0);
}

static void flush_by_call(void *vm)
{
	vmx_flush_ept_here(vm);
}

/* Those where the VM has never run flush before it does: vmx_switch_in. */
void vmx_flush_ept(struct vmx_vm *vm)
{
	for (uint32_t cpu = 0; cpu < percpu_count(); cpu++)
		if (bitmap_is_set(vm->flushed, cpu))
			ipi_call(cpu, flush_by_call, vm);
}
