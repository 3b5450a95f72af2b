/* VM entry and exit: one function, called by vmx_enter (vmx/vmx_insn.h), whose caller loses all registers
 * but RSP and RBX.
 *
 * RBX: struct vmx_vcpu *v. Interrupts are off. The guest's general registers but RSP are loaded from and
 * stored to *v, which begins with them in the order of their encoding numbers. HOST_RSP is the end of that
 * array and never changes: an exit finds its vCPU by it and pushes the registers where they belong. No
 * other stack is used meanwhile: interrupts are off, and NMI, #MC and #DF have stacks of their own.
 * RSP's place in the array, which no guest register needs, keeps the host's.
 *
 * When VMLAUNCH or VMRESUME fails, vmx_entry_failed says where to go on instead of behind the call. After an exit, and
 * after that, every register that held a guest value is cleared, so that none is speculated on. */
#include "offsets.h"

	.macro	load_guest
	movq	VCPU_RAX(%rbx), %rax
	movq	VCPU_RCX(%rbx), %rcx
	movq	VCPU_RDX(%rbx), %rdx
	movq	VCPU_RBP(%rbx), %rbp
	movq	VCPU_RSI(%rbx), %rsi
	movq	VCPU_R8(%rbx), %r8
	movq	VCPU_R9(%rbx), %r9
	movq	VCPU_R10(%rbx), %r10
	movq	VCPU_R11(%rbx), %r11
	movq	VCPU_R12(%rbx), %r12
	movq	VCPU_R13(%rbx), %r13
	movq	VCPU_R14(%rbx), %r14
	movq	VCPU_R15(%rbx), %r15
	movq	VCPU_RDI(%rbx), %rdi
	movq	VCPU_RBX(%rbx), %rbx
	.endm

	.text
	.balign 64
	.globl vmx_enter_guest
	.type vmx_enter_guest, @function
vmx_enter_guest:
	movq	%rsp, VCPU_HOST_RSP(%rbx)
	cmpb	$0, VCPU_LAUNCHED(%rbx)
	je	1f
	load_guest
	vmresume
	movl	$1, %edi
	jmp	2f
1:	movb	$1, VCPU_LAUNCHED(%rbx)
	load_guest
	vmlaunch
	xorl	%edi, %edi
2:	movq	(%rsp), %rsi
	xorl	%ebp, %ebp		/* the guest's: no frame pointer for a backtrace */
	call	vmx_entry_failed	/* struct vmx_entry_failure in RAX and RDX */
	movq	%rax, (%rsp)
	movq	%rdx, %rbx
	jmp	clear_registers

	.balign 64
	.globl vmx_exit_entry
vmx_exit_entry:				/* HOST_RIP */
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rbp
	leaq	-8(%rsp), %rsp		/* the host's RSP */
	pushq	%rbx
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	movq	%rsp, %rbx
	movq	VCPU_HOST_RSP(%rbx), %rsp
clear_registers:
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%ebp, %ebp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	ret
	.size vmx_enter_guest, . - vmx_enter_guest

	.section .note.GNU-stack, "", @progbits
