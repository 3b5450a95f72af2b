/* How fast the TSC ticks, measured. */
#ifndef DRIVERS_TSC_CALIBRATE_H
#define DRIVERS_TSC_CALIBRATE_H

#include "lib/tsc.h"

/* Measures the TSC against the PIT's channel 2, which takes some tenths of a second; when the PIT
 * does not count (some recent firmware stops its clock), takes what CPUID leaf 0x15 claims, with a
 * warning. 0; -EIO when neither gives a plausible rate. Boot CPU, interrupts off. */
int __must_check tsc_calibrate(struct tsc_rate *rate);

#endif
