/* The CPU's own virtualisation of the local APIC (SDM, 'APIC Virtualization and Virtual
 * Interrupts'), all of it or nothing: TPR shadow, APIC accesses, x2APIC mode, APIC-register
 * virtualisation and virtual-interrupt delivery. The virtual-APIC page is the register page of
 * devices/lapic.h. The guest then reads its APIC, writes TPR and EOI, sends itself IPIs and takes
 * interrupts without an exit; any other write exits after it (APIC write).
 *
 * xAPIC mode goes through the APIC-access page, one for each VM, which is mapped at the
 * power-up address. A vCPU that leaves that mode or moves the registers must not find a page of
 * memory there: the page is unmapped for good, and who still uses it is served in software. */
#include "cpu/apic.h"
#include "guest/vcpu_arch.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "vmx/ept.h"
#include "vmx/audit.h"
#include "vmx/vmx.h"

#define INTERRUPT_STATUS_RVI 0x00ffu
#define INTERRUPT_STATUS_SVI 0xff00u

/* Exit qualification of an APIC access. */
#define APIC_ACCESS_OFFSET     0xfffu
#define APIC_ACCESS_TYPE_SHIFT 12
enum { APIC_ACCESS_READ, APIC_ACCESS_WRITE, APIC_ACCESS_FETCH };

bool vcpu_arch_has_virtual_interrupt_delivery(const struct vm *vm)
{
	(void)vm;
	return vmx_machine.has_vid;
}

int vmx_apicv_create(struct vmx_vm *vm)
{
	vm->apic_access = page_alloc_zeroed();
	if (!vm->apic_access)
		return -ENOMEM;
	return ept_map_ram(&vm->ept, GPA(LAPIC_DEFAULT_BASE), ptr_to_hpa(vm->apic_access),
			   PAGE_SIZE, PAGE_SIZE, false);
}

void vmx_apicv_destroy(struct vmx_vm *vm)
{
	if (vm->apic_access)
		page_free_ptr(vm->apic_access);
}

static void withdraw_access_page(struct vmx_vm *vm)
{
	uint64_t size, *leaf;
	bool was_mapped;

	spin_lock(&vm->lock);
	leaf = pt_lookup(&vm->ept, LAPIC_DEFAULT_BASE, &size);
	was_mapped = leaf != NULL;
	if (leaf) {
		__atomic_store_n(leaf, 0, __ATOMIC_RELEASE);
		vmx_audit_ept_changed(vm, "the APIC-access page was withdrawn");
	}
	spin_unlock(&vm->lock);
	if (was_mapped)
		vmx_flush_ept(vm);
}

/* The mode's controls and MSR bitmap. */
static uint32_t set_mode(struct vmx_vcpu *v)
{
	struct vmx_vm *vm = v->vcpu.vm->arch;
	uint64_t base = v->vcpu.lapic.base;
	uint32_t bits = 0;

	if (base & LAPIC_BASE_EXTD)
		bits = SECONDARY_VIRTUALIZE_X2APIC_MODE;
	else if ((base & LAPIC_BASE_ENABLE) && (base & ~0xfffull) == LAPIC_DEFAULT_BASE)
		bits = SECONDARY_VIRTUALIZE_APIC_ACCESSES;
	vmx_set_secondary(v, SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_VIRTUALIZE_APIC_ACCESSES,
			  bits);
	vmwrite(MSR_BITMAP,
		ptr_to_hpa(base & LAPIC_BASE_EXTD ? vm->msr_bitmap_x2apic : vm->msr_bitmap).v);
	return bits;
}

void vmx_apicv_setup(struct vmx_vcpu *v)
{
	const struct vmx_vm *vm = v->vcpu.vm->arch;

	vmwrite(VIRTUAL_APIC_ADDRESS, ptr_to_hpa(v->vcpu.lapic.regs).v);
	vmwrite(APIC_ACCESS_ADDRESS, ptr_to_hpa(vm->apic_access).v);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(GUEST_INTERRUPT_STATUS, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(v->eoi_exit); i++) {
		v->eoi_exit[i] = 0;
		vmwrite(EOI_EXIT_BITMAP0 + 2 * i, 0);
	}
	set_mode(v);
}

void vcpu_arch_apic_mode_changed(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = to_vmx(vcpu);

	if (!vmx_machine.has_vid)
		return;
	if (set_mode(v) != SECONDARY_VIRTUALIZE_APIC_ACCESSES)
		withdraw_access_page(vcpu->vm->arch);
	/* Disabling forgets what was pending and in service. */
	__atomic_fetch_or(&vcpu->requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
}

static void set_eoi_exits(struct vmx_vcpu *v)
{
	uint64_t tmr[ARRAY_SIZE(v->eoi_exit)];

	lapic_level_vectors(&v->vcpu.lapic, tmr);
	for (unsigned i = 0; i < ARRAY_SIZE(tmr); i++) {
		if (tmr[i] == v->eoi_exit[i])
			continue;
		v->eoi_exit[i] = tmr[i];
		vmwrite(EOI_EXIT_BITMAP0 + 2 * i, tmr[i]);
	}
}

void vmx_apicv_sync(struct vmx_vcpu *v)
{
	struct lapic *lapic = &v->vcpu.lapic;
	uint64_t old = vmread(GUEST_INTERRUPT_STATUS);
	uint64_t status = (old & INTERRUPT_STATUS_SVI) | lapic_highest_irr(lapic);

	if (unlikely(lapic->changed)) {
		status = (uint64_t)lapic_highest_isr(lapic) << 8 | (status & INTERRUPT_STATUS_RVI);
		set_eoi_exits(v);
		lapic->changed = 0;
	}
	if (status != old)
		vmwrite(GUEST_INTERRUPT_STATUS, status);
}

enum exit_verdict vmx_handle_virtualized_eoi(struct vmx_vcpu *v)
{
	lapic_ended(&v->vcpu.lapic, (uint8_t)vmread(EXIT_QUALIFICATION));
	return EXIT_RESUME;
}

enum exit_verdict vmx_handle_apic_write(struct vmx_vcpu *v)
{
	lapic_written(&v->vcpu.lapic, vmread(EXIT_QUALIFICATION) & APIC_ACCESS_OFFSET);
	return EXIT_RESUME;
}

enum exit_verdict vmx_handle_apic_access(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	unsigned type = qualification >> APIC_ACCESS_TYPE_SHIFT & 0xf;
	const struct emulate_cause cause = {
		.kind = EMULATE_MEMORY,
		.is_write = type == APIC_ACCESS_WRITE,
		.gpa = GPA(LAPIC_DEFAULT_BASE + (qualification & APIC_ACCESS_OFFSET)),
	};

	if (type == APIC_ACCESS_FETCH && vmx_refuses_program(v))
		return EXIT_RESUME;
	if ((type != APIC_ACCESS_READ && type != APIC_ACCESS_WRITE) || v->loaded.has_injection)
		return vmx_end_vm(v,
				  "neither reads nor writes the local APIC at offset 0x%lx, but "
				  "executes from it or delivers an event through it",
				  qualification & APIC_ACCESS_OFFSET);
	return vmx_emulate(v, &cause, "access to the local APIC");
}
