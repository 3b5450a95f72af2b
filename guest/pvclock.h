/* kvmclock: the structures that KVM's clock MSRs point at (linux/kvm_para.h, asm/pvclock-abi.h).
 * Pure. */
#ifndef GUEST_PVCLOCK_H
#define GUEST_PVCLOCK_H

#include "guest/gmem.h"
#include "lib/tsc.h"

/* Bytes of the two guest structures. */
#define PVCLOCK_TIME_SIZE 32u
#define PVCLOCK_WALL_SIZE 12u

/* Writes struct pvclock_vcpu_time_info at `area` (any alignment that lies in RAM; -EFAULT
 * otherwise): version odd, the fields, version even, in that order as another vCPU sees it. `tsc`
 * is the guest's TSC now, `system_ns` the VM's clock at that moment. */
int __must_check pvclock_write_time(const struct gmem *gmem, gpa_t area,
				    const struct tsc_rate *rate, uint64_t tsc, uint64_t system_ns,
				    bool is_stable);

/* Writes struct pvclock_wall_clock: the wall-clock time at which the VM's clock was 0. */
int __must_check pvclock_write_wall(const struct gmem *gmem, gpa_t area, uint64_t boot_wall_ns);

#endif
