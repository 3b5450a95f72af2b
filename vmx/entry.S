/* VM entry and exit: one function, called by vmx_enter (vmx/vmx_insn.h), whose caller loses all registers
 * but RSP and RBP.
 *
 * RDI: struct vmx_vcpu *v. Interrupts are off. The guest's general registers but RSP are loaded from and
 * stored to *v. CF: clear after a VM exit; set when VMLAUNCH or VMRESUME failed (VM_INSTRUCTION_ERROR says why).
 * After an exit every register that held a guest value is cleared, so that none is speculated on. */
#include "offsets.h"

	.text
	.balign 64
	.globl vmx_enter_guest
	.type vmx_enter_guest, @function
vmx_enter_guest:
	pushq	%rbp
	pushq	%rdi
	cmpq	VCPU_HOST_RSP(%rdi), %rsp
	je	1f
	movq	%rsp, VCPU_HOST_RSP(%rdi)
	movl	$FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	.Lfailed
1:	cmpb	$0, VCPU_LAUNCHED(%rdi)	/* no MOV below changes ZF */
	movq	VCPU_RAX(%rdi), %rax
	movq	VCPU_RCX(%rdi), %rcx
	movq	VCPU_RDX(%rdi), %rdx
	movq	VCPU_RBX(%rdi), %rbx
	movq	VCPU_RBP(%rdi), %rbp
	movq	VCPU_RSI(%rdi), %rsi
	movq	VCPU_R8(%rdi), %r8
	movq	VCPU_R9(%rdi), %r9
	movq	VCPU_R10(%rdi), %r10
	movq	VCPU_R11(%rdi), %r11
	movq	VCPU_R12(%rdi), %r12
	movq	VCPU_R13(%rdi), %r13
	movq	VCPU_R14(%rdi), %r14
	movq	VCPU_R15(%rdi), %r15
	movq	VCPU_RDI(%rdi), %rdi
	jz	2f
	vmresume
	jmp	.Lfailed
2:	vmlaunch
.Lfailed:
	popq	%rdi
	popq	%rbp
	stc				/* nothing was lost but what the caller gives up anyway */
	ret

	.balign 64
	.globl vmx_exit_entry
vmx_exit_entry:				/* HOST_RIP */
	pushq	%rdi
	movq	8(%rsp), %rdi
	popq	VCPU_RDI(%rdi)
	movq	%rax, VCPU_RAX(%rdi)
	movq	%rcx, VCPU_RCX(%rdi)
	movq	%rdx, VCPU_RDX(%rdi)
	movq	%rbx, VCPU_RBX(%rdi)
	movq	%rbp, VCPU_RBP(%rdi)
	movq	%rsi, VCPU_RSI(%rdi)
	movq	%r8, VCPU_R8(%rdi)
	movq	%r9, VCPU_R9(%rdi)
	movq	%r10, VCPU_R10(%rdi)
	movq	%r11, VCPU_R11(%rdi)
	movq	%r12, VCPU_R12(%rdi)
	movq	%r13, VCPU_R13(%rdi)
	movq	%r14, VCPU_R14(%rdi)
	movq	%r15, VCPU_R15(%rdi)
	popq	%rdi
	popq	%rbp
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d		/* XOR clears CF */
	ret
	.size vmx_enter_guest, . - vmx_enter_guest

	.section .note.GNU-stack, "", @progbits
