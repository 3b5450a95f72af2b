/* EPT violations: device memory, memory that is not there, and execution from a large leaf where
 * the CPU cannot bear that. */
#include "guest/vcpu_arch.h"
#include "vmx/audit.h"
#include "vmx/ept.h"
#include "vmx/vmx.h"

/* Executable large leaves raise a machine check on some CPUs when their size changes ('iTLB
 * multihit'): there RAM is mapped without execute permission, and the 2M around a first fetch is
 * split into executable 4K leaves. */
static enum exit_verdict make_executable(struct vmx_vcpu *v, const struct gmem_chunk *chunk,
					 gpa_t gpa)
{
	struct vm *vm = v->vcpu.vm;
	struct vmx_vm *x = vm->arch;
	uint64_t start = MAX(ALIGN_DOWN(gpa.v, SIZE_2M), chunk->base.v);
	uint64_t end = MIN(ALIGN_DOWN(gpa.v, SIZE_2M) + SIZE_2M, chunk->base.v + chunk->len);
	uint64_t size, *leaf;
	int error;

	spin_lock(&x->lock);
	leaf = pt_lookup(&x->ept, gpa.v, &size);
	/* Another vCPU may have done it: the violation has taken this pCPU's own stale entry away.
	 */
	if (leaf && (*leaf & EPT_EXECUTE)) {
		spin_unlock(&x->lock);
		return EXIT_RESUME;
	}
	error = ept_map_ram(&x->ept, GPA(start), HPA(chunk->host.v + (start - chunk->base.v)),
			    end - start, PAGE_SIZE, true);
	vmx_audit_ept_changed(x, "a large leaf was split");
	spin_unlock(&x->lock);
	/* 'Software should use the INVEPT instruction […] after […] changing bit 7 (which
	 * determines whether the entry maps a page)', on every pCPU. */
	vmx_flush_ept(x);
	/* The tables were set aside when the VM was made. */
	ASSERT(!error);
	return EXIT_RESUME;
}

static enum exit_verdict end_without_ram(struct vmx_vcpu *v, const char *what, gpa_t gpa)
{
	return vmx_end_vm(v, "%s guest-physical 0x%lx, where there is no RAM", what, gpa.v);
}

enum exit_verdict vmx_handle_ept_violation(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	gpa_t gpa = GPA(vmread(GUEST_PHYSICAL_ADDRESS));
	const struct gmem_chunk *chunk = gmem_find(&v->vcpu.vm->gmem, gpa);
	struct emulate_cause cause = {
		.kind = EMULATE_MEMORY,
		.is_write = qualification & EPT_VIOLATION_WRITE,
		.has_la = true,
		.gpa = gpa,
	};

	if (unlikely(qualification & INTR_INFO_NMI_UNBLOCKING))
		vmx_block_nmi_again(qualification, false,
				    v->loaded.has_injection ? INTR_INFO_VALID : 0);
	if (chunk && (qualification & EPT_VIOLATION_FETCH))
		return make_executable(v, chunk, gpa);
	if (chunk)
		return vmx_end_vm(v, "EPT violation in RAM at 0x%lx, qualification 0x%lx", gpa.v,
				  qualification);
	/* All ones, which is what the CPU would fetch there, are no instruction. */
	if (qualification & EPT_VIOLATION_FETCH)
		return vmx_refuses_program(v) ? EXIT_RESUME
					      : end_without_ram(v, "executes from", gpa);
	/* Without a linear address it is MOV CR that loads PDPTEs. */
	if (!(qualification & EPT_VIOLATION_LINEAR_VALID) ||
	    !(qualification & EPT_VIOLATION_TRANSLATED))
		return end_without_ram(v, "has a page table at", gpa);
	if (v->loaded.has_injection)
		return end_without_ram(v, "an event's delivery touched", gpa);
	cause.la = vmread(GUEST_LINEAR_ADDRESS);
	return vmx_emulate(v, &cause, "access to device memory");
}
