/* The audit of a VM's EPT, and of what it has of the hypervisor's memory. */
#include "cpu/panic.h"
#include "guest/vcpu_arch.h"
#include "mm/hostmap.h"
#include "vmx/ept_audit.h"
#include "vmx/vmx.h"

extern char image_start[], image_end[];

static void audit_table(void *ctx, hpa_t table)
{
	(void)ctx;
	vm_audit_host(table, PAGE_SIZE, "an EPT table");
}

static void audit_ept(struct vm *vm, struct vmx_vm *x)
{
	const struct ept_plan plan = {
		.gmem = &vm->gmem,
		.access_gpa = GPA(LAPIC_DEFAULT_BASE),
		.access_page = x->apic_access ? ptr_to_hpa(x->apic_access) : HPA(0),
		.is_split = vmx_machine.has_split_executable,
	};
	struct ept_fault fault;

	/* Its vCPUs may run, and split leaves. */
	spin_lock(&x->lock);
	fault = ept_audit(&x->ept, &plan);
	pt_for_each_table(&x->ept, audit_table, NULL);
	spin_unlock(&x->lock);
	if (fault.why)
		panic("EPT of VM '%s': guest-physical 0x%lx, entry 0x%lx of %lu KiB: %s", vm->name,
		      fault.gpa, fault.entry, fault.size >> 10, fault.why);
}

void vm_arch_audit(struct vm *vm)
{
	struct vmx_vm *x = vm->arch;

	vm_audit_host(ptr_to_hpa(image_start), (uint64_t)image_end - (uint64_t)image_start,
		      "the image");
	vm_audit_host(ptr_to_hpa(x), sizeof(*x), "a VM's");
	vm_audit_host(ptr_to_hpa(x->io_bitmap), 2ull * PAGE_SIZE, "an I/O bitmap");
	vm_audit_host(ptr_to_hpa(x->msr_bitmap), PAGE_SIZE, "an MSR bitmap");
	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		struct vmx_vcpu *v = to_vmx(vm->vcpu[i]);

		vm_audit_host(ptr_to_hpa(v), sizeof(*v) + vmx_machine.xsave_size, "a vCPU's");
		vm_audit_host(v->loaded.vmcs, PAGE_SIZE, "a VMCS");
	}
	audit_ept(vm, x);
}
