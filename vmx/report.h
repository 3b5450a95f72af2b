/* What vmx/ adds to a panic's report. */
#ifndef VMX_REPORT_H
#define VMX_REPORT_H

/* For panic_add_dumper: whose VMCS is current here, and what its vCPU did last. */
void vmx_dump(void);

/* For panic_set_leave: out of VMX operation without further ado. The VMCSs' contents are lost. */
void vmx_leave_in_panic(void);

#endif
