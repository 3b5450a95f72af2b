/* Starts the other pCPUs. */
#ifndef BOOT_SMP_H
#define BOOT_SMP_H

#include "boot/boot.h"

/* Starts the enabled CPUs of the MADT, as many as cpus= allows, one by one with `trampoline` (a
 * free page below 640 KiB) as their first page. One that does not answer is named and left out.
 * Without a MADT, whoever answers a broadcast is started. On return percpu_count() pCPUs are
 * online. On the boot CPU, interrupts off. */
void smp_start(const struct boot *boot, hpa_t trampoline);

#endif
