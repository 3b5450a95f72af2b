/* VMX operation of the machine's pCPUs. */
#ifndef VMX_CPU_H
#define VMX_CPU_H

#include "lib/tsc.h"
#include "lib/types.h"

/* Virtual-interrupt delivery: where the CPU has it and does it right, where it has it, never. */
enum vmx_vid { VMX_VID_AUTO, VMX_VID_ON, VMX_VID_OFF };

struct vmx_options {
	struct tsc_rate tsc;
	bool is_mitigations_off;
	bool is_switch_eager;
	enum vmx_vid vid;
};

/* Reads the capabilities, prepares the machine-wide parts and enters VMX operation on the boot
 * pCPU. 0; or -ENODEV (no VMX, locked off, a capability missing) or -ENOMEM after an error message
 * that names it. */
int __must_check vmx_init(const struct vmx_options *options);

/* Enters VMX operation on another pCPU. -ENODEV as above when it differs from the boot pCPU. */
int __must_check vmx_init_cpu(void);

/* Clears every VMCS that is active here and leaves VMX operation, if it was in it. Interrupts off.
 */
void vmx_leave_cpu(void);

#endif
