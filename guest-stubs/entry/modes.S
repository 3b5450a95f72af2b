/* Into other modes and back, for entry.c. Interrupts are off. */

#include "guest-stubs/entry/modes.h"

	.macro	enter_function
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, entry_rsp
	.endm

	.text
/* uint64_t entry_run_32(uint64_t eip, uint64_t rax, uint64_t rdx): in compatibility mode from `eip` on, which comes
 * back to entry_back; RAX as it is then. */
	.globl	entry_run_32, entry_back, entry_run_64
entry_run_32:
	enter_function
	pushq	$SEL_CODE32
	push	%rdi
	mov	%rsi, %rax
	mov	$0x1a0, %ecx			/* IA32_MISC_ENABLE */
	lretq
entry_back:
	mov	entry_rsp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* uint64_t entry_run_64(uint64_t rip): the same in 64-bit mode. */
entry_run_64:
	enter_function
	xor	%eax, %eax
	mov	$0x1a0, %ecx
	jmp	*%rdi

/* For entry_run_32: MOV to CR0 and CR4 of whatever RAX holds. */
	.globl	entry_mov_cr0, entry_mov_cr4
	.code32
entry_mov_cr0:
	mov	%eax, %cr0
	ljmp	$SEL_CODE64, $entry_back
entry_mov_cr4:
	mov	%eax, %cr4
	ljmp	$SEL_CODE64, $entry_back

/* void entry_run_legacy(struct legacy *): paging and IA-32e mode off, then what the structure says, up to its end or the
 * first #GP, and back. */
	.code64
	.globl	entry_run_legacy
entry_run_legacy:
	enter_function
	mov	%rdi, %rbx
	mov	%cr0, %rax
	mov	%eax, old_cr0
	mov	%cr3, %rax
	mov	%eax, old_cr3
	mov	%cr4, %rax
	mov	%eax, old_cr4
	sidt	old_idt
	lidt	legacy_idt_pointer
	pushq	$SEL_CODE32
	lea	1f, %rax
	push	%rax
	lretq
	.code32
1:	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0xc0000080, %ecx
	rdmsr
	and	$~0x100, %eax
	or	LEGACY_EFER(%ebx), %eax
	wrmsr
	movl	$-1, LEGACY_VECTOR(%ebx)
	mov	LEGACY_TR(%ebx), %eax
	test	%eax, %eax
	jz	2f
	ltr	%ax
2:	mov	LEGACY_CR3(%ebx), %eax
	mov	%eax, %cr3
	mov	LEGACY_CR4(%ebx), %eax
	mov	%eax, %cr4
	mov	LEGACY_CR0(%ebx), %eax
	mov	%eax, %cr0
	mov	LEGACY_POKE(%ebx), %edi
	mov	LEGACY_POKED(%ebx), %eax
	mov	%eax, (%edi)
	mov	LEGACY_THEN_CR4(%ebx), %eax
	mov	%eax, %cr4
	jmp	3f
legacy_gp:
	movl	$13, LEGACY_VECTOR(%ebx)
	mov	entry_rsp, %esp
3:	mov	%cr0, %eax
	mov	%eax, LEGACY_SEEN_CR0(%ebx)
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	old_cr4, %eax
	mov	%eax, %cr4
	mov	old_cr3, %eax
	mov	%eax, %cr3
	cmpl	$0, LEGACY_TR(%ebx)
	je	4f
	mov	$SEL_TSS32, %eax
	ltr	%ax
4:	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	old_cr0, %eax
	mov	%eax, %cr0
	ljmp	$SEL_CODE64, $5f
	.code64
5:	lidt	old_idt
	jmp	entry_back

/* void entry_step(uint32_t is_hlt): TF over STI, MOV SS and instructions that exit; the trap's handler ends it at entry_steps_end. */
	.globl	entry_step, entry_steps, entry_after_sti, entry_after_shadow, entry_after_ss, entry_after_cpuid, entry_steps_end
entry_step:
	enter_function
	mov	%edi, %r13d
	mov	%ss, %r12d
	xor	%eax, %eax
	pushfq
	orl	$0x100, (%rsp)
	popfq
entry_steps:
	sti
entry_after_sti:
	cpuid
entry_after_shadow:
	cli
	mov	%r12d, %ss
entry_after_ss:
	cpuid
entry_after_cpuid:
	test	%r13d, %r13d
	jz	8f
	hlt					/* the trap ends it, with IF=0 */
8:	nop
entry_steps_end:
	nop
	jmp	entry_back

/* void entry_fault_in_iret(void): an NMI, whose handler lets CPL 3 execute an IRET that faults: #AC. Its handler ends it
 * by coming back to entry_back. */
	.globl	entry_fault_in_iret, entry_nmi
entry_fault_in_iret:
	enter_function
	call	*%rdi				/* sends the NMI to itself */
6:	pause
	jmp	6b
entry_nmi:
	/* Not by IRET, which would end the NMI. The stack for it is not aligned. */
	mov	$7f, %rcx
	mov	$0x40002, %r11d			/* AC */
	mov	$entry_user_stack + 4096 - 127, %rsp
	sysretq
7:	iretq

	.data
	.balign	8
legacy_idt_pointer:
	.word	14 * 8 - 1
	.quad	legacy_idt
	.balign	8
/* Vectors 0 to 13, of which only #GP is there. Its gate's offset is below 2^32, and is put together by entry.c. */
	.globl	legacy_idt, legacy_gp
legacy_idt:
	.skip	14 * 8

	.bss
	.balign	4096
	.globl	entry_user_stack
entry_user_stack:
	.skip	4096
	.balign	8
	.globl	entry_rsp
entry_rsp:
	.skip	8
old_cr0:
	.skip	4
old_cr3:
	.skip	4
old_cr4:
	.skip	4
	.balign	8
old_idt:
	.skip	10
