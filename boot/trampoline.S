/* Where an application processor begins: a startup IPI sets it going in real mode at the start of a
 * page below 1 MiB, to which boot/smp.c copies this ('Multiple-Processor Management', 'MP
 * Initialization Protocol'). It goes straight to long mode on the boot tables. All but the way to the
 * pointers on this page is at fixed addresses, so nothing needs patching. */
#include <asm/processor-flags.h>

#include "cpu/desc.h"

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

	.section .rodata.trampoline, "a"
	.code16
	.globl	trampoline_start, trampoline_end
trampoline_start:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdt_pointer - trampoline_start
	movl	$X86_CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	/* Paging and protection at once; the caches, which INIT left off, on. */
	movl	$(X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG), %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE, $ap_entry64

	.balign	4
gdt_pointer:
	.short	3 * 8 - 1
	.long	boot_gdt
trampoline_end:

	.text
	.code64
ap_entry64:
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	/* Whoever takes the stack owns it: a CPU that comes after boot/smp.c gave it up finds none. */
1:	xorl	%eax, %eax
	xchgq	%rax, ap_stack(%rip)
	testq	%rax, %rax
	jnz	2f
	pause
	cmpl	$0, ap_may_wait(%rip)
	jne	1b
	jmp	3f
2:	movq	%rax, %rsp
	movq	ap_cpu(%rip), %rdi
	xorl	%ebp, %ebp
	call	ap_main
3:	cli
	hlt
	jmp	3b

	.section .note.GNU-stack, "", @progbits
