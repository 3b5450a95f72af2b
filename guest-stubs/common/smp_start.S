/* Where a SIPI starts a CPU: copied to any page below 1 MiB, and from there straight from real mode to
 * long mode, with the first CPU's page tables and GDT. EBX: CS as the SIPI set it. */

#include "guest-stubs/common/smp_stack.h"

#define AT(label) (label - smp_trampoline)

	.section .rodata
	.globl smp_trampoline, smp_trampoline_cr3, smp_trampoline_target, smp_trampoline_end
	.balign 16
	.code16
smp_trampoline:
	cli
	xor %ebx, %ebx
	mov %cs, %bx
	mov %bx, %ds
	lgdtl AT(gdt_pointer_32)
	mov $0x20, %eax              /* CR4.PAE */
	mov %eax, %cr4
	mov AT(smp_trampoline_cr3), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx        /* IA32_EFER.LME */
	rdmsr
	or $0x100, %eax
	wrmsr
	mov $0x80000031, %eax        /* CR0: PG, NE, ET, PE */
	mov %eax, %cr0
	ljmpl *AT(smp_trampoline_target)

	.balign 8
gdt_pointer_32:
	.word 4 * 8 - 1 /* as crt.S has it */
	.long stub_gdt
	.balign 4
smp_trampoline_cr3:
	.long 0
smp_trampoline_target:
	.long 0
	.word 0x08
smp_trampoline_end:

	.text
	.code64
.macro LOAD_DATA_SEGMENTS
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %ebp, %ebp
.endm

/* The CPU that smp_start waits for. */
	.globl smp_start_one
smp_start_one:
	LOAD_DATA_SEGMENTS
	mov smp_start_stack, %rsp
	call smp_entry

/* Any number of CPUs at once: each draws the number of its stack. */
	.globl smp_start_many
smp_start_many:
	LOAD_DATA_SEGMENTS
	mov $1, %eax
	lock xadd %eax, smp_stacks_taken
	inc %eax
	imul $SMP_SMALL_STACK, %eax
	lea smp_small_stacks(%rax), %rsp
	mov %ebx, %edi
	call *smp_many_entry
