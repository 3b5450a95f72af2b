/* Do a pCPU's TSC and the boot CPU's show the same time? */
#ifndef BOOT_TSC_SYNC_H
#define BOOT_TSC_SYNC_H

#include "cpu/percpu.h"
#include "lib/tsc.h"

/* On the boot CPU and on the new one, at the same time, interrupts off: compares, logs what it
 * finds and sets the new one's tsc_offset_to_bsp. */
void tsc_sync_measure(struct percpu *other, const struct tsc_rate *rate);
void tsc_sync_answer(void);

#endif
