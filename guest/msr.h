/* The MSR policy: one table, a row for each MSR (or range) that a guest can read or write by an
 * exit. */
#ifndef GUEST_MSR_H
#define GUEST_MSR_H

#include "guest/vcpu.h"

/* 0, or -EPERM where the guest gets #GP: unknown MSRs (counted, the first few logged), reserved
 * bits, features it has not been told of. Owner pCPU. */
int __must_check msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int __must_check msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

#endif
