/* The parts of kvm_conformance. */
#ifndef GUEST_STUBS_KVM_CHECKS_H
#define GUEST_STUBS_KVM_CHECKS_H

#include "guest-stubs/common/stub.h"

extern uint32_t features;         /* leaf 0x40000001 EAX */
extern bool is_sharing, is_alone; /* words of the command line */

static inline bool has(unsigned feature)
{
	return features >> feature & 1;
}

void check_clock_at(const char *which, uint32_t msr_time, uint32_t msr_wall);
void check_pairing(void);
/* To be the last: the TSCs stay apart. */
void check_moved_tsc(void);

void check_steal_alone(void);
void check_steal_with_others(void);

void check_pv_eoi(void);

void check_unhalt(void);
void check_send_ipi(void);

#endif
