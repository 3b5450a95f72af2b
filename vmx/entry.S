/* VM entry and exit: one ordinary function of C's calling convention.
 *
 * int vmx_enter(struct vmx_vcpu *v (rdi), bool launched (esi))
 *
 * Interrupts are off. The guest's general registers but RSP are loaded from and stored to *v. 0 after a VM
 * exit; 1 when VMLAUNCH or VMRESUME failed (VM_INSTRUCTION_ERROR says why). After an exit the registers that
 * C does not restore are cleared, so that no guest value is speculated on. */
#include "offsets.h"

	.text
	.balign 64
	.globl vmx_enter
	.type vmx_enter, @function
vmx_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	cmpq	VCPU_HOST_RSP(%rdi), %rsp
	je	1f
	movq	%rsp, VCPU_HOST_RSP(%rdi)
	movl	$FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	.Lfailed
1:	testb	%sil, %sil		/* no MOV below changes ZF */
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
	movl	$1, %eax
	jmp	.Lclear

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
	xorl	%eax, %eax
.Lclear:
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size vmx_enter, . - vmx_enter

	.section .note.GNU-stack, "", @progbits
