/* Guest memory by linear address, for reports and debuggers: through the guest's own page tables,
 * with a supervisor's rights and without leaving a trace in them. */
#ifndef GUEST_LINEAR_H
#define GUEST_LINEAR_H

#include "guest/vcpu_arch.h"

/* Copies up to `len` bytes from linear address `la`; how many, from the first on, are mapped RAM.
 * Where the vCPU's state is at hand (guest/vcpu_arch.h). */
size_t vcpu_read_linear(struct vcpu *vcpu, uint64_t la, void *to, size_t len);

/* How wide the vCPU's stack is: 2, 4 or 8 bytes a push. The same place. */
unsigned vcpu_stack_width(struct vcpu *vcpu);

/* The linear address of an offset in CS or SS ('Segmentation in IA-32e Mode': in 64-bit mode their
 * bases count as 0). The same place. */
uint64_t vcpu_linear(struct vcpu *vcpu, enum insn_segment segment, uint64_t offset);

#endif
