/* Proves that a VM whose only vCPU halts with interrupts off has ended: the hypervisor says
 * 'halted'. That is a failure of the VM by default and a good end with on-halt=ok. */
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

void stub_main(void)
{
	plan(1);
	ok(true, "halting with interrupts off");
	irq_disable();
	__asm__ volatile("hlt" : : : "memory");
	bail("HLT with IF=0 came back");
}
