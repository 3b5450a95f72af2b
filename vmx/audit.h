/* What debug builds look at before each entry, since an emulator does not notice it or a guest may
 * bring it about: who owns what is loaded, stale translations (vmx/tlb_audit.h), and all that VM
 * entry checks (vmx/check_entry.h). In release builds it costs nothing. */
#ifndef VMX_AUDIT_H
#define VMX_AUDIT_H

#include "vmx/vmx.h"

/* The rule that an entry with the current VMCS breaks, and the fields' values; or that Carousel
 * knows none. For the report of an entry that has failed. Interrupts off or on. */
void vmx_name_broken_rule(char *buf, size_t size);

#ifdef CONFIG_DEBUG

/* May it be entered? False: the guest's state breaks a rule, and the VM has been ended, with a
 * message that begins with 'entry check'; interrupts are on then. Panics for what only the host can
 * have broken. VMCS current; interrupts off. */
bool vmx_audit_entry(struct vmx_vcpu *v);

/* A new VM's, and a new vCPU's. */
void vmx_audit_init_vm(struct vmx_vm *vm);
void vmx_audit_init_vcpu(struct vmx_vcpu *v);

/* Its VMCS may have been anywhere, or a turn begins: all is checked again. */
static inline void vmx_audit_turn(struct vmx_vcpu *v)
{
	v->unchecked = UINT8_MAX;
}

/* What the vCPU's linear translations depend on has changed by `why`, if it is not NULL. */
static inline void vmx_audit_vpid_changed(struct vmx_vcpu *v, const char *why)
{
	if (why)
		tlb_vpid_changed(&v->tlb, why);
}

static inline void vmx_audit_ept_changed(struct vmx_vm *vm, const char *why)
{
	tlb_ept_changed(&vm->tlb, this_cpu_id(), why);
}

/* Before INVVPID and INVEPT. */
static inline void vmx_audit_vpid_flushes(struct vmx_vcpu *v)
{
	tlb_vpid_flushes(&v->tlb, this_cpu_id());
}

static inline void vmx_audit_ept_flushes(struct vmx_vm *vm)
{
	tlb_ept_flushes(&vm->tlb, this_cpu_id());
}

#else

static inline bool vmx_audit_entry(struct vmx_vcpu *v)
{
	(void)v;
	return true;
}

static inline void vmx_audit_init_vm(struct vmx_vm *vm)
{
	(void)vm;
}

static inline void vmx_audit_init_vcpu(struct vmx_vcpu *v)
{
	(void)v;
}

static inline void vmx_audit_turn(struct vmx_vcpu *v)
{
	(void)v;
}

static inline void vmx_audit_vpid_changed(struct vmx_vcpu *v, const char *why)
{
	(void)v;
	(void)why;
}

static inline void vmx_audit_ept_changed(struct vmx_vm *vm, const char *why)
{
	(void)vm;
	(void)why;
}

static inline void vmx_audit_vpid_flushes(struct vmx_vcpu *v)
{
	(void)v;
}

static inline void vmx_audit_ept_flushes(struct vmx_vm *vm)
{
	(void)vm;
}

#endif
#endif
