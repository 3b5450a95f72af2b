/* The state that a vCPU keeps and nobody else may change: extended state, debug registers, MSRs. */
#ifndef GUEST_STUBS_VICTIM_STATE_H
#define GUEST_STUBS_VICTIM_STATE_H

#include "guest-stubs/common/stub.h"

/* Loads values that come of the seed. */
void state_load(uint64_t seed);

/* How many of them are not as they were loaded. The MSRs cost exits, the others none. */
unsigned state_differs(void);
unsigned state_msrs_differ(void);

#endif
