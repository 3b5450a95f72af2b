/* devices/platform.h's table over the hypervisor, and the interrupts that the devices hold ready
 * for a vCPU. */
#ifndef GUEST_PLATFORM_H
#define GUEST_PLATFORM_H

#include "guest/kvm.h"

/* Initialises the VM's devices and puts them on its buses. Before its vCPUs exist. A negative errno
 * only for a defect of the wiring. */
int __must_check platform_init(struct vm *vm);

/* The devices' power-up state again, but for the RTC, which has a battery. The VM's lock held, its
 * vCPUs stopped; platform_add_vcpu follows for each. */
int __must_check platform_reset(struct vm *vm);

/* Joins a new vCPU's local APIC to the VM. */
void platform_add_vcpu(struct vcpu *vcpu);

/* Is there an interrupt of the 8259s that could be delivered if the vCPU, number 0, were open for
 * it? Owner pCPU; takes no lock. */
static inline bool platform_has_extint(struct vcpu *vcpu)
{
	return unlikely(vcpu->index == 0 && pic_is_pending(&vcpu->vm->dev.pic)) &&
	       lapic_is_extint_open(&vcpu->lapic);
}

/* The same of the local APIC or the 8259s. */
static inline bool platform_has_interrupt(struct vcpu *vcpu)
{
	kvm_sync_pv_eoi(vcpu);
	return lapic_pending_vector(&vcpu->lapic) >= 0 || platform_has_extint(vcpu);
}

/* Takes the 8259s' as platform_take_interrupt does. */
int platform_take_extint(struct vcpu *vcpu);

/* Takes it: its vector, now in service; or -1 when it has gone meanwhile. Owner pCPU; takes the
 * VM's lock for the 8259s. */
int platform_take_interrupt(struct vcpu *vcpu);

/* The vCPU halts and could take an interrupt: ticks that are owed to the guest come now. Owner
 * pCPU; takes the VM's lock only when there are some. */
void platform_hurry_ticks(struct vcpu *vcpu);

/* Can a device still send this VM an NMI? Takes the VM's lock. */
bool platform_has_nmi_source(struct vm *vm);

/* A byte typed for the guest. Any pCPU; takes the VM's lock. False when too much waits for it
 * already. */
bool platform_console_input(struct vm *vm, uint8_t byte);

#endif
