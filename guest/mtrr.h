/* The memory type range registers: kept as written, for guests that look after them. The types have
 * no effect: the guest's RAM is write-back by EPT. */
#ifndef GUEST_MTRR_H
#define GUEST_MTRR_H

#include "guest/vcpu.h"

/* What firmware leaves. */
void mtrr_reset(struct vcpu *vcpu);

/* Rows of the MSR table: 0, or -EPERM for #GP. */
int __must_check mtrr_read_cap(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int __must_check mtrr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int __must_check mtrr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* 'Memory Types That Can Be Encoded in MTRRs'. */
static inline bool mtrr_is_type(uint64_t type)
{
	return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

#endif
