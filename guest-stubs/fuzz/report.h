/* How far a fuzzer has come, from time to time; and its end. */
#ifndef GUEST_STUBS_FUZZ_REPORT_H
#define GUEST_STUBS_FUZZ_REPORT_H

#include "guest-stubs/fuzz/cpu.h"

/* Before each op: says how many there were, whenever that is a power of four; ends the VM well when
 * they were `ops=`; looks after the watchdog. */
void fuzz_report(struct fuzz_cpu *cpu);

#endif
