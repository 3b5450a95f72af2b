/* Port accesses of a guest. */
#ifndef GUEST_IO_H
#define GUEST_IO_H

#include "guest/vcpu.h"

/* One access of 1, 2 or 4 bytes by the vCPU. Takes the VM's lock while a model answers. Owner pCPU.
 */
uint64_t io_read(struct vcpu *vcpu, uint16_t port, unsigned size);
void io_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint64_t value);

/* One access to guest-physical memory that is not RAM: the local APIC's page where the vCPU's is,
 * or the VM's bus. `size` 1, 2, 4 or 8. */
uint64_t mmio_read(struct vcpu *vcpu, gpa_t gpa, unsigned size);
void mmio_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value);

#endif
