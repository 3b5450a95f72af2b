/* What vmx/ adds to a panic's report. */
#ifndef VMX_REPORT_H
#define VMX_REPORT_H

/* For panic_add_dumper: whose VMCS is current here, and what its vCPU did last. */
void vmx_dump(void);

#endif
