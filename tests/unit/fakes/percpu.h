/* pCPUs of the unit tests: each thread is one. */
#ifndef FAKES_PERCPU_H
#define FAKES_PERCPU_H

#include "cpu/percpu.h"

/* Makes the calling thread pCPU `id` (< MAX_PCPUS), online from now on. A thread that never
 * attached is pCPU 0. */
void fake_percpu_attach(uint32_t id);

/* As at the start: pCPU 0 alone, all blocks cleared, the calling thread on it. No other thread may
 * be attached. */
void fake_percpu_reset(void);

#endif
