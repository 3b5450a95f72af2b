/* KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst). */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include "guest/vcpu.h"

/* Serves the hypercall whose number is in RAX and leaves the answer there. Owner pCPU. */
void hypercall(struct vcpu *vcpu);

#endif
