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

/* Takes it: its vector, or -1 when it has gone meanwhile. Takes the VM's lock. */
int platform_take_extint(struct vcpu *vcpu);

#define PLATFORM_EXTINT 256 /* no vector: the 8259s know it */

/* The interrupt that could be delivered if the vCPU were open for it: a vector of the local APIC,
 * an ExtINT has no priority there, or PLATFORM_EXTINT; -1 for none. Owner pCPU; takes no lock. */
static inline int platform_find_interrupt(struct vcpu *vcpu)
{
	int vector;

	kvm_sync_pv_eoi(vcpu);
	vector = lapic_pending_vector(&vcpu->lapic);
	return vector < 0 && platform_has_extint(vcpu) ? PLATFORM_EXTINT : vector;
}

static inline bool platform_has_interrupt(struct vcpu *vcpu)
{
	return platform_find_interrupt(vcpu) >= 0;
}

/* Takes what platform_find_interrupt has found: its vector, now in service; or -1 when it has gone
 * meanwhile. Owner pCPU. */
static inline int platform_take_interrupt(struct vcpu *vcpu, int found)
{
	if (unlikely(found == PLATFORM_EXTINT))
		return platform_take_extint(vcpu);
	lapic_accept(&vcpu->lapic, (uint8_t)found);
	return found;
}

/* In one of the VM's turns: brings the devices' work that was put off elsewhere to this pCPU, which
 * does it before it enters the guest. Takes the VM's lock. */
void platform_fetch_work(struct vm *vm);
static inline void platform_look_for_work(struct vm *vm)
{
	if (unlikely(__atomic_load_n(&vm->is_work_put_off, __ATOMIC_RELAXED)))
		platform_fetch_work(vm);
}

/* Takes the VM's lock for work that nobody's turn may wait for but its own; false when somebody has
 * it: then again after LOCK_RETRY_NS. */
#define LOCK_RETRY_NS 50000u
bool __must_check platform_lock_for_work(struct vm *vm);

/* The vCPU halts and could take an interrupt: ticks that are owed to the guest come now. Owner
 * pCPU; takes the VM's lock only when there are some. */
void platform_hurry_ticks(struct vcpu *vcpu);

/* Can a device still send this VM what wakes vCPUs that take no interrupts: an NMI, INIT or SIPI,
 * by the IOAPIC or by MSI-X? (LINT0 and LINT1 have no device that uses these modes.) Takes the VM's
 * lock. */
bool platform_can_end_any_halt(struct vm *vm);

/* A byte typed for the guest. Any pCPU; takes the VM's lock. False when too much waits for it
 * already. */
bool platform_console_input(struct vm *vm, uint8_t byte);

#endif
