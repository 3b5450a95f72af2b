/* /init of the Linux that `make bench LINUX=1` boots, as a guest and bare: Bochs' debugger stops at the
 * first instruction. A machine without that debugger is powered off. */
#include <asm/unistd.h>
#include <linux/reboot.h>

	.globl _start
_start:
	xchg %bx, %bx
	mov $__NR_reboot, %eax
	mov $LINUX_REBOOT_MAGIC1, %edi
	mov $LINUX_REBOOT_MAGIC2, %esi
	mov $LINUX_REBOOT_CMD_POWER_OFF, %edx
	syscall
1:	jmp 1b

	.section .note.GNU-stack, "", @progbits
