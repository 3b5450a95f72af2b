/* From the firmware's 64-bit mode, boot services left, to the state of the Multiboot2 specification
 * ('I386 machine state'): 32-bit protected mode, flat segments, paging off, EAX the magic, EBX the
 * information structure. The hypervisor's segments are copied to their places on the way, with paging
 * off: the firmware's page tables, or this loader, may be what is there.
 *
 * Copied to a page below 4 GiB, behind struct handover; runs at any address. RDI: the structure. */
#include <asm/processor-flags.h>

#include "boot/efi/handover.h"
#include "boot/mb2.h"

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

	.section .text.handover, "ax"
	.code64
	.globl	handover_start, handover_end
	.hidden	handover_start, handover_end
handover_start:
	cli
	cld
	/* Nothing on but what long mode needs: PCIDE must be off before paging is, and a shadow stack
	 * would mind the far return. */
	movq	%cr4, %rax
	andl	$(X86_CR4_PAE | X86_CR4_LA57), %eax
	movq	%rax, %cr4
	leaq	HANDOVER_PAGE_SIZE(%rdi), %rsp
	lgdt	HANDOVER_GDT_POINTER(%rdi)
	leaq	1f(%rip), %rax
	pushq	$HANDOVER_SEL_CODE
	pushq	%rax
	lretq

	.code32
1:	movl	$HANDOVER_SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movl	%cr0, %eax
	andl	$~X86_CR0_PG, %eax
	movl	%eax, %cr0
	movl	$MSR_EFER, %ecx
	rdmsr
	andl	$~EFER_LME, %eax
	wrmsr
	xorl	%eax, %eax
	movl	%eax, %cr4

	movl	%edi, %ebp
	leal	HANDOVER_COPY(%ebp), %ebx
	movl	HANDOVER_COPY_COUNT(%ebp), %edx
2:	movl	0(%ebx), %esi
	movl	4(%ebx), %edi
	movl	8(%ebx), %ecx
	rep movsb
	movl	12(%ebx), %ecx
	rep stosb			/* AL is 0 */
	addl	$HANDOVER_COPY_SIZE, %ebx
	decl	%edx
	jnz	2b

	movl	$MB2_BOOTLOADER_MAGIC, %eax
	movl	HANDOVER_INFO(%ebp), %ebx
	jmp	*HANDOVER_ENTRY(%ebp)
handover_end:

	.section .note.GNU-stack, "", @progbits
